"""What classifiers are shown: copies of one noise for one name, and roundings that keep equal pixels equal."""

import numpy as np
import pytest

from cbedgan.distortion.panel import Panel, SeenUnder
from classifier.samples.stackfile import round_mantissa


def copies(sight: SeenUnder, stacks: np.ndarray, names: list[str]) -> list[np.ndarray]:
    return [copy.numpy() for copy in Panel((), {}, 10, sight).copies(stacks, names)]


@pytest.fixture
def stacks():
    return np.random.default_rng(0).random((2, 3, 16, 16), dtype=np.float32)**4 * 1e-2


def test_noise_is_that_of_the_name_and_of_the_draw(stacks):
    one, two = copies(SeenUnder("ordinary", 2, seed=5), stacks[[0, 0, 1]], ["a", "b", "a"])
    again, _ = copies(SeenUnder("ordinary", 2, seed=5), stacks[:1], ["a"])
    assert np.array_equal(one[0], again[0])
    for other in (one[1], two[0], copies(SeenUnder("ordinary", 1, seed=6), stacks[:1], ["a"])[0][0]):
        assert np.abs(other - one[0]).sum() > 0.05 * one[0].sum()
    near, _ = copies(SeenUnder("ordinary", 2, seed=5), stacks[:1] * np.float32(1.0001), ["a"])
    assert np.abs(near[0] - one[0]).sum() < 1e-3 * one[0].sum()


def test_ideal_stacks_are_rounded_as_a_file_is_and_then_elsewhere_but_equal_pixels_stay_equal(stacks):
    stacks[0, 0, 1] = stacks[0, 0, 0]
    found = copies(SeenUnder("ideal", 3), stacks, ["a", "b"])
    assert np.array_equal(found[0], round_mantissa(stacks, 10))
    for copy in found:
        assert np.array_equal(copy[0, 0, 1], copy[0, 0, 0]) and np.allclose(copy, stacks, rtol=2**-10.9, atol=0)
    assert (found[1] != found[0]).mean() > 0.9
