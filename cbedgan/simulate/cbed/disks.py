"""The disks of a pattern before they are drawn: what leaves the slab for every incident direction of an aperture."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Complex, Float, Int
from numpy.typing import ArrayLike

from cbedgan.crystal.electron import wavenumber_inv_angstrom
from cbedgan.simulate.cbed.aperture import Directions, interpolation, rings, square_grid, weights_of_mean
from cbedgan.simulate.cbed.detector_config import LEAST_ACROSS, DetectorConfig, Drift, RingDrift
from cbedgan.simulate.cbed.multislice import Exposure, Multislice
from cbedgan.simulate.cbed.slab_symmetry import (
    amplitudes_by_symmetry,
    beam_operations,
    intensities_by_symmetry,
    mirror_azimuth,
)
from cbedgan.simulate.cbed.zone_axis import Slab
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import shortest_visible_g

# The survey guesses how long g1 is, the full disks confirm it: two rings of equal area for each direction, in which no
# rotation axis of the crystal is favoured, and coarse layers.
SURVEY_RINGS = ((6, 0.4), (12, 0.82))  # directions, radius in units of the aperture's
SURVEY_MERGE_ANGSTROM = 0.8
QUICK_G_MAX = 2.0  # 1/angstrom: a band limit for guesses; the disks on a detector are far within
QUICK_RING = (6, 0.7)  # the guess's one ring, where the full disks are taken on rings


@dataclass(frozen=True, eq=False)
class Disks:
    """What leaves the slab, by terrace V, thickness T, incident direction D and beam B; not yet drawn.

    leaving: intensities float32, or amplitudes complex64; directions: of the incident waves, as transverse wave vectors
    in 1/angstrom, slab frame, with their spline; weights: of the mean over the lit directions, summing to 1; radius:
    of the aperture, 1/angstrom; thickness_angstrom: real.
    """

    leaving: Float[np.ndarray, "V T D B"] | Complex[np.ndarray, "V T D B"]
    directions: Directions
    weights: Float[np.ndarray, " D"]
    radius: float
    beam: Int[np.ndarray, "B 2"]
    thickness_angstrom: Float[np.ndarray, " T"]

    @cached_property
    def intensity(self) -> Float[np.ndarray, "T D B"]:
        """Intensity at the directions themselves, the mean over terraces."""
        if np.isrealobj(self.leaving):
            return self.leaving[0]
        return (np.real(self.leaving)**2 + np.imag(self.leaving)**2).mean(0)

    def between(self, wanted: Float[np.ndarray, "S 2"], beams: Bool[np.ndarray, " B"], thickness: Int[np.ndarray, " t"]
                ) -> Float[np.ndarray, "t S b"]:
        """Intensity at any lit directions, the mean over terraces, of some beams and thicknesses.

        Amplitudes are interpolated and then squared: |a|^2 changes twice as fast from one direction to the next.
        """
        unit = self.radius
        weights = interpolation(self.directions._replace(nodes=self.directions.nodes / unit), wanted / unit)
        leaving = self.leaving[:, thickness][..., beams]
        if np.isrealobj(leaving):
            return np.maximum(weights @ leaving[0], 0)  # a spline may undershoot
        parts = np.stack([np.real(leaving), np.imag(leaving)]).astype(np.float64)
        return np.square(weights @ parts).sum(0).mean(0)


def illuminate(propagation: Multislice, thickness_angstrom: ArrayLike, *, radius: float, number: int,
               azimuth_rad: float = 0.0, on_rings: bool = False, margin: float = 0.0) -> Disks:
    """Send waves from all over an aperture; InputError for one that is wider than the band limit.

    Parameters
    ----------
    propagation : through the slab
    thickness_angstrom : [T]
    radius : of the aperture, 1/angstrom
    number : of rings, or directions of the square grid along its diameter
    azimuth_rad : turn of the frame with which the grid is aligned
    on_rings : as RingDrift; aligned with the slab's own mirrors, so that all its symmetry is exact
    margin : by how much the lit directions reach beyond the aperture, in 1/angstrom, for tilts
    """
    _require_within(propagation, radius + margin)
    if not on_rings:
        grid = square_grid(number)
        nodes = grid.nodes * radius @ turn_matrix(azimuth_rad).T
        leaving = intensities_by_symmetry(propagation, nodes, thickness_angstrom)
        return Disks(leaving.intensity[None], grid._replace(nodes=nodes), weights_of_mean(grid), radius, leaving.beam,
                     leaving.thickness_angstrom)
    grid, operations = rings(number), beam_operations(propagation.slab)
    if propagation.config.terraces == "one":
        operations = [operation for operation in operations if not operation.along_beam]
    lit = (radius + margin) * grid.nodes
    nodes = lit @ turn_matrix(mirror_azimuth(propagation.slab, operations))
    some = amplitudes_by_symmetry(propagation, nodes, thickness_angstrom, operations)
    return Disks(some.amplitude, grid._replace(nodes=nodes), weights_of_mean(grid._replace(nodes=lit / radius)), radius,
                 some.beam, some.thickness_angstrom)


def how_many(wanted: int | Drift | RingDrift, semi_angle_rad: float, thickness_angstrom: ArrayLike) -> int:
    """Return how many incident directions lie along the aperture's diameter, or how many rings in it.

    thickness_angstrom: [T]; semi_angle_rad: of all that is lit.
    """
    if isinstance(wanted, int):
        return wanted
    across = 2 * semi_angle_rad * np.max(thickness_angstrom)
    if isinstance(wanted, RingDrift):
        return max(LEAST_ACROSS // 2, int(np.ceil(across / 2 / wanted.ring_drift_angstrom)))
    return max(LEAST_ACROSS, int(np.ceil(across / wanted.drift_angstrom)))


def survey(slab: Slab, exposure: Exposure, detector: DetectorConfig) -> tuple[Float[np.ndarray, " 2"], Disks]:
    """Look at the disks from a few incident directions, through coarse layers.

    Returns a shortest visible reflection of the ZOLZ in 1/angstrom, slab frame, and the disks. Where the aperture
    itself waits for that g1, the shortest vector of the ZOLZ's lattice stands in for it.
    """
    config = exposure.multislice
    quick = isinstance(detector.directions_across, RingDrift)
    coarse = config.model_copy(update={
        "merge_angstrom": max(config.merge_angstrom, SURVEY_MERGE_ANGSTROM),
        "g_max_inv_angstrom": min(config.g_max_inv_angstrom, QUICK_G_MAX) if quick else config.g_max_inv_angstrom})
    disks = look(slab, replace(exposure, multislice=coarse), detector, (QUICK_RING,) if quick else SURVEY_RINGS)
    return shortest(disks, slab, visible=detector.visible, tie=detector.tie), disks


def look(slab: Slab, exposure: Exposure, detector: DetectorConfig, at: tuple[tuple[int, float], ...]) -> Disks:
    """Send waves along rings of incident directions, no more.

    Parameters
    ----------
    slab, exposure, detector : of the pattern; where its aperture waits for g1 see `survey`
    at : directions and radius, in units of the aperture's, of each ring
    """
    propagation = Multislice(slab, beam_energy_kev=exposure.beam_energy_kev, device=exposure.device,
                             config=exposure.multislice)
    radius = unconfirmed_radius(slab, exposure, detector)
    _require_within(propagation, radius)
    angle = np.concatenate([2 * np.pi * np.arange(count) / count for count, _ in at])
    share = np.concatenate([np.full(count, share) for count, share in at])
    nodes = radius * share[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    leaving = intensities_by_symmetry(propagation, nodes, exposure.thickness_angstrom)
    return Disks(leaving.intensity[None], Directions(nodes, 3, 1), np.full(len(nodes), 1 / len(nodes)), radius,
                 leaving.beam, leaving.thickness_angstrom)


def unconfirmed_radius(slab: Slab, exposure: Exposure, detector: DetectorConfig) -> float:
    """Radius of the aperture in 1/angstrom; where it waits for g1, by the shortest vector of the ZOLZ's lattice."""
    if detector.aperture_unit != "shortest_g":
        return detector.aperture_radius * wavenumber_inv_angstrom(exposure.beam_energy_kev) * 1e-3
    return detector.aperture_radius * float(np.linalg.norm(np.linalg.inv(slab.projected_lattice), axis=0).min())


