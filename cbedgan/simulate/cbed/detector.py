"""From beam intensities to pixels: every disk is laid where its electrons land, raw or in canonical pose.

Disks add in intensity. Each pattern is drawn once, straight into its final frame, so that nothing is resampled.
Intensity unit: fraction of the incident beam per pixel; an unlimited detector sums to one.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike
from pydantic import Field

from cbedgan.simulate.cbed.aperture import aperture_samples, incident_directions, interpolation, weights_of_mean
from cbedgan.simulate.cbed.multislice import Exposure, Multislice
from cbedgan.simulate.cbed.slab_symmetry import intensities_by_symmetry
from cbedgan.simulate.cbed.zone_axis import Slab
from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import Detector, Pose, shortest_visible_g

# The survey guesses how long g1 is, the full disks confirm it: two rings of equal area for each direction, in which no
# rotation axis of the crystal is favoured, and coarse layers.
SURVEY_RINGS = ((6, 0.4), (12, 0.82))  # directions, radius in units of the aperture's
SURVEY_MERGE_ANGSTROM = 0.8
LEAST_ACROSS = 4  # incident directions along the aperture's diameter


class Drift(Config):
    """As many incident directions as it takes: neighbours drift apart by at most this on their way through the slab.

    The wider the aperture and the thicker the slab, the faster intensities change from one direction to the next.
    """

    drift_angstrom: Annotated[float, Field(gt=0)]


class DetectorConfig(Config):
    """Detector, aperture and sampling of one pattern.

    In canonical pose lengths count in units of |g1|, the shortest visible reflection of the ZOLZ, which points to +x.
    aperture_unit "spacing_at_100_kev": wavelength at 100 keV over the spacing of the reflection that names the zone
    axis, whatever the energy; `stack.detectors` puts it in mrad.
    """

    pose: Literal["raw", "canonical"] = "canonical"
    size_pixels: Annotated[int, Field(ge=1)] = 64
    half_width: Annotated[float, Field(gt=0)] = 2.0  # centre to edge: 1/angstrom (raw), |g1| (canonical)
    aperture_unit: Literal["shortest_g", "mrad", "spacing_at_100_kev"] = "shortest_g"
    aperture_radius: Annotated[float, Field(gt=0)] = 0.475  # semi-angle in aperture_unit; below 0.5 |g1| no overlap
    directions_across: Annotated[int, Field(ge=LEAST_ACROSS)] | Drift = 8  # incident directions along the diameter
    samples_per_pixel: Annotated[int, Field(ge=1)] = 2  # interpolated samples along one side of a pixel
    visible: Annotated[float, Field(gt=0, lt=1)] = 0.02  # see classifier.pattern.geometry.shortest_visible_g
    tie: Annotated[float, Field(ge=0)] = 0.02


@dataclass(frozen=True, eq=False)
class PatternResult:
    """One zone axis at T thicknesses.

    image: fraction of the incident beam per pixel; thickness_angstrom: real; shortest_g: (k_x, k_y) in 1/angstrom in
    the slab's own frame; pixel_size_inv_angstrom: of the drawn frame; azimuth_rad: counter-clockwise turn from the
    slab's frame to the drawn one; detector: of the drawn frame; slope: of the entry surface, dz over in-plane length.
    """

    image: Float[np.ndarray, "T H W"]
    thickness_angstrom: Float[np.ndarray, " T"]
    semi_angle_mrad: float
    shortest_g: Float[np.ndarray, " 2"]
    pixel_size_inv_angstrom: float
    azimuth_rad: float
    detector: Detector
    slope: float


@dataclass(frozen=True, eq=False)
class Disks:
    """Beam intensities over the aperture, not yet drawn.

    nodes: transverse wave vectors of the incident waves, and radius: of the aperture, 1/angstrom, slab frame;
    weights: of the mean over the aperture, summing to 1; thickness_angstrom: real.
    """

    intensity: Float[np.ndarray, "T D B"]
    nodes: Float[np.ndarray, "D 2"]
    weights: Float[np.ndarray, " D"]
    radius: float
    beam: Int[np.ndarray, "B 2"]
    thickness_angstrom: Float[np.ndarray, " T"]


def simulate_pattern(slab: Slab, exposure: Exposure, detector: DetectorConfig) -> PatternResult:
    """Simulate the CBED patterns of one slab; canonical pose sets its own azimuth.

    A survey guesses g1; where the disks taken through the guess's aperture say that g1 has another length, they are
    taken again through the right one. Which of several equally long g1 it is, the full disks decide. InputError for a
    faulty energy, thickness or aperture and when no diffracted disk is visible.
    """
    thickness_angstrom, azimuth_rad = exposure.thickness_angstrom, exposure.azimuth_rad
    propagation = Multislice(slab, beam_energy_kev=exposure.beam_energy_kev, config=exposure.multislice,
                             device=exposure.device)
    canonical = detector.pose == "canonical"
    frame = Detector(detector.size_pixels, 2 * detector.half_width / detector.size_pixels,
                     "shortest_g" if canonical else "1/angstrom")
    if detector.aperture_unit == "spacing_at_100_kev":
        raise InputError(source="aperture_unit", rule='one pattern takes "shortest_g" or "mrad"',
                         value=detector.aperture_unit, remedy="Simulate the stack of a crystal instead.")
    follows, tie = detector.aperture_unit == "shortest_g", detector.tie

    def through_aperture(g1: np.ndarray) -> Disks:
        unit = float(np.hypot(*g1)) if follows else propagation.wavenumber * 1e-3
        radius = detector.aperture_radius * unit
        across = directions_across(detector.directions_across, radius / propagation.wavenumber, thickness_angstrom)
        return illuminate(propagation, thickness_angstrom, radius=radius, across=across,
                          azimuth_rad=float(Pose(g1).azimuth_rad) if canonical else azimuth_rad)

    guess, _ = survey(slab, exposure, detector)
    disks = through_aperture(guess)
    g1 = _shortest(disks, slab, visible=detector.visible, tie=tie)
    if follows and abs(np.hypot(*g1) / np.hypot(*guess) - 1) > tie:
        disks = through_aperture(g1)
        g1 = _shortest(disks, slab, visible=0.0, tie=2 * tie, least=(1 - tie) * float(np.hypot(*g1)))
    pose = Pose(g1)
    pixel = frame.pixel_size * (float(pose.length) if canonical else 1.0)
    turn = float(pose.azimuth_rad) if canonical else azimuth_rad
    image = draw(propagation, disks, pixel=pixel, azimuth_rad=turn, size=detector.size_pixels,
                 samples_per_pixel=detector.samples_per_pixel)
    return PatternResult(image, disks.thickness_angstrom, 1e3 * disks.radius / propagation.wavenumber, g1, pixel, turn,
                          frame, float(np.linalg.norm(slab.slope)))


def survey(slab: Slab, exposure: Exposure, detector: DetectorConfig) -> tuple[Float[np.ndarray, " 2"], Disks]:
    """Look at the disks from a few incident directions, through coarse layers.

    Returns a shortest visible reflection of the ZOLZ in 1/angstrom, slab frame, and the disks. Where the aperture
    itself waits for that g1, the shortest vector of the ZOLZ's lattice stands in for it.
    """
    merged = max(exposure.multislice.merge_angstrom, SURVEY_MERGE_ANGSTROM)
    propagation = Multislice(slab, beam_energy_kev=exposure.beam_energy_kev, device=exposure.device,
                             config=exposure.multislice.model_copy(update={"merge_angstrom": merged}))
    zolz_length = np.linalg.norm(np.linalg.inv(slab.projected_lattice), axis=0).min()
    follows = detector.aperture_unit == "shortest_g"
    radius = detector.aperture_radius * (zolz_length if follows else propagation.wavenumber * 1e-3)
    angle = np.concatenate([2 * np.pi * np.arange(count) / count for count, _ in SURVEY_RINGS])
    share = np.concatenate([np.full(count, share) for count, share in SURVEY_RINGS])
    nodes = radius * share[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    disks = _disks(propagation, nodes, np.full(len(nodes), 1 / len(nodes)), radius,
                   exposure.thickness_angstrom)
    return _shortest(disks, slab, visible=detector.visible, tie=detector.tie), disks


def directions_across(wanted: int | Drift, semi_angle_rad: float, thickness_angstrom: ArrayLike) -> int:
    """Return how many incident directions lie along the aperture's diameter, for thicknesses [T] in angstrom."""
    if isinstance(wanted, int):
        return wanted
    return max(LEAST_ACROSS, int(np.ceil(2 * semi_angle_rad * np.max(thickness_angstrom) / wanted.drift_angstrom)))


