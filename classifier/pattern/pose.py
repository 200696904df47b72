"""The canonical pose of a measured pattern: which of its disks are lit, how brightly, and which g is the shortest.

The disk lattice is known (cell, zone axis, energy) or found in the image. Both ways end in the one rule,
`geometry.shortest_visible_g`.
"""

import heapq

import numpy as np
from jaxtyping import Float, Real

from classifier.crystal.reciprocal import reduced_basis
from classifier.foundation.errors import InputError
from classifier.pattern.disk_lattice import DiskLattice, find_disk_lattice, pixel_vectors
from classifier.pattern.geometry import Detector, Pose, shortest_visible_g

DARK_SHARE = 0.15  # of a lit disk's area that fringes may leave dark; more, and the place counts as unlit
FAINTEST = 1e-3  # of the brightest diffracted disk: where the search for lit disks ends
SAMPLED_RADIUS = 8.0  # pixels: of larger disks every second, third, ... pixel is looked at


def pose_from_lattice(pattern: Real[np.ndarray, "H H"], detector: Detector, lattice: DiskLattice, *, visible: float,
                      tie: float) -> Pose:
    """Pose of one pattern whose disk lattice is known; InputError when no diffracted disk is in the frame.

    Parameters
    ----------
    pattern, detector : intensities and what their pixels mean
    lattice : in detector units; systematically absent reflections among it are told from lit ones (see lit_disks)
    visible, tie : as in geometry.shortest_visible_g
    """
    g = shortest_visible_g(*lit_disks(pattern, detector, lattice), visible=visible, tie=tie)
    return Pose(g, np.array(lattice.centre, dtype=np.float64))


def lit_disks(pattern: Real[np.ndarray, "H H"], detector: Detector, lattice: DiskLattice
              ) -> tuple[Float[np.ndarray, "M 2"], Float[np.ndarray, " M"]]:
    """Vectors g and mean intensities of the diffracted disks that hold light of their own; InputError if none does.

    Brightest first, a lattice point joins when the part of its disk that brighter disks leave uncovered is lit all over
    (its DARK_SHARE quantile is high). A place lit only where other disks reach into it is dark once they have joined.
    Intensities are means over the uncovered part. At least half of a disk must lie in the frame.
    """
    scale = detector.pixel_size
    radius = lattice.radius / scale
    stride = max(1, int(radius / SAMPLED_RADIUS))
    basis = reduced_basis(lattice.basis) / scale
    if np.hypot(*basis[0]) < 2:
        raise InputError(source="canonical pose", rule="the disk lattice must be wider than two pixels",
                         value=f"shortest vector {np.hypot(*basis[0]):.2g} pixels",
                         remedy="Check cell, zone axis and pixel size, or find the pose from the image.")
    vectors = (pixel_vectors(detector.size_pixels) - np.asarray(lattice.centre) / scale)[::stride, ::stride]
    light = np.maximum(np.asarray(pattern, dtype=np.float64), 0)[::stride, ::stride]
    light = light - np.percentile(light, 2)
    margin = stride  # a blurred edge is no light of a neighbour's own
    g, disks, surroundings = _disks_in_frame(vectors, basis, radius, margin)
    covered = np.hypot(vectors[..., 0], vectors[..., 1]).ravel() <= radius + margin
    light = light.ravel()
    enough = max(3, 0.15 * max(map(len, disks), default=0))
    lit: list[tuple[int, float]] = []
    queue = [(-np.inf, k) for k in range(len(disks))]
    brightest = 0.0
    while queue:
        key, k = heapq.heappop(queue)
        if -key <= FAINTEST * brightest:
            break
        own = light[disks[k][~covered[disks[k]]]]
        if len(own) < enough:
            continue
        now = _quantile(own, DARK_SHARE)
        if queue and now < -queue[0][0]:  # others come first; by then more of this place may be covered
            heapq.heappush(queue, (-now, k))
            continue
        if now <= 0:
            break
        lit.append((k, float(own.mean())))
        brightest = max(brightest, now)
        covered[surroundings[k]] = True
    if not lit:
        raise InputError(source="canonical pose", rule="the frame must hold at least half of one lit diffracted disk",
                         value=f"none of {len(disks)} lattice points", remedy="Take a wider field, or the raw pose.")
    chosen, mean = zip(*lit, strict=True)
    return g[list(chosen)] * scale, np.array(mean)


def _quantile(values: np.ndarray, share: float) -> float:
    """Quantile of finite values [n] by linear interpolation; numpy's own takes far longer to start than to count."""
    place = share * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    ordered = np.partition(values, (below, above))
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