def in_zolz(g: Float[np.ndarray, "B 2"], slab: Slab) -> Bool[np.ndarray, " B"]:
    """Which beams g, 1/angstrom, slab frame, belong to the zero-order Laue zone (ZOLZ)."""
    order = g @ slab.projected_lattice.T
    return np.abs(order - np.round(order)).max(-1) < 1e-6


def shortest(disks: Disks, slab: Slab, *, visible: float, tie: float, least: float = 0.0) -> Float[np.ndarray, " 2"]:
    """The shortest visible reflection of the ZOLZ, 1/angstrom, slab frame.

    Parameters
    ----------
    disks, slab : what leaves, and of which slab
    visible, tie : as in geometry.shortest_visible_g
    least : no shorter than this
    """
    g = disks.beam @ slab.reciprocal_lattice
    rows = in_zolz(g, slab) & (np.hypot(g[:, 0], g[:, 1]) >= least)
    mean = disks.weights @ disks.intensity[..., rows].mean(0)
    return shortest_visible_g(g[rows], mean, visible=visible, tie=tie)


def turn_matrix(azimuth_rad: float) -> Float[np.ndarray, "2 2"]:
    """Matrix that turns row vectors counter-clockwise: those of the slab frame into the turned drawing."""
    return np.array([[np.cos(azimuth_rad), np.sin(azimuth_rad)], [-np.sin(azimuth_rad), np.cos(azimuth_rad)]])


def _require_within(propagation: Multislice, radius: float) -> None:
    g_max = propagation.config.g_max_inv_angstrom
    if radius >= g_max / 2:
        raise InputError(source="aperture_radius", rule=f"must stay below half of g_max_inv_angstrom = {g_max:g}",
                         value=f"{radius:.3g} 1/angstrom", remedy="Take a smaller aperture or a larger g_max.")