def illuminate(propagation: Multislice, thickness_angstrom: ArrayLike, *, radius: float, across: int,
               azimuth_rad: float) -> Disks:
    """Send waves from all over an aperture; InputError for one that is wider than the band limit.

    Parameters
    ----------
    propagation : through the slab
    thickness_angstrom : [T]
    radius : of the aperture, 1/angstrom
    across : directions of the square grid along its diameter
    azimuth_rad : turn of the frame with which the grid is aligned
    """
    nodes = incident_directions(across)
    return _disks(propagation, nodes * radius @ _turn(azimuth_rad).T, weights_of_mean(nodes), radius,
                  thickness_angstrom)


def draw(propagation: Multislice, disks: Disks, *, pixel: float, azimuth_rad: float, size: int,
         samples_per_pixel: int) -> Float[np.ndarray, "T {size} {size}"]:
    """Draw patterns float32.

    Parameters
    ----------
    propagation, disks : that which `illuminate` was given, and what it returned
    pixel : its side, 1/angstrom
    azimuth_rad : turn of the frame
    size : pixels of a side
    samples_per_pixel : interpolated, along one side of a pixel
    """
    turn = _turn(azimuth_rad)
    side = pixel / samples_per_pixel
    samples, share = aperture_samples(disks.radius / side)
    samples = samples * side @ turn.T
    on_axis = _landing(propagation, np.zeros((1, 2)), disks.beam)[0] @ turn
    seen = np.abs(on_axis).max(-1) < size * pixel / 2 + _spread(propagation, disks.radius)
    weights = interpolation(disks.nodes / disks.radius, samples / disks.radius)
    landed = np.maximum(weights @ disks.intensity[..., seen], 0) * share[:, None]  # a spline may undershoot
    place = _landing(propagation, samples, disks.beam[seen]) @ turn
    return splat(landed, place / pixel, 1 / samples_per_pixel, size)


