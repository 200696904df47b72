"""Asymmetry that is added: a spot that moves, under turns and lines through the middle of the pattern."""

import numpy as np
import pytest

from cbedgan.distortion.symmetry.residuals import added_asymmetry

EVERYWHERE = np.ones((8, 8), dtype=bool)


@pytest.fixture
def patterns():
    """Four equal spots on the axes of a pattern of light 4; then the one at +x dims by a tenth; then all four do."""
    whole = np.zeros((8, 8))
    for row, column in ((3, 7), (4, 7), (3, 0), (4, 0), (0, 3), (0, 4), (7, 3), (7, 4)):
        whole[row, column] = 0.5
    dimmed, less = whole.copy(), 0.9 * whole
    dimmed[3:5, 7] *= 0.9
    return np.stack([whole, dimmed, less])


@pytest.mark.parametrize(("turn", "azimuth", "expected"), [
    (2, None, 0.05), (4, None, 0.05), (1, 90.0, 0.05), (1, 0.0, 0.0), (1, 45.0, 0.05)])
def test_a_spot_that_dims_breaks_what_takes_it_elsewhere(patterns, turn, azimuth, expected):
    zero, one, all_alike = added_asymmetry(patterns, EVERYWHERE, turn, azimuth)
    assert zero == 0 and one == pytest.approx(expected, abs=1e-9) and all_alike == pytest.approx(0, abs=1e-9)


def test_the_direct_disk_does_not_count(patterns):
    patterns[1, 3:5, 3:5] += 1
    patterns[1, 3, 3] += 1
    outside = EVERYWHERE.copy()
    outside[3:5, 3:5] = False
    assert added_asymmetry(patterns, outside, 2)[1] == pytest.approx(0.05)
    assert added_asymmetry(patterns, EVERYWHERE, 2)[1] > 0.2


def test_an_asymmetry_that_was_there_is_taken_away(patterns):
    patterns += np.random.default_rng(0).random((8, 8))
    light = patterns[0].sum()
    assert added_asymmetry(patterns, EVERYWHERE, 1, 90.0)[1] == pytest.approx(0.2 / light)
