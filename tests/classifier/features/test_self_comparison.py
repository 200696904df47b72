"""A pattern beside its turned and mirrored copies: what is symmetric differs by nothing."""

import pytest
import torch

from classifier.features.self_comparison import EXACT, MIRRORS_DEGREE, MULTIPLE, TURNS_DEGREE, with_differences
from classifier.network.model import ModelConfig

NAMES = (*EXACT, *(f"turn {degree}" for degree in TURNS_DEGREE), *(f"mirror {degree}" for degree in MIRRORS_DEGREE))


def differences(order: int) -> dict[str, float]:
    """Mean difference of a pattern cos(order azimuth) from each of its copies."""
    line = torch.arange(64) - 31.5
    x, y = torch.meshgrid(line, line, indexing="xy")
    pattern = torch.exp(-(torch.hypot(x, y) / 14) ** 2) * (1 + 0.8 * torch.cos(order * torch.atan2(y, x)))
    stack = with_differences(pattern[None, None])
    assert stack.shape == (1, MULTIPLE, 64, 64) and torch.equal(stack[0, 0], pattern)
    return dict(zip(NAMES, stack[0, 1:].mean((1, 2)).tolist(), strict=True))


@pytest.mark.parametrize(("order", "unlike"), [
    (4, {"turn 120", "turn 60", "mirror 30", "mirror 150", "mirror 60", "mirror 120"}),
    (3, {"half turn", "quarter turn", "mirror 90", "mirror 45", "mirror 135", "turn 60", "mirror 30", "mirror 150"}),
    (6, {"quarter turn", "mirror 45", "mirror 135"})])
def test_copies_differ_where_the_symmetry_is_missing(order, unlike):
    for name, difference in differences(order).items():
        assert difference > 0.1 if name in unlike else difference < 0.005


def test_what_comes_from_outside_differs_by_nothing():
    x = torch.ones(1, 1, 16, 16)
    assert with_differences(x)[0, 1:].abs().max() < 1e-6


def test_the_network_takes_it_whatever_it_does_with_patterns():
    x = torch.rand(2, 3, 32, 32)
    for patterns in ("channels", "in_order", "any_order"):
        config = ModelConfig(widths=(8, 16), dropout=0.0, patterns=patterns, self_comparison=True)
        assert config.build(classes=4, size_pixels=32)(x).shape == (2, 4)
