import numpy as np
import pytest
import torch

from classifier.explanation.residuals import LINES, counted_electrons, residuals
from drawn_disks import counted, drawn, four_mm

SQUARE = np.eye(2)


def handed(h, k, x, y):
    return four_mm(h, k, x, y) * (1 + 0.5 * np.tanh(3 * (h + x) * (k + y) * ((h + x) ** 2 - (k + y) ** 2)))


def test_each_symmetry_has_no_residual_and_what_breaks_it_one():
    whole, turned = (torch.from_numpy(drawn(SQUARE, of))[None] for of in (four_mm, handed))
    for patterns, mirrored in ((whole, True), (turned, False)):
        found = residuals(patterns)
        assert found.turn[0, [0, 2]].abs().max() < 1e-3 and found.turn[0, 1] > 0.3  # two- and four-, not three-fold
        assert (found.mirror[0, :: LINES // 4].max() < 1e-3) == mirrored
    assert residuals(whole).mirror[0, LINES // 8] > 0.05  # between the lines


def test_the_centre_is_found_where_it_lies():
    pattern = torch.from_numpy(drawn(SQUARE, four_mm, centre=(0.45, -0.3)))[None]
    found = residuals(pattern)
    assert found.centre[0].tolist() == pytest.approx([0.45, -0.3], abs=0.1)
    assert found.turn[0, 2] < 0.01 < residuals(torch.roll(pattern, 3, dims=2)).turn[0, 2]


@pytest.mark.parametrize("electrons", [1e5, 1e6])
def test_noise_is_known_and_taken_off(electrons):
    noisy = torch.from_numpy(counted(drawn(SQUARE, four_mm), electrons))[None]
    assert 0.1 < counted_electrons(noisy).item() / electrons < 1.5  # edges of disks pass for noise
    found = residuals(noisy)
    assert found.turn[0, 2].abs() < 0.01 and 0 < found.deviation[0] < 0.01


def test_the_unit_of_intensity_does_not_matter():
    pattern = torch.from_numpy(drawn(SQUARE, handed))[None]
    one, other = residuals(pattern), residuals(1e4 * pattern)
    assert torch.allclose(one.turn, other.turn, atol=1e-6) and torch.allclose(one.mirror, other.mirror, atol=1e-6)


def test_a_pattern_without_light_has_finite_residuals():
    found = residuals(torch.zeros(1, 64, 64))
    assert found.turn.isfinite().all() and found.mirror.isfinite().all() and found.deviation.isfinite().all()
