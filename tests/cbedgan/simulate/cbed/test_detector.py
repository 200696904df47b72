"""The detector: aperture, interpolation, areas, and canonical pose drawn without resampling."""

import numpy as np
import pytest

from cbedgan.simulate.cbed.aperture import aperture_samples, interpolation, square_grid, weights_of_mean
from cbedgan.simulate.cbed.detector import simulate_pattern, splat
from cbedgan.simulate.cbed.detector_config import DetectorConfig, Drift
from cbedgan.simulate.cbed.disks import how_many
from cbedgan.simulate.cbed.multislice import Exposure, MultisliceConfig
from cbedgan.simulate.cbed.zone_axis import slab
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import Pose, to_canonical

FAST = MultisliceConfig(g_max_inv_angstrom=2.5, merge_angstrom=0.5, absorption=0.0)
CANONICAL = DetectorConfig(size_pixels=48, directions_across=6, samples_per_pixel=3)


def pattern_of(cells, axis, detector=CANONICAL, thickness=(100.0,), **settings):
    return simulate_pattern(slab(*cells, axis), Exposure(100.0, thickness, FAST, **settings), detector)


def test_incident_directions_cover_the_disk_and_its_rim_symmetrically():
    for across in (6, 7):
        nodes = square_grid(across).nodes
        assert len(nodes) < np.pi * (across / 2 + 0.6) ** 2 * 1.1
        assert sorted(map(tuple, np.round(nodes, 9))) == sorted(map(tuple, np.round(nodes[:, ::-1] * [1, -1], 9)))
        angle = np.linspace(0, 2 * np.pi, 100)
        rim = np.stack([np.cos(angle), np.sin(angle)], -1)
        assert np.linalg.norm(rim[:, None] - nodes[None], axis=-1).min(1).max() < 1.5 / across


def test_aperture_samples_have_the_area_of_the_disk():
    for radius in (3.3, 17.1):
        centres, share = aperture_samples(radius)
        assert share.sum() == pytest.approx(1)
        assert 1 / share.max() == pytest.approx(np.pi * radius**2, rel=0.01)  # a whole square's share
        assert (share @ centres) == pytest.approx([0, 0], abs=1e-12)
        assert (share @ centres**2) == pytest.approx(np.full(2, radius**2 / 4), rel=0.03)


def test_interpolation_is_exact_at_the_nodes_and_on_planes_and_close_on_waves():
    grid = square_grid(10)
    nodes = grid.nodes
    points = np.random.default_rng(0).uniform(-0.7, 0.7, (50, 2))
    assert interpolation(grid, nodes[:5]) @ nodes[:, 0] ** 3 == pytest.approx(nodes[:5, 0] ** 3)
    weights = interpolation(grid, points)
    assert weights @ (1 + 2 * nodes[:, 0] - nodes[:, 1]) == pytest.approx(1 + 2 * points[:, 0] - points[:, 1])
    errors = []
    for across in (10, 20):
        grid = square_grid(across)
        wave = np.cos(6 * grid.nodes[:, 0] + 4 * grid.nodes[:, 1])
        there = interpolation(grid, points) @ wave
        errors.append(np.abs(there - np.cos(6 * points[:, 0] + 4 * points[:, 1])).max())
    assert errors[0] < 0.06 and errors[1] < errors[0] / 4


def test_splat_shares_a_square_by_area_and_drops_what_misses_the_detector():
    place = np.array([[[0.5, 1.5]], [[1.0, 0.0]], [[30.0, 0.0]], [[-2.0, -1.5]]])  # [S, B = 1, (x, y)]
    pattern = splat(np.array([1.0, 2.0, 4.0, 8.0]).reshape(1, 4, 1), place, 0.5, 4)[0]
    expected = np.zeros((4, 4))
    expected[3, 2] = 1  # row is y
    expected[1:3, 2:4] = 0.5  # on a corner of four pixels
    expected[0, 0] = 4  # half of it lies outside
    assert pattern == pytest.approx(expected)


def test_a_wide_detector_catches_everything_that_leaves_the_crystal(nacl):
    config = CANONICAL.model_copy(update={"pose": "raw", "half_width": 3.2, "size_pixels": 96})
    result = pattern_of(nacl, [0, 0, 1], config, (50.0, 100.0))
    assert result.image.shape == (2, 96, 96) and result.image.dtype == np.float32
    assert result.image.sum((1, 2)) == pytest.approx(np.ones(2), abs=0.01)
    assert result.detector.unit == "1/angstrom" and result.detector.pixel_size == pytest.approx(6.4 / 96)


