"""The disk lattice of one pattern, found in the image alone: basis, centre and disk radius.

Disk places by template correlation, a plane lattice through them, then a least-squares fit of all disk edges at once.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Real
from numpy.typing import ArrayLike
from scipy import ndimage, signal

from classifier.crystal.reciprocal import Basis, reduced_basis
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import Detector

ALIKE = 0.01  # of the shortest vector: distances that differ by less are equal
EDGE_SHIFT = 0.4  # pixels by which the logarithm, brightening partly covered pixels, moves the edge of a disk outwards


class DiskLattice(NamedTuple):
    """Where the disks of a pattern lie: basis of the lattice, their radius, centre [2] of the direct disk; one unit."""

    basis: Basis
    radius: float
    centre: np.ndarray = np.zeros(2)


def find_disk_lattice(pattern: Real[np.ndarray, "H H"], detector: Detector, *, disk_radius: float | None = None,
                      centre: ArrayLike = (0.0, 0.0)) -> DiskLattice:
    """Disk lattice of one pattern, in detector units; InputError when fewer than four whole disks form one.

    Parameters
    ----------
    pattern, detector : intensities and what their pixels mean
    disk_radius : in detector units; where it is not given, several are tried and the lattice that holds most light wins
    centre : [2], in detector units; the direct disk is the one nearest to it
    """
    scale = detector.pixel_size
    pattern = np.asarray(pattern, dtype=np.float64)
    flat, middle = _flatten(pattern), np.asarray(centre) / scale
    lit = _lit(flat)
    radii = [disk_radius / scale] if disk_radius is not None else _likely_radii(flat, middle)
    best, most, refusal = None, 0.0, None
    for radius in radii:
        try:
            basis, origin = _fit(*_disk_places(flat, radius), radius, middle)
            basis, origin, edge = _sharpen(lit, basis, origin, radius)
            _require_one_nearest(basis, origin, middle)
            if disk_radius is None:  # all disks together tell the radius better than the direct disk alone
                radius = float(edge) - EDGE_SHIFT
        except InputError as error:
            refusal = refusal or error
            continue
        inside, area = _shares(lit, basis, radius, origin)
        if inside - area > most:
            best, most = DiskLattice(basis * scale, radius * scale, origin * scale), inside - area
    if best is None:
        raise refusal or _no_lattice(0, radii[0] if radii else 0.0)
    return best


def _require_one_nearest(basis: np.ndarray, origin: np.ndarray, centre: np.ndarray) -> None:
    """InputError where another lattice point is as near to the centre as `origin`: which disk is the direct one?

    A smooth spot in the middle of a square frame looks like four disks about a hole.
    """
    points = origin + np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]) @ basis
    nearest, second = np.sort(np.hypot(*(points - centre).T))[:2]
    if second - nearest < ALIKE * np.hypot(*basis[0]):
        raise InputError(source="disk lattice", rule="one disk must be nearest to the expected centre",
                         value=f"two at {nearest:.1f} pixels", remedy="Say where the direct beam is.")


def lit_map(pattern: Real[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    """Whether a place of a pattern is lit: 0 in the dark, near 1 in disks of any brightness."""
    return _lit(_flatten(np.asarray(pattern, dtype=np.float64)))


def _shares(lit: np.ndarray, basis: np.ndarray, radius: float, centre: np.ndarray) -> tuple[float, float]:
    """Outside the direct disk: the shares of the light and of the area that lie in disks of the lattice."""
    index, distance = nearest_lattice_point(pixel_vectors(lit.shape[-1]) - centre, basis)
    diffracted = index.any(axis=-1) | (distance > radius + 1)
    inside, lit = distance[diffracted] <= radius, lit[diffracted]
    return float(lit[inside].sum() / max(lit.sum(), np.finfo(float).tiny)), float(inside.mean())


def _flatten(pattern: np.ndarray) -> np.ndarray:
    """Log intensity above background and noise, so that weak disks count beside strong ones; [H, W], 0 in the dark."""
    pattern = np.maximum(pattern, 0)
    mean = ndimage.uniform_filter(pattern, 5)
    spread = np.sqrt(np.maximum(ndimage.uniform_filter(pattern**2, 5) - mean**2, 0))
    background = np.percentile(mean, 5)
    noise = np.percentile(mean + 3 * spread, 10) - background
    floor = max(2e-5 * pattern.max(), noise, np.finfo(np.float32).tiny)
    return np.log1p(np.maximum(pattern - background, 0) / floor)


def _lit(flat: np.ndarray) -> np.ndarray:
    return flat**2 / (1 + flat**2)


def _likely_radii(flat: np.ndarray, centre: np.ndarray) -> list[float]:
    """Likely disk radii in pixels, likeliest first: where the mean of the flattened pattern around the centre falls."""
    distance = np.hypot(*np.moveaxis(pixel_vectors(flat.shape[-1]) - centre, -1, 0))
    bins = np.arange(0, flat.shape[-1] / 2, 0.5)
    counts, _ = np.histogram(distance, bins)
    sums, _ = np.histogram(distance, bins, weights=flat)
    profile = ndimage.gaussian_filter1d(sums / np.maximum(counts, 1), 1.5)
    fall = profile[:-2] - profile[2:]
    tops = np.flatnonzero((fall == ndimage.maximum_filter1d(fall, 5)) & (fall > 0))
    radii = bins[tops + 2] - 0.25 - EDGE_SHIFT
    likeliest = [radius for radius in radii[np.argsort(-fall[tops] * np.minimum(radii, 6))] if radius >= 2][:6]
    return [float(radius * factor) for factor in (1, 1.2) for radius in likeliest]


def _disk_places(flat: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Centres [n, 2] in pixels as (k_x, k_y) and weights [n] in (0, 1] of the disks that lie wholly in the frame.

    Peaks of the correlation with a disk minus the ring around it (a template that sums to zero).
    """
    reach = int(np.ceil(1.4 * radius)) + 1
    offsets = np.arange(-reach, reach + 1)
    distance = np.hypot(offsets[None, :], offsets[:, None])
    disk = np.clip(radius + 0.5 - distance, 0, 1)
    ring = np.clip(1.4 * radius + 0.5 - distance, 0, 1) - disk
    template = disk / disk.sum() - ring / ring.sum()
    response = signal.fftconvolve(flat, template, mode="same")
    peak = (response == ndimage.maximum_filter(response, size=2 * int(0.6 * radius) + 1)) & (response > 0)
    row, column = np.nonzero(peak)
    last = flat.shape[-1] - 1
    whole = np.min([row, last - row, column, last - column], axis=0) >= max(radius - 1, 1)
    row, column = row[whole], column[whole]
    if len(row) == 0:
        return np.zeros((0, 2)), np.zeros(0)
    weight = np.minimum(signal.fftconvolve(_lit(flat), template, mode="same")[row, column], 1)
    row, column, weight = (values[weight > 0.15] for values in (row, column, weight))
    shift = [_parabola_top(response[row - dr, column - dc], response[row, column], response[row + dr, column + dc])
             for dr, dc in ((0, 1), (1, 0))]
    return np.stack([column + shift[0], row + shift[1]], axis=1) - flat.shape[-1] / 2 + 0.5, weight


