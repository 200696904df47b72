"""When patterns differ: the bar, the power law between distortions, and the noise of counted electrons."""

import numpy as np
import pytest

from cbedgan.distortion.visible import difference, outside_direct_disk, reached, significance


def test_the_difference_is_that_of_the_axis_that_shows_it_best():
    undistorted = np.full((3, 2, 2), 0.25)
    moved = undistorted.copy()
    moved[1, 0] += [0.05, -0.05]
    moved[2, 1, 1] += 100.0  # the direct disk
    outside = np.broadcast_to([[True, True], [True, False]], (3, 2, 2))
    assert difference(np.stack([undistorted, moved]), undistorted, outside) == pytest.approx([0, 0.1 / 0.75])


def test_the_significance_is_that_of_counted_patterns():
    random = np.random.default_rng(0)
    undistorted = random.random((3, 16, 16)) / 400
    moved = undistorted * (1 + 0.05 * random.standard_normal((3, 16, 16)))
    stated = significance(moved[None], undistorted, 1e5)[0]
    weight = (moved - undistorted) / (moved + undistorted)
    counted = [(weight * random.poisson(1e5 * mean, (4000, 3, 16, 16))).sum((1, 2, 3)) for mean in (undistorted, moved)]
    told = (counted[1].mean() - counted[0].mean()) / np.sqrt((counted[0].var() + counted[1].var()) / 2)
    assert 3 < stated < 30 and told == pytest.approx(stated, rel=0.03)
    assert significance(moved[None], undistorted, 4e5)[0] == pytest.approx(2 * stated)


def test_pixels_without_light_say_nothing():
    assert significance(np.zeros((1, 3, 2, 2)), np.zeros((3, 2, 2)), 1e6) == 0


@pytest.mark.parametrize(("values", "bar", "at"), [
    ([1, 4, 16, 64], 8, np.sqrt(2) / 50), ([1, 4, 16, 64], 64, 0.08), ([1, 4, 16, 64], 0.5, 0.005),
    ([1, 4, 16, 64], 100, np.inf), ([0, 0, 10, 10], 10, 0.04)])
def test_a_bar_is_reached_on_a_power_law(values, bar, at):
    assert reached(np.array([0.01, 0.02, 0.04, 0.08]), np.array(values, float), bar) == pytest.approx(at)


def test_the_direct_disk_is_left_out():
    outside = outside_direct_disk(8, 2.0, 0.6)
    assert outside[0, 0] and not outside[3:5, 3:5].any() and (~outside).sum() == 12