def splat(intensity: Float[np.ndarray, "T S B"], place: Float[np.ndarray, "S B 2"], side: float, size: int
          ) -> Float[np.ndarray, "T {size} {size}"]:
    """Lay square samples on patterns float32; each pixel gets its share by area.

    Parameters
    ----------
    intensity : of the samples
    place : (x, y) in pixels from the centre
    side : of a sample, at most 1 pixel
    size : pixels of a side of the pattern
    """
    lower = place + size / 2 - side / 2
    pixel = np.floor(lower).astype(np.int64)
    beyond = np.clip((lower + side - pixel - 1) / side, 0, 1)  # share that falls to the next pixel
    pixel = np.clip(pixel, -2, size) + 2  # a margin of two pixels takes what misses the detector
    patterns = np.zeros((len(intensity), (size + 4) ** 2))
    for down in (0, 1):
        for right in (0, 1):
            share = np.abs(1 - right - beyond[..., 0]) * np.abs(1 - down - beyond[..., 1])
            index = ((pixel[..., 1] + down) * (size + 4) + pixel[..., 0] + right).ravel()
            for pattern, values in zip(patterns, intensity, strict=True):
                pattern += np.bincount(index, (values * share).ravel(), len(pattern))
    return patterns.reshape(-1, size + 4, size + 4)[:, 2:-2, 2:-2].astype(np.float32)


def _disks(propagation: Multislice, nodes: np.ndarray, weights: np.ndarray, radius: float,
           thickness_angstrom: ArrayLike) -> Disks:
    g_max = propagation.config.g_max_inv_angstrom
    if radius >= g_max / 2:
        raise InputError(source="aperture_radius", rule=f"must stay below half of g_max_inv_angstrom = {g_max:g}",
                         value=f"{radius:.3g} 1/angstrom", remedy="Take a smaller aperture or a larger g_max.")
    leaving = intensities_by_symmetry(propagation, nodes, thickness_angstrom)
    return Disks(leaving.intensity, nodes, weights, radius, leaving.beam, leaving.thickness_angstrom)


def in_zolz(g: Float[np.ndarray, "B 2"], slab: Slab) -> Bool[np.ndarray, " B"]:
    """Which beams g, 1/angstrom, slab frame, belong to the zero-order Laue zone (ZOLZ)."""
    order = g @ slab.projected_lattice.T
    return np.abs(order - np.round(order)).max(-1) < 1e-6


def _shortest(disks: Disks, slab: Slab, *, visible: float, tie: float, least: float = 0.0) -> Float[np.ndarray, " 2"]:
    """The shortest visible reflection of the ZOLZ not shorter than `least`, 1/angstrom, slab frame."""
    g = disks.beam @ slab.reciprocal_lattice
    rows = in_zolz(g, slab) & (np.hypot(g[:, 0], g[:, 1]) >= least)
    mean = disks.weights @ disks.intensity[..., rows].mean(0)
    return shortest_visible_g(g[rows], mean, visible=visible, tie=tie)


def _landing(propagation: Multislice, directions: Float[np.ndarray, "D 2"], beam: Int[np.ndarray, "B 2"]
             ) -> Float[np.ndarray, "D B 2"]:
    """Transverse wave vectors with which beams leave, in 1/angstrom, slab frame."""
    return propagation.dispersion(directions, beam @ propagation.slab.reciprocal_lattice)[0]


def _spread(propagation: Multislice, radius: float) -> float:
    """How far from its centre a disk may reach, in 1/angstrom; on an inclined surface disks are slightly distorted."""
    tilt = propagation.config.g_max_inv_angstrom / propagation.wavenumber
    return radius * (1.05 + float(np.linalg.norm(propagation.slab.slope)) * tilt)


def _turn(azimuth_rad: float) -> Float[np.ndarray, "2 2"]:
    """Matrix by which row vectors of the slab frame are multiplied to get components in the turned drawing."""
    return np.array([[np.cos(azimuth_rad), np.sin(azimuth_rad)], [-np.sin(azimuth_rad), np.cos(azimuth_rad)]])
