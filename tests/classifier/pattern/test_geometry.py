import numpy as np
import pytest
import torch

from classifier.foundation.errors import InputError
from classifier.pattern.geometry import (
    Detector,
    Pose,
    ViewConfig,
    canonical_detector,
    shortest_visible_g,
    to_canonical,
    view,
)
from raw_pose import to_raw

RAW = Detector(128, 0.02, "1/angstrom")
TURNED = Pose(0.31 * np.array([np.cos(0.7), np.sin(0.7)]), np.array([0.03, -0.02]))


def spot(detector, place, width):
    """A Gaussian at `place` (k_x, k_y)."""
    k = detector.coordinates()
    return np.exp(-((k[None, :] - place[0]) ** 2 + (k[:, None] - place[1]) ** 2) / (2 * width**2)).astype(np.float32)


def centroid(pattern, detector):
    k = detector.coordinates()
    return np.array([(pattern * k[None, :]).sum(), (pattern * k[:, None]).sum()]) / pattern.sum()


def test_pixels_lie_about_the_middle():
    assert Detector(4, 0.5, "mrad").coordinates() == pytest.approx([-0.75, -0.25, 0.25, 0.75])
    assert Detector(3, 2.0, "pixel").coordinates() == pytest.approx([-2, 0, 2])


@pytest.mark.parametrize("arguments", [(0, 1.0, "mrad"), (4, 0.0, "mrad"), (4, float("nan"), "mrad"), (4, 1.0, "inch")])
def test_a_faulty_detector_is_refused(arguments):
    with pytest.raises(InputError):
        Detector(*arguments)


def test_view_crops_about_the_centre_and_sums():
    stacks = np.arange(2 * 64, dtype=np.float32).reshape(2, 8, 8)
    seen, detector = view(stacks, Detector(8, 0.5, "1/angstrom"), ViewConfig(half_width=1.0, size_pixels=2))
    assert detector == Detector(2, 1.0, "1/angstrom")
    assert seen[0].tolist() == [[18 + 19 + 26 + 27, 20 + 21 + 28 + 29], [34 + 35 + 42 + 43, 36 + 37 + 44 + 45]]
    assert view(torch.from_numpy(stacks), Detector(8, 0.5, "mrad"),
                ViewConfig(half_width=1.0, size_pixels=2))[0].tolist() == seen.tolist()


def test_view_of_the_whole_changes_nothing():
    stacks = np.random.default_rng(0).random((3, 48, 48), np.float32)
    detector = canonical_detector(48, 12)
    seen, same = view(stacks, detector, ViewConfig(half_width=2.0, size_pixels=48))
    assert (seen == stacks).all() and same == detector
    seen, inner = view(stacks, detector, ViewConfig(half_width=4 / 3, size_pixels=32))
    assert seen.shape == (3, 32, 32) and inner.pixel_size == detector.pixel_size


@pytest.mark.parametrize("half_width, size", [(1.0, 3), (1.1, 2), (5.0, 8), (1.25, 5), (1.0, 0), (0.0, 1)])
def test_a_view_that_does_not_come_out_even_is_refused(half_width, size):
    with pytest.raises(InputError, match="window"):
        view(np.zeros((8, 8), np.float32), Detector(8, 0.5, "mrad"),
             ViewConfig(half_width=half_width, size_pixels=size))


def rule(g, intensity, visible=0.02, tie=0.02):
    return shortest_visible_g(np.array(g, dtype=float), np.array(intensity), visible=visible, tie=tie).tolist()


def test_the_shortest_visible_disk_is_taken_not_the_shortest():
    g = [[0, 0], [1, 0], [0, 2], [3, 0]]
    assert rule(g, [9.0, 0.019, 0.5, 1.0]) == [0, 2] and rule(g, [9.0, 0.021, 0.5, 1.0]) == [1, 0]


def test_the_direct_beam_does_not_set_the_threshold():
    assert rule([[0, 0], [1, 0], [0, 2]], [1e6, 0.1, 1.0]) == [1, 0]


def test_nearly_equal_lengths_and_signs_go_by_brightness():
    assert rule([[1, 0], [0, 1.015], [0, 1.03]], [0.5, 0.6, 1.0]) == [0, 1.015]
    assert rule([[1, 0], [-1, 0]], [0.5, 0.6]) == [-1, 0]


def test_equal_brightness_is_not_left_to_rounding():
    c, s = np.cos(2 * np.pi / 3), np.sin(2 * np.pi / 3)
    g = [[c, -s], [1, -1e-17], [c, s]]
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        intensity = np.array([1.0, 1 - 1e-6, 1 + 1e-6])
        chosen = shortest_visible_g(np.array(g)[order], intensity[order], visible=0.02, tie=0.02)
        assert chosen == pytest.approx([1, 0])


