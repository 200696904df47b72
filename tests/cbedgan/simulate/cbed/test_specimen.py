"""Tilt, wedge and bending: means of what single waves and thicknesses give; the crystal, and its label, stay."""

import numpy as np
import pytest

from cbedgan.simulate.cbed.detector import LitPoint, View, draw, simulate_views
from cbedgan.simulate.cbed.detector_config import DetectorConfig, RingDrift
from cbedgan.simulate.cbed.disks import illuminate
from cbedgan.simulate.cbed.multislice import Exposure, Multislice, MultisliceConfig
from cbedgan.simulate.cbed.specimen import Specimen, SpecimenConfig
from cbedgan.simulate.cbed.zone_axis import rotations, slab
from classifier.foundation.errors import InputError

FAST = MultisliceConfig(g_max_inv_angstrom=1.8, merge_angstrom=0.4, terraces="equivalent", entry_surface="symmetric")
DETECTOR = DetectorConfig(size_pixels=32, directions_across=RingDrift(ring_drift_angstrom=0.8))
LARGEST = SpecimenConfig(tilt_mrad=1.0, probe_angstrom=300.0, wedge_degree=5.0, bending_mrad_per_micrometre=10.0)


def views_of(cells, axis, *specimens: Specimen, thickness: float = 120.0, detector: DetectorConfig = DETECTOR):
    return simulate_views(slab(*cells, axis, kept=rotations(cells[1])), Exposure(100.0, [thickness], FAST), detector,
                          [View(), *(View(specimen=one) for one in specimens)], widest_tilt_mrad=1.2)


def test_a_specimen_is_drawn_within_its_bounds_and_evenly_over_the_disk_of_tilts():
    drawn = [LARGEST.draw(np.random.default_rng(seed)) for seed in range(400)]
    size = np.hypot(*np.array([one.tilt_mrad for one in drawn]).T)
    assert size.max() <= 1.0 and np.mean(size < np.sqrt(0.5)) == pytest.approx(0.5, abs=0.08)
    assert max(one.probe_angstrom for one in drawn) <= 300 and max(one.wedge_degree for one in drawn) <= 5
    assert drawn[7] == LARGEST.draw(np.random.default_rng(7))
    assert SpecimenConfig().draw(np.random.default_rng(7)).points()[0].tolist() == [0.0]
    assert LARGEST.widest_tilt_mrad == pytest.approx(1.0 + 10 * 0.015)


def test_the_points_of_a_wedge_span_its_thicknesses_about_the_middle():
    wedge = Specimen(probe_angstrom=200.0, wedge_degree=5.0, bending_mrad_per_micrometre=20.0)
    thicker, tilt, weight = wedge.points()
    assert weight.sum() == pytest.approx(1) and weight @ thicker == pytest.approx(0, abs=1e-9)
    assert np.ptp(thicker) == pytest.approx(2 * np.sqrt(2 / 3) * 100 * np.tan(np.radians(5)))
    assert np.abs(tilt).max() == pytest.approx(np.sqrt(2 / 3) * 100 * 1e-4 * 20)


def test_no_tilt_no_wedge_is_the_pattern_on_the_axis_and_the_others_are_not(gaas, difference):
    flat, same, tilted, wedged = views_of(gaas, [1, 1, 0], Specimen(), Specimen((0.7, 0.2)),
                                          Specimen(probe_angstrom=400.0, wedge_degree=8.0))
    np.testing.assert_array_equal(flat.image, same.image)
    assert difference(tilted.image, flat.image) > 0.02 and difference(wedged.image, flat.image) > 0.005
    assert tilted.azimuth_rad == flat.azimuth_rad and tilted.shortest_g.tolist() == flat.shortest_g.tolist()
    assert tilted.image.sum() == pytest.approx(flat.image.sum(), rel=0.2)


def test_a_wedge_is_the_mean_over_its_thicknesses(gaas, difference):
    wedge = Specimen(probe_angstrom=300.0, wedge_degree=6.0)
    thicker, _, weight = wedge.points()
    raw = DetectorConfig.model_validate({**DETECTOR.model_dump(), "pose": "raw", "half_width": 0.7,
                                         "aperture_unit": "mrad", "aperture_radius": 4.0})
    wedged = views_of(gaas, [1, 1, 0], wedge, detector=raw)[1].image
    single = [views_of(gaas, [1, 1, 0], thickness=120.0 + more, detector=raw)[0].image for more in thicker]
    assert difference(wedged, np.tensordot(weight, np.stack(single), 1)) < 1e-4


def test_a_turned_tilt_gives_the_turned_pattern(gaas, difference):
    """A tilt hides the three-fold axis of [111], and treats its three directions alike: the label's group stays."""
    piece = slab(*gaas, [1, 1, 1], kept=rotations(gaas[1]))
    propagation = Multislice(piece, beam_energy_kev=100.0, config=FAST)
    disks = illuminate(propagation, [120.0], radius=0.12, number=3, on_rings=True, margin=0.03)
    third = 2 * np.pi / 3

    def tilted(angle: float, azimuth: float) -> np.ndarray:
        return draw(propagation, disks, pixel=0.04, azimuth_rad=azimuth, size=32, samples_per_pixel=2,
                    lit=[LitPoint(0.025 * np.array([np.cos(angle), np.sin(angle)]), np.array([0]), 1.0)])[0]

    first = tilted(0.3, 0.0)
    assert difference(tilted(0.3 - third, third), first) < 1e-5 and difference(tilted(0.3 + third, third), first) > 0.02
    assert difference(tilted(0.3, third), first) > 0.02


def test_more_pixels_hold_the_same_light(quartz):
    piece = slab(*quartz, [1, 0, 0], kept=rotations(quartz[1]))
    close = DETECTOR.model_copy(update={"samples_per_pixel": 4})
    fine, coarse = simulate_views(piece, Exposure(100.0, [120.0], FAST), close, [View(64), View()])
    assert fine.image.shape == (1, 64, 64) and fine.detector.size_pixels == 64
    sums = fine.image[0].reshape(32, 2, 32, 2).sum((1, 3))
    assert np.abs(sums - coarse.image[0]).sum() < 0.01 * coarse.image.sum()


def test_a_tilt_without_rings_is_refused(gaas):
    square = DETECTOR.model_copy(update={"directions_across": 6})
    with pytest.raises(InputError, match="directions on rings"):
        views_of(gaas, [1, 1, 0], Specimen((0.5, 0.0)), detector=square)
