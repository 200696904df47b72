"""From beam intensities to pixels: every disk is laid where its electrons land, raw or in canonical pose.

Disks add in intensity. Each pattern is drawn once, straight into its final frame, so that nothing is resampled.
Intensity unit: fraction of the incident beam per pixel; an unlimited detector sums to one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from cbedgan.crystal.electron import wavenumber_inv_angstrom
from cbedgan.simulate.cbed.aperture import aperture_samples
from cbedgan.simulate.cbed.detector_config import DetectorConfig, RingDrift
from cbedgan.simulate.cbed.disks import Disks, how_many, illuminate, shortest, survey, turn_matrix
from cbedgan.simulate.cbed.multislice import Exposure, Multislice, band_limit
from cbedgan.simulate.cbed.specimen import Specimen
from cbedgan.simulate.cbed.zone_axis import Slab
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import Detector, Pose


class View(NamedTuple):
    """How one propagation is drawn: pixels of a side, None for the detector's, and the state of the specimen.

    turned_rad: counter-clockwise, of the drawn frame beside what the pose asks for.
    """

    size_pixels: int | None = None
    specimen: Specimen = Specimen()
    turned_rad: float = 0.0


class LitPoint(NamedTuple):
    """A point of the lit area.

    tilt: of the incident beam from the zone axis, 1/angstrom, slab frame; thickness: which of the disks' thicknesses it
    has in each pattern; weight: in the mean.
    """

    tilt: Float[np.ndarray, " 2"]
    thickness: Int[np.ndarray, " T"]
    weight: float


@dataclass(frozen=True, eq=False)
class PatternResult:
    """One zone axis at T thicknesses.

    image: fraction of the incident beam per pixel; thickness_angstrom: real; shortest_g: (k_x, k_y) in 1/angstrom in
    the slab's own frame; pixel_size_inv_angstrom: of the drawn frame; azimuth_rad: counter-clockwise turn from the
    slab's frame to the drawn one; detector: of the drawn frame; slope: of the entry surface, dz over in-plane length;
    g_max_inv_angstrom: the band limit of this pattern.
    """

    image: Float[np.ndarray, "T H W"]
    thickness_angstrom: Float[np.ndarray, " T"]
    semi_angle_mrad: float
    shortest_g: Float[np.ndarray, " 2"]
    pixel_size_inv_angstrom: float
    azimuth_rad: float
    detector: Detector
    slope: float
    g_max_inv_angstrom: float


def simulate_pattern(slab: Slab, exposure: Exposure, detector: DetectorConfig) -> PatternResult:
    """Simulate the CBED patterns of one slab, flat and on its axis; see `simulate_views`."""
    return simulate_views(slab, exposure, detector, [View()])[0]


def simulate_views(slab: Slab, exposure: Exposure, detector: DetectorConfig, views: list[View], *,
                   widest_tilt_mrad: float = 0.0) -> list[PatternResult]:
    """Simulate the CBED patterns of one slab from one propagation; canonical pose sets its own azimuth.

    A survey guesses g1; where the disks taken through the guess's aperture say that g1 has another length, they are
    taken again through the right one. Which of several equally long g1 it is, the full disks decide. InputError for a
    faulty energy, thickness or aperture and when no diffracted disk is visible.

    Parameters
    ----------
    slab, exposure, detector : of the pattern
    views : each a result; a tilt, wedge or bend changes neither g1 nor the azimuth
    widest_tilt_mrad : of any view that might be asked for, so that what one view shows does not depend on the others
    """
    if detector.aperture_unit == "spacing_at_100_kev":
        raise InputError(source="aperture_unit", rule='one pattern takes "shortest_g" or "mrad"',
                         value=detector.aperture_unit, remedy="Simulate the stack of a crystal instead.")
    on_rings = isinstance(detector.directions_across, RingDrift)
    if not on_rings and any(view.specimen != Specimen() for view in views):
        raise InputError(source="[specimen]", rule="goes with directions on rings", value=detector.directions_across,
                         remedy="Set directions_across = { ring_drift_angstrom = 0.6 }.")
    follows, canonical, tie = detector.aperture_unit == "shortest_g", detector.pose == "canonical", detector.tie
    wavenumber = wavenumber_inv_angstrom(exposure.beam_energy_kev)
    wanted = np.atleast_1d(np.asarray(exposure.thickness_angstrom, dtype=np.float64))
    points = [view.specimen.points() for view in views]
    reached = np.concatenate([wanted, *(np.add.outer(thicker, wanted).ravel() for thicker, _, _ in points)])
    thicknesses = np.unique(np.maximum(np.round(reached / slab.period_angstrom), 1)) * slab.period_angstrom

    def through_aperture(g1: np.ndarray) -> tuple[Multislice, Disks]:
        unit = float(np.hypot(*g1)) if follows else wavenumber * 1e-3
        radius, margin = detector.aperture_radius * unit, widest_tilt_mrad * 1e-3 * wavenumber
        limited = exposure.multislice.model_copy(update={"g_max_inv_angstrom": band_limit(
            slab, exposure.multislice, beam_energy_kev=exposure.beam_energy_kev, aperture=radius + margin)})
        propagation = Multislice(slab, beam_energy_kev=exposure.beam_energy_kev, config=limited, device=exposure.device)
        number = how_many(detector.directions_across, (radius + margin) / wavenumber, wanted)
        return propagation, illuminate(propagation, thicknesses, radius=radius, number=number, on_rings=on_rings,
                                       azimuth_rad=float(Pose(g1).azimuth_rad) if canonical else exposure.azimuth_rad,
                                       margin=margin)

    guess, _ = survey(slab, exposure, detector)
    propagation, disks = through_aperture(guess)
    g1 = shortest(disks, slab, visible=detector.visible, tie=tie)
    if follows and abs(np.hypot(*g1) / np.hypot(*guess) - 1) > tie:
        propagation, disks = through_aperture(g1)
        g1 = shortest(disks, slab, visible=0.0, tie=2 * tie, least=(1 - tie) * float(np.hypot(*g1)))
    pose = Pose(g1)
    azimuth_rad = float(pose.azimuth_rad) if canonical else exposure.azimuth_rad
    results = []
    for view, (thicker, tilt, weight) in zip(views, points, strict=True):
        size = view.size_pixels or detector.size_pixels
        frame = Detector(size, 2 * detector.half_width / size, "shortest_g" if canonical else "1/angstrom")
        pixel = frame.pixel_size * (float(pose.length) if canonical else 1.0)
        lit = [LitPoint(1e-3 * wavenumber * off, _nearest(disks.thickness_angstrom, wanted + more), share)
               for more, off, share in zip(thicker, tilt, weight, strict=True)]
        image = draw(propagation, disks, pixel=pixel, azimuth_rad=azimuth_rad + view.turned_rad, size=size,
                     samples_per_pixel=detector.samples_per_pixel, lit=lit)
        results.append(PatternResult(
            image, disks.thickness_angstrom[_nearest(disks.thickness_angstrom, wanted)],
            1e3 * disks.radius / wavenumber, g1, pixel, azimuth_rad + view.turned_rad, frame,
            float(np.linalg.norm(slab.slope)), propagation.config.g_max_inv_angstrom))
    return results


def draw(propagation: Multislice, disks: Disks, *, pixel: float, azimuth_rad: float, size: int,
         samples_per_pixel: int, lit: Sequence[LitPoint] | None = None) -> Float[np.ndarray, "T {size} {size}"]:
    """Draw patterns float32, the direct disk in the middle.

    Parameters
    ----------
    propagation, disks : that which `illuminate` was given, and what it returned
    pixel : its side, 1/angstrom
    azimuth_rad : turn of the frame
    size : pixels of a side
    samples_per_pixel : interpolated, along one side of a pixel
    lit : points of the specimen whose mean is one pattern; None: a pattern on the axis for each thickness
    """
    points = lit or [LitPoint(np.zeros(2), np.arange(len(disks.thickness_angstrom)), 1.0)]
    turn = turn_matrix(azimuth_rad)
    side = pixel / samples_per_pixel
    samples, share = aperture_samples(disks.radius / side)
    samples = samples * side @ turn.T
    # Where a disk lands hardly depends on which point of the specimen it comes from.
    tilt = np.sum([point.weight * point.tilt for point in points], axis=0)
    on_axis = (_landing(propagation, tilt[None], disks.beam)[0] - tilt) @ turn
    seen = np.abs(on_axis).max(-1) < size * pixel / 2 + _spread(propagation, disks.radius)
    landed = sum(point.weight * disks.between(samples + point.tilt, seen, point.thickness) for point in points)
    place = (_landing(propagation, samples + tilt, disks.beam[seen]) - tilt) @ turn
    return splat(landed * share[:, None], place / pixel, 1 / samples_per_pixel, size)


def _nearest(thicknesses: Float[np.ndarray, " T"], wanted: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Which of the thicknesses each wanted one has become."""
    return np.abs(thicknesses - wanted[:, None]).argmin(axis=1)


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


def _landing(propagation: Multislice, directions: Float[np.ndarray, "D 2"], beam: Int[np.ndarray, "B 2"]
             ) -> Float[np.ndarray, "D B 2"]:
    """Transverse wave vectors with which beams leave, in 1/angstrom, slab frame."""
    return propagation.dispersion(directions, beam @ propagation.slab.reciprocal_lattice)[0]


def _spread(propagation: Multislice, radius: float) -> float:
    """How far from its centre a disk may reach, in 1/angstrom; on an inclined surface disks are slightly distorted."""
    tilt = propagation.config.g_max_inv_angstrom / propagation.wavenumber
    return radius * (1.05 + float(np.linalg.norm(propagation.slab.slope)) * tilt)