@pytest.mark.parametrize("g, intensity", [([[0, 0]], [1.0]), ([[1, 0]], [0.0]), ([[1, 0]], [np.nan])])
def test_without_a_diffracted_disk_there_is_no_pose(g, intensity):
    with pytest.raises(InputError, match="diffracted"):
        rule(g, intensity)


def test_pose_of_a_batch():
    pose = Pose.stack([Pose(np.array([3.0, 4.0])), Pose(np.array([0.0, 2.0]))])
    assert pose.length == pytest.approx([5, 2]) and pose.azimuth_rad == pytest.approx([-np.arctan2(4, 3), -np.pi / 2])


@pytest.mark.parametrize("shortest_g_pixels, size", [(4, 24), (12, 72), (40, 240)])
def test_canonical_pose_conserves_intensity_and_puts_g_on_x(shortest_g_pixels, size):
    detector = canonical_detector(size, shortest_g_pixels)
    for place, expected in ((TURNED.shortest_g, (1, 0)), (-TURNED.shortest_g, (-1, 0)), ((0, 0), (0, 0)),
                            (0.31 * np.array([-np.sin(0.7), np.cos(0.7)]), (0, 1))):
        raw = spot(RAW, TURNED.centre + place, 0.05)
        canonical = to_canonical(raw, RAW, TURNED, size_pixels=size, shortest_g_pixels=shortest_g_pixels)
        assert canonical.sum() == pytest.approx(raw.sum(), rel=1e-4)
        assert centroid(canonical, detector) * shortest_g_pixels == pytest.approx(
            np.multiply(expected, shortest_g_pixels), abs=0.02)


def test_noise_is_conserved_when_scaled_down():
    raw = np.random.default_rng(0).poisson(3.0, (128, 128)).astype(np.float32)
    raw[:24] = raw[-24:] = raw[:, :24] = raw[:, -24:] = 0
    canonical = to_canonical(raw, RAW, TURNED, size_pixels=48, shortest_g_pixels=4)
    assert canonical.sum() == pytest.approx(raw.sum(), rel=1e-3)


def test_an_even_pattern_stays_even():
    canonical = to_canonical(np.full((128, 128), 2.0, np.float32), RAW, TURNED, size_pixels=16, shortest_g_pixels=6)
    assert canonical == pytest.approx(2 * (15.5 / 6) ** 2, rel=1e-5)  # |g| is 15.5 raw pixels long


def test_to_raw_undoes_to_canonical():
    raw = spot(RAW, TURNED.centre + 0.1, 0.12) + 0.5 * spot(RAW, (-0.2, 0.15), 0.08)
    canonical = to_canonical(raw, RAW, TURNED, size_pixels=160, shortest_g_pixels=20)
    again = to_raw(canonical, RAW, TURNED, shortest_g_pixels=20)
    assert np.abs(again - raw).sum() < 0.01 * raw.sum() and again.sum() == pytest.approx(raw.sum(), rel=1e-4)
    assert centroid(again, RAW) == pytest.approx(centroid(raw, RAW), abs=1e-4)


def test_disk_edges_stay_where_they_are(disk_pattern):
    lattice = 30.0 * np.array([[np.cos(0.4), np.sin(0.4)], [-np.sin(0.4), np.cos(0.4)]])
    raw = disk_pattern(128, lattice, 9.0, amplitude=lambda h, k: float((h, k) == (1, 0)))
    pose = Pose(lattice[0] * 0.02)
    canonical = to_canonical(raw, RAW, pose, size_pixels=60, shortest_g_pixels=15)
    assert centroid(canonical, Detector(60, 1.0, "pixel")) == pytest.approx([15, 0], abs=0.1)
    k = np.arange(60) - 29.5
    mean_square = (canonical * ((k[None, :] - 15) ** 2 + k[:, None] ** 2)).sum() / canonical.sum()
    assert np.sqrt(2 * mean_square) == pytest.approx(4.5, abs=0.1)  # radius of a disk by its second moment


def test_a_batch_is_posed_pattern_by_pattern():
    rng = np.random.default_rng(0)
    stack = rng.random((2, 3, 64, 64), np.float32)
    detector = Detector(64, 0.05, "1/angstrom")
    pose = Pose(rng.uniform(0.2, 0.9, (2, 3, 2)), rng.uniform(-0.1, 0.1, (2, 3, 2)))
    together = to_canonical(stack, detector, pose, size_pixels=20, shortest_g_pixels=5)
    assert together.shape == (2, 3, 20, 20)
    for i, k in np.ndindex(2, 3):
        alone = to_canonical(stack[i, k], detector, Pose(pose.shortest_g[i, k], pose.centre[i, k]), size_pixels=20,
                             shortest_g_pixels=5)
        assert together[i, k] == pytest.approx(alone, rel=1e-5)