def test_canonical_pose_puts_the_shortest_visible_g_on_x_at_fixed_pixels(nacl):
    config = CANONICAL.model_copy(update={"aperture_radius": 0.3})
    result = pattern_of(nacl, [1, 1, 0], config)  # {111} is shortest, on the diagonal of the slab's frame
    length = np.hypot(*result.shortest_g)
    assert length == pytest.approx(np.sqrt(3) / 5.64) and result.pixel_size_inv_angstrom == pytest.approx(length / 12)
    assert result.semi_angle_mrad == pytest.approx(0.3 * length * 37.0144, rel=1e-5)
    turn = np.array([[np.cos(result.azimuth_rad), -np.sin(result.azimuth_rad)],
                     [np.sin(result.azimuth_rad), np.cos(result.azimuth_rad)]])
    assert turn @ result.shortest_g == pytest.approx([length, 0], abs=1e-9)
    pattern = result.image[0]
    assert pattern[22:26, 34:38].min() > 20 * pattern[22:26, 29:31].max()  # the disk at +g, the gap before it
    assert pattern[22:26, 22:26].min() > 1e-4  # direct disk


def test_forbidden_reflections_do_not_set_the_pose(silicon, nacl):
    """{200} are the shortest vectors of both; in silicon the glide planes make them systematically absent."""
    for crystal, length in ((silicon, np.sqrt(8) / 5.431), (nacl, 2 / 5.64)):
        result = pattern_of(crystal, [0, 0, 1])
        assert np.hypot(*result.shortest_g) == pytest.approx(length)
        assert result.semi_angle_mrad == pytest.approx(0.475 * length * 37.0144, rel=1e-5)


@pytest.mark.slow
def test_canonical_drawing_agrees_with_resampling_a_fine_raw_pattern(quartz, difference):
    drawn = pattern_of(quartz, [0, 0, 1])
    raw = pattern_of(quartz, [0, 0, 1], CANONICAL.model_copy(update={
        "pose": "raw", "size_pixels": 256, "half_width": 0.9, "samples_per_pixel": 1}))
    resampled = to_canonical(raw.image[0], raw.detector, Pose(raw.shortest_g), size_pixels=48, shortest_g_pixels=12)
    assert raw.shortest_g == pytest.approx(drawn.shortest_g)
    assert difference(drawn.image[0], resampled) < 0.06  # a raw pixel blurs the rims of the disks


def test_symmetry_mates_give_one_canonical_pattern(gaas, difference):
    """Turning a crystal by a symmetry operation moves g, and the canonical frame with it."""
    one, other = (pattern_of(gaas, axis).image[0] for axis in ([1, 1, 1], [1, -1, -1]))
    assert min(difference(one, other), difference(one, other[::-1])) < 1e-4


@pytest.mark.slow
def test_samples_and_directions_converge(silicon, difference):
    fine = pattern_of(silicon, [1, 1, 0], CANONICAL.model_copy(update={"directions_across": 14})).image
    errors = [difference(fine, pattern_of(silicon, [1, 1, 0], CANONICAL.model_copy(
        update={"directions_across": across})).image) for across in (5, 7, 10)]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.01


def test_slope_is_reported(grown):
    oblique = np.array([[4.1, 0.3, 0.2], [-0.9, 5.2, 0.4], [0.7, -0.6, 6.1]])
    assert pattern_of(grown(1, oblique, [(26, (0.1, 0.2, 0.3))]), [0, 1, 1]).slope > 0.01


def test_an_aperture_beyond_the_band_limit_is_refused(nacl):
    with pytest.raises(InputError, match="aperture_radius"):
        pattern_of(nacl, [0, 0, 1], CANONICAL.model_copy(update={"aperture_unit": "mrad", "aperture_radius": 80.0}))


def test_a_negative_thickness_is_refused(nacl):
    with pytest.raises(InputError, match="thickness_angstrom"):
        pattern_of(nacl, [0, 0, 1], thickness=(-5.0,))


@pytest.mark.slow
def test_directions_follow_the_aperture_and_the_thickness(silicon, difference):
    assert how_many(7, 0.01, [300.0]) == 7
    drift = Drift(drift_angstrom=0.5)
    assert [how_many(drift, angle, [100.0, 300.0]) for angle in (0.001, 0.01)] == [4, 12]
    wanted = DetectorConfig.model_validate(CANONICAL.model_dump() | {"directions_across": {"drift_angstrom": 0.5}})
    fine = pattern_of(silicon, [1, 1, 0], CANONICAL.model_copy(update={"directions_across": 16})).image
    assert difference(fine, pattern_of(silicon, [1, 1, 0], wanted).image) < 0.02


@pytest.mark.parametrize("across", [5, 8, 13])
def test_means_over_the_aperture_do_not_depend_on_the_directions(across):
    grid = square_grid(across)
    nodes = grid.nodes
    weights, squared = weights_of_mean(grid), (nodes**2).sum(-1)
    assert weights.sum() == pytest.approx(1) and weights @ nodes == pytest.approx([0, 0], abs=1e-12)
    assert weights @ squared == pytest.approx(0.5, abs=0.01)
    assert weights @ squared**2 == pytest.approx(1 / 3, abs=0.015)