def _parabola_top(before: np.ndarray, at: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Offset of the top of the parabola through three neighbouring values, in steps, within half a step."""
    curvature = np.maximum(2 * at - before - after, 1e-12 + 1e-9 * np.abs(at))
    return np.clip((after - before) / (2 * curvature), -0.5, 0.5)


def _fit(places: np.ndarray, weight: np.ndarray, radius: float,
             centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Basis [2, 2] and the lattice point nearest to `centre` [2], in pixels, from disk places [n, 2] and weights [n].

    Each pair of vectors from the disk nearest to the centre to its neighbours is tried as a basis. Places on its
    lattice count for it, empty lattice points among them against it. The best one is refined by least squares.
    """
    refusal = _no_lattice(len(places), radius)
    if len(places) < 4:
        raise refusal
    first = places[np.argmin(np.hypot(*(places - centre).T))]
    order = np.argsort(np.hypot(*(places - first).T))
    vectors = (places - first)[order[1:13]]
    field = 1.05 * np.quantile(np.hypot(*(places - first).T), 0.9)
    tolerance = max(0.25 * radius, 1.5)
    best_score, best = 0.0, None
    for i, j in combinations(range(len(vectors)), 2):
        area = abs(vectors[i][0] * vectors[j][1] - vectors[i][1] * vectors[j][0])
        if area <= 0.3 * np.hypot(*vectors[i]) * np.hypot(*vectors[j]):
            continue
        basis = reduced_basis(vectors[[i, j]])
        on_lattice = nearest_lattice_point(places - first, basis)[1] < tolerance
        near = np.hypot(*(places - first).T) < field
        empty = np.pi * field**2 / area - (on_lattice & near).sum()
        score = weight[on_lattice].sum() - 0.3 * max(empty, 0)
        if score > best_score:
            best_score, best = score, basis
    if best is None:
        raise refusal
    basis, origin = best, first
    for shrink in (1.0, 1.0, 0.6, 0.6):
        index, off = nearest_lattice_point(places - origin, basis)
        good = off < tolerance * shrink
        design = np.column_stack([index, np.ones(len(index))])[good] * weight[good, None]
        if good.sum() < 4 or weight[good].sum() < 0.6 * weight.sum() or np.linalg.matrix_rank(design) < 3:
            raise refusal
        solution = np.linalg.lstsq(design, places[good] * weight[good, None], rcond=None)[0]
        basis, origin = solution[:2], solution[2]
    step = np.round(np.linalg.solve(basis.T, centre - origin))
    return reduced_basis(basis), origin + step @ basis


def _sharpen(lit: np.ndarray, basis: np.ndarray, origin: np.ndarray, radius: float
             ) -> tuple[np.ndarray, np.ndarray, float]:
    """Basis, origin and radius, in pixels, refined on the edges of all whole disks (Gauss-Newton, seven unknowns).

    Each disk is modelled as a plane of its own (disks are often lit on one side) times a soft edge. All disks share one
    lattice and one radius.
    """
    size = lit.shape[-1]
    vectors = pixel_vectors(size)
    for softness in (4.0, 4.0, 3.0, 3.0, 2.0, 2.0, 2.0):
        index, distance = nearest_lattice_point(vectors - origin, basis)
        whole = np.abs(index @ basis + origin).max(axis=-1) + radius <= size / 2
        number, off = number_pairs(index), vectors - origin - index @ basis
        edge = whole & (np.abs(distance - radius) < softness / 2) & (distance > 0)
        height = _planes(lit, number, off, distance < max(radius - softness / 2, 0.5 * radius), edge)
        outward = off[edge] / distance[edge][:, None]
        left = lit[edge] - height * (0.5 + (radius - distance[edge]) / softness)
        slope = (height / softness)[:, None]
        design = slope * np.column_stack([outward, index[edge][:, :1] * outward, index[edge][:, 1:] * outward,
                                          np.ones(len(height))])
        step, *_ = np.linalg.lstsq(design, left, rcond=1e-6)
        if not np.abs(step).max() < 0.3 * radius:
            break
        origin, basis, radius = origin + step[:2], basis + step[2:6].reshape(2, 2), radius + step[6]
    return basis, origin, radius


def _planes(lit: np.ndarray, number: np.ndarray, off: np.ndarray, core: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """Plane through the lit values of each disk's core, at the `edge` pixels, within 0..1; float64 [edge pixels].

    A core is round and centred, so that mean and slopes can be had apart from each other.
    """
    def of_disks(values: np.ndarray) -> np.ndarray:
        return np.bincount(number[core], values, number.max() + 1)

    area = np.maximum(of_disks(np.ones(core.sum())), 1)
    height = (of_disks(lit[core]) / area)[number[edge]]
    for axis in (0, 1):
        along = off[core][:, axis]
        slope = of_disks(lit[core] * along) / np.maximum(of_disks(along**2), 1)
        height += slope[number[edge]] * off[edge][:, axis]
    return np.clip(height, 0, 1)


def number_pairs(index: Int[np.ndarray, "*places 2"]) -> Int[np.ndarray, "*places"]:
    """Consecutive numbers for pairs of indices: equal pairs get equal numbers."""
    low = index.reshape(-1, 2).min(axis=0)
    span = index.reshape(-1, 2).max(axis=0) - low + 1
    return (index[..., 0] - low[0]) * span[1] + index[..., 1] - low[1]


def _no_lattice(places: int, radius: float) -> InputError:
    return InputError(source="disk lattice", rule="at least four disks of a pattern must form a plane lattice",
                      value=f"{places} disk-like places of radius {radius:.1f} pixels that do not",
                      remedy="Check the disk radius and the field of view, or keep the pattern in raw pose.")


def pixel_vectors(size: int) -> Float[np.ndarray, "{size} {size} 2"]:
    """Places of the pixels as (k_x, k_y) from the middle of the frame, in pixels."""
    places = np.arange(size) - size / 2 + 0.5
    return np.stack(np.meshgrid(places, places), axis=-1)


def nearest_lattice_point(vectors: Float[np.ndarray, "*places 2"], basis: Basis
                          ) -> tuple[Int[np.ndarray, "*places 2"], Float[np.ndarray, "*places"]]:
    """Indices of the lattice points nearest to `vectors`, and the distances to them.

    The basis must be reduced: the nearest point is then a corner of the mesh around the vector.
    """
    corner = np.floor(vectors @ np.linalg.inv(basis))
    x, y = np.moveaxis(vectors - corner @ basis, -1, 0)
    steps = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
    squares = np.stack([(x - away_x) ** 2 + (y - away_y) ** 2 for away_x, away_y in steps @ basis])
    chosen = squares.argmin(axis=0)
    return corner.astype(np.int64) + steps[chosen], np.asarray(np.sqrt(squares.min(axis=0)))