def lattice_share(pattern: Real[np.ndarray, "H H"], lit: Float[np.ndarray, "H H"], detector: Detector,
                  lattice: DiskLattice) -> float:
    """`explained_share` of the lit disks of a lattice, 0 where none is lit.

    Parameters
    ----------
    pattern, lit, detector : intensities, their `lit_map`, and what the pixels mean
    lattice : in detector units
    """
    try:
        g, _ = lit_disks(pattern, detector, lattice)
    except InputError:
        return 0.0
    return explained_share(lit, detector, g, lattice)


def explained_share(lit: Float[np.ndarray, "H H"], detector: Detector, g: Float[np.ndarray, "M 2"],
                    lattice: DiskLattice) -> float:
    """Share of the light outside the direct disk that lies in the disks at g, beyond their share of the area.

    (inside - area) / (1 - area): about 0 for disks that have nothing to do with the pattern, 1 when they explain all.

    Parameters
    ----------
    lit, detector : the pattern's `lit_map`, and what the pixels mean
    g, lattice : in detector units: disk centres from the direct disk; what gives its centre and the radius of all
    """
    size, radius = detector.size_pixels, lattice.radius / detector.pixel_size
    low = -size / 2 + 0.5 - np.asarray(lattice.centre) / detector.pixel_size  # of the first pixel from the centre
    diffracted = np.hypot(*np.meshgrid(*(np.arange(size) + start for start in low))) > radius + 1
    offset = np.asarray(g) / detector.pixel_size - low
    nearest = np.round(offset).astype(int)
    reach = np.arange(-int(radius) - 1, int(radius) + 2)
    column, row = nearest[:, 0, None, None] + reach, nearest[:, 1, None, None] + reach[:, None]
    in_disk = (column - offset[:, 0, None, None]) ** 2 + (row - offset[:, 1, None, None]) ** 2 <= radius**2
    in_disk &= (row >= 0) & (row < size) & (column >= 0) & (column < size)
    inside = np.zeros((size, size), dtype=bool)
    inside.reshape(-1)[(row * size + column)[in_disk]] = True
    inside, lit = inside[diffracted], lit[diffracted]
    area = inside.mean()
    return float((lit[inside].sum() / lit.sum() - area) / (1 - area)) if area < 1 and lit.sum() > 0 else 0.0


def _disks_in_frame(vectors: np.ndarray, basis: np.ndarray, radius: float,
                    margin: float) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Lattice points g [M, 2] but the origin, in pixels; flat pixel indices of their disks, bare and with margin."""
    size, (low, high) = vectors.shape[0], (vectors[0, 0], vectors[-1, -1])
    corners = np.array([[x, y] for x in (low[0], high[0]) for y in (low[1], high[1])]) @ np.linalg.inv(basis)
    first, last = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int)
    index = np.stack(np.meshgrid(*(np.arange(f, h + 1) for f, h in zip(first, last, strict=True))), -1).reshape(-1, 2)
    g = index[index.any(axis=1)] @ basis
    g = g[((g >= low) & (g <= high)).all(axis=1)]
    step = (high[0] - low[0]) / (size - 1)
    reach = np.arange(-int((radius + margin) / step) - 1, int((radius + margin) / step) + 2)
    column, row = (np.round((g - low) / step).astype(int)[:, axis, None, None] for axis in (0, 1))
    row, column = np.broadcast_arrays(row + reach[:, None], column + reach)
    inside = (row >= 0) & (row < size) & (column >= 0) & (column < size)
    place = np.where(inside, row * size + column, 0)
    distance = np.hypot(*np.moveaxis(vectors.reshape(-1, 2)[place] - g[:, None, None], -1, 0))
    disks, surroundings = ([flat[near] for flat, near in zip(place, inside & (distance <= limit), strict=True)]
                           for limit in (radius, radius + margin))
    return g, disks, surroundings


def pose_from_image(pattern: Real[np.ndarray, "H H"], detector: Detector, *, visible: float, tie: float,
                    disk_radius: float | None = None) -> Pose:
    """Pose of one pattern from the image alone; InputError when it shows no lattice of at least four whole disks.

    Parameters
    ----------
    pattern, detector : intensities and what their pixels mean
    visible, tie : as in geometry.shortest_visible_g
    disk_radius : in detector units; measured where it is not given
    """
    lattice = find_disk_lattice(pattern, detector, disk_radius=disk_radius)
    return pose_from_lattice(pattern, detector, lattice, visible=visible, tie=tie)
