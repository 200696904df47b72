"""Maps of known symmetry, and what the description says of them."""

import math

import pytest
import torch

from classifier.features.self_likeness import (
    AZIMUTHS,
    BANDS,
    FOLDS,
    LINES,
    SHOWN_ORDERS,
    SMALLEST_SHARE,
    WINDOWS,
    self_likeness,
)

RINGS = 8
AZIMUTH = torch.arange(AZIMUTHS) * (2 * math.pi / AZIMUTHS)
BAND_COUNT = BANDS + 1


def waves(*orders_and_lines: tuple[int, float]) -> torch.Tensor:
    """A map [1, 1, RINGS, AZIMUTHS]: a sum of cos(order (azimuth - line)), lines in samples."""
    line = sum(torch.cos(order * (AZIMUTH - at * 2 * math.pi / AZIMUTHS)) for order, at in orders_and_lines)
    return line.expand(1, 1, RINGS, AZIMUTHS)


def described(maps: torch.Tensor) -> dict[str, torch.Tensor]:
    """The description of one map by its parts; shares as such."""
    sizes = {"mean": RINGS, "maximum": RINGS, "variation": BAND_COUNT, "forbidden": BAND_COUNT * len(FOLDS),
             "found": BAND_COUNT * 4, "orders": SHOWN_ORDERS, "fixed": WINDOWS // 2 + 1, "windows": WINDOWS // 2,
             **{f"{what} along {name}": RINGS for what in ("mean", "difference")
                for name in ("x", "y", "best", "second", "normal")}, "angles": 2}
    parts = dict(zip(sizes, self_likeness(maps)[0].split(list(sizes.values())), strict=True))
    return {name: part.exp() - SMALLEST_SHARE if name in ("forbidden", "found", "orders", "fixed", "windows") else part
            for name, part in parts.items()}


@pytest.mark.parametrize(("order", "allowed"), [(2, {2}), (3, {3}), (4, {2, 4}), (6, {2, 3, 6}), (12, {2, 3, 4, 6})])
def test_a_map_of_one_order_has_the_axes_that_divide_it(order, allowed):
    said = described(waves((order, 5)))
    for band in said["forbidden"].unflatten(0, (BAND_COUNT, len(FOLDS))):
        for n, share in zip(FOLDS, band.tolist(), strict=True):
            assert share == pytest.approx(0 if n in allowed else 1, abs=1e-4)
    assert said["orders"][order - 1] == pytest.approx(1, abs=1e-4)


def test_the_best_line_is_found_wherever_it_lies_with_its_profiles_and_its_normal():
    """Orders 1 and 2 with their maxima in one line: a mirror there, none in the normal."""
    for line in (0, 7, 31):
        said = described(waves((1, line), (2, line)))
        best, second, normal, diagonal = said["found"].unflatten(0, (BAND_COUNT, 4))[-1].tolist()
        assert best == pytest.approx(0, abs=1e-4) and second > 0.03
        assert normal == pytest.approx(0.5, abs=1e-3)  # order 2 allows it, order 1, of equal power, does not
        assert diagonal == pytest.approx(0.75, abs=1e-3)  # sin^2 45 and sin^2 90 degrees
        assert said["mean along best"][0] == pytest.approx(1, abs=1e-4)  # 2 and 0 at its ends
        assert said["difference along best"][0] == pytest.approx(2, abs=1e-4)
        assert said["angles"][1] == pytest.approx(abs(line - LINES // 2) * 2 / LINES)


def test_a_second_mirror_is_told_by_its_angle():
    assert described(waves((4, 0), (8, 0)))["angles"][0] == pytest.approx(45 / 180)
    assert described(waves((3, 0), (6, 0)))["angles"][0] == pytest.approx(60 / 180)


def test_a_turn_moves_lines_and_nothing_else():
    maps = torch.randn(2, 3, RINGS, AZIMUTHS, generator=torch.Generator().manual_seed(0))
    one, turned = (described(m[:1, :1]) for m in (maps, maps.roll(11, -1)))
    for name in ("mean", "maximum", "variation", "forbidden", "found", "orders", "mean along best",
                 "difference along second"):
        torch.testing.assert_close(one[name], turned[name], rtol=1e-4, atol=1e-4)
    assert (one["fixed"] - turned["fixed"]).abs().max() > 0.01


def test_half_turns_and_mirrors_in_the_axes_change_nothing():
    maps = torch.randn(4, 3, RINGS, AZIMUTHS, generator=torch.Generator().manual_seed(1))
    mirrored = maps.flip(-1).roll(1, -1)  # sample k goes to -k
    for copy in (maps.roll(AZIMUTHS // 2, -1), mirrored, mirrored.roll(AZIMUTHS // 2, -1)):
        torch.testing.assert_close(self_likeness(maps), self_likeness(copy), rtol=1e-4, atol=1e-4)


def test_nothing_is_not_a_number_and_gradients_flow():
    for maps in (torch.zeros(1, 2, RINGS, AZIMUTHS), torch.rand(1, 2, RINGS, AZIMUTHS)):
        maps.requires_grad_()
        self_likeness(maps).sum().backward()
        assert maps.grad is not None and torch.isfinite(maps.grad).all()
