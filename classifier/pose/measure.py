"""The pose of a measured pattern from its image alone, with what it may be wrong by; or why it cannot be told."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Real
from numpy.typing import ArrayLike

from classifier.crystal.reciprocal import reduced_basis
from classifier.foundation.errors import InputError
from classifier.pattern.disk_lattice import DiskLattice
from classifier.pattern.geometry import Detector, Pose, shortest_visible_g
from classifier.pose.edges import EdgeFit, fit_edges
from classifier.pose.find import find_fit
from classifier.pose.finer import CLOSEST, finer_basis
from classifier.pose.origin import direct_disk
from classifier.pose.spots import Spots, spots
from classifier.pose.stabilised import counts_per_unit, mended, stabilised

WORKING_SIZE = 128  # pixels: larger frames are binned to about this
CENTRE_PIXELS, LENGTH, AZIMUTH_DEGREE = 0.3, 0.01, 1.0  # bounds of errors: what two deviations must keep
SURE = 0.9  # of the direct disk, and of the length of g1
UNIFORM = 0.05  # of an intensity: what disks that should be alike differ by
TRIES = 200  # of intensities, scattered by counting
# What the fit says of itself, times this: light that is uneven in many disks alike, as a tilt makes it, pulls their
# edges together. Of 50 tilted frames at 1e5 electrons 86 % were within the bounds without it, of 43 with it 98 %.
UNEVEN = 1.5


@dataclass(frozen=True, eq=False)
class MeasuredPose:
    """pose and lattice in detector units; deviation: of the centre in pixels, of |g1| (relative), of the azimuth in
    degree; others: vectors g [n, 2] that counting could as well have made g1, of the same length within `tie`.
    """

    pose: Pose
    lattice: DiskLattice
    deviation: tuple[float, float, float]
    others: Float[np.ndarray, "n 2"]


def measure_pose(pattern: Real[np.ndarray, "H H"], detector: Detector, *, visible: float, tie: float,
                 disk_radius: float | None = None, centre: ArrayLike | None = None) -> MeasuredPose:
    """Pose of one pattern; InputError says what cannot be told, to 0.3 pixels, 1 % of |g1| and 1 degree.

    Parameters
    ----------
    pattern, detector : intensities and what their pixels mean
    visible, tie : as in geometry.shortest_visible_g
    disk_radius : in detector units, where it is known
    centre : [2] in detector units, of the direct disk; without it the image tells which disk that is
    """
    light = mended(pattern)
    found, level, fit, bins = _found(light, None if disk_radius is None else disk_radius / detector.pixel_size)
    pixel = detector.pixel_size * bins
    electrons = counts_per_unit(found)
    seen = spots(found, electrons, reduced_basis(fit.basis), fit.origin, fit.radius)
    origin = _direct(seen, fit, None if centre is None else np.asarray(centre) / pixel)
    fit = fit_edges(level, fit.basis, origin, fit.radius) or fit
    basis = finer_basis(found, electrons, reduced_basis(fit.basis), fit.origin, fit.radius)
    seen = spots(found, electrons, basis, fit.origin, fit.radius, middle=fit.origin)
    shortest, others = _shortest(seen, basis, fit.radius, visible, tie)
    deviation = _deviation(fit, shortest, bins)
    for value, most, what in zip(deviation, (CENTRE_PIXELS, LENGTH, AZIMUTH_DEGREE),
                                 ("the centre to {:g} pixels", "|g1| to {:.0%}", "the azimuth to {:g} degree"),
                                 strict=True):
        if 2 * value > most:
            raise InputError(source="canonical pose", rule="the disks must tell " + what.format(most),
                             value=f"a deviation of {value:.2g}",
                             remedy="Take more electrons or a wider field, or say where the disk of the shortest "
                                    "visible reflection lies: shortest_g_disk.")
    return MeasuredPose(Pose(shortest * pixel, fit.origin * pixel),
                        DiskLattice(basis * pixel, fit.radius * pixel, fit.origin * pixel), deviation, others * pixel)


def direct_disk_place(pattern: Real[np.ndarray, "H W"], radius: float | None) -> tuple[float, float] | None:
    """Column and row of the direct disk, of a radius in pixels if it is known; None where no lattice of disks is seen.

    InputError where the lattice does not tell which of its disks is the direct one.
    """
    light = np.asarray(pattern, dtype=np.float64)
    side = min(light.shape)
    row, column = ((length - side) // 2 for length in light.shape)
    light = mended(light[row:row + side, column:column + side])
    try:
        binned, _, fit, bins = _found(light, radius)
    except InputError:
        return None
    seen = spots(binned, counts_per_unit(binned), reduced_basis(fit.basis), fit.origin, fit.radius)
    x, y = _direct(seen, fit, None) * bins + (side - 1) / 2
    return float(x + column), float(y + row)


def _found(light: np.ndarray, radius: float | None) -> tuple[np.ndarray, np.ndarray, EdgeFit, int]:
    """The pattern binned, and stabilised; the fit in its pixels; how many pixels were binned along a side."""
    if not light.any():
        raise _no_lattice()
    bins = max(1, len(light) // WORKING_SIZE)
    while True:
        size = len(light) // bins
        rest = len(light) - size * bins
        binned = light[rest // 2:rest // 2 + size * bins, rest // 2:rest // 2 + size * bins]
        binned = binned.reshape(size, bins, size, bins).sum((1, 3))
        level = stabilised(binned)
        fit = find_fit(level, None if radius is None else radius / bins)
        if fit is not None:
            return binned, level, fit, bins
        if bins == 1:
            raise _no_lattice()
        bins //= 2


def _direct(seen: Spots, fit: EdgeFit, centre: np.ndarray | None) -> np.ndarray:
    """Place of the direct disk: the one at the centre, or the one that the image shows."""
    if centre is not None:
        index = np.round((centre - fit.origin) @ np.linalg.inv(reduced_basis(fit.basis)))
        near = fit.origin + index @ reduced_basis(fit.basis)
        off = np.hypot(*(near - centre))
        if off > fit.radius:
            raise InputError(source="canonical pose", rule="the centre must lie in a disk of the lattice",
                             value=f"{off:.1f} pixels from the nearest one's centre", remedy="Correct the centre.")
        return near
    place, sure = direct_disk(seen, fit.basis)
    if sure < SURE:
        raise InputError(source="canonical pose", rule="the image must tell which disk is the direct one",
                         value=f"{sure:.0%} for the likeliest", remedy="Give its place: geometry.centre.")
    return place


def _shortest(seen: Spots, basis: np.ndarray, radius: float, visible: float, tie: float
              ) -> tuple[np.ndarray, np.ndarray]:
    """The shortest visible g, in pixels, and others of its length that counting may have made fainter."""
    g = seen.index @ basis
    used = np.isfinite(seen.deviation) & (np.hypot(*g.T) > CLOSEST * radius)
    g, intensity = g[used], seen.intensity[used]
    deviation = np.hypot(seen.deviation[used], UNIFORM * intensity)
    rule = {"visible": visible, "tie": tie}
    chosen = shortest_visible_g(g, np.where(intensity > 3 * deviation, intensity, 0), **rule)
    length = np.hypot(*chosen)
    draw = np.random.default_rng(0)
    least = 1e-12 * intensity.max()
    tried = np.array([shortest_visible_g(g, np.maximum(draw.normal(intensity, deviation), least), **rule)
                      for _ in range(TRIES)])
    same = np.abs(np.hypot(*tried.T) / length - 1) < max(2 * tie, LENGTH)
    if same.mean() < SURE:
        other = np.median(np.hypot(*tried[~same].T)) / length
        raise InputError(source="canonical pose", rule="counting must leave no doubt which reflection is the shortest "
                         "visible one", value=f"{1 - same.mean():.0%} for one of {other:.2f} of the length",
                         remedy="Say where its disk lies: shortest_g_disk; or take more electrons.")
    mates = np.unique(tried[same], axis=0)
    return chosen, mates[np.hypot(*(mates - chosen).T) > 0.1 * length]


def _deviation(fit: EdgeFit, g: np.ndarray, bins: int) -> tuple[float, float, float]:
    """Deviations of the centre in pixels of the frame, of |g1| relative to it, and of the azimuth in degree."""
    steps = np.linalg.solve(fit.basis.T, g)
    covariance = UNEVEN**2 * fit.covariance
    spread = np.hstack([steps[0] * np.eye(2), steps[1] * np.eye(2)])  # how the basis vectors move g
    of_g = spread @ covariance[2:6, 2:6] @ spread.T
    length = np.hypot(*g)
    along, across = g / length, np.array([-g[1], g[0]]) / length
    return (float(np.sqrt(np.trace(covariance[:2, :2]) / 2) * bins), float(np.sqrt(along @ of_g @ along) / length),
            float(np.degrees(np.sqrt(across @ of_g @ across) / length)))


def _no_lattice() -> InputError:
    return InputError(source="disk lattice", value="no such lattice, or edges too faint to place it",
                      rule="at least four disks of a pattern must form a plane lattice",
                      remedy="Check the disk radius and the field of view, or keep the pattern in raw pose.")
