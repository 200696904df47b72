"""A grid knows its places, and refuses what no file should make it hold."""

import numpy as np
import pytest

from classifier.foundation.errors import InputError
from classifier.pattern.geometry import Detector, ViewConfig
from classifier.pattern.grid import GridAxis, SampleGrid, grid_of, seen

AXIS = {"name": "r", "unit": "angstrom", "points": 4, "first": 1.5, "step": 0.5}
PLAIN = {"kind": "pdf", "axes": [AXIS], "channels": 1, "wavelength_angstrom": None}


def test_places_and_shape():
    grid = grid_of(PLAIN)
    assert grid == SampleGrid("pdf", (GridAxis("r", "angstrom", 4, 1.5, 0.5),)) and grid.shape == (1, 4)
    assert grid.axes[0].coordinates().tolist() == [1.5, 2.0, 2.5, 3.0]


@pytest.mark.parametrize("changes", [
    {"kind": "cbed"}, {"kind": "X"}, {"kind": "a/b"}, {"channels": 0}, {"axes": []}, {"axes": [AXIS] * 3},
    {"wavelength_angstrom": -1.0}, *({"axes": [AXIS | one]} for one in (
        {"points": 0}, {"points": 1 << 40}, {"points": 4.0}, {"step": 0.0}, {"step": float("nan")},
        {"first": float("inf")}, {"name": "a b"}))])
def test_what_is_no_grid_is_refused(changes):
    with pytest.raises(InputError, match="grid of samples"):
        grid_of(PLAIN | changes)


def test_a_view_without_keys_shows_samples_whole():
    stacks, detector = np.random.default_rng(0).random((2, 3, 8, 8)), Detector(8, 0.5, "pixel")
    whole, same = seen(stacks, detector, ViewConfig())
    assert whole is stacks and same == detector
    cut, smaller = seen(stacks, detector, ViewConfig(half_width=1.0, size_pixels=4))
    assert np.array_equal(cut, stacks[..., 2:6, 2:6]) and smaller == Detector(4, 0.5, "pixel")
