"""Patterns of known symmetry, and what each entry must say of them."""

import math

import pytest
import torch

from classifier.foundation.errors import InputError
from classifier.network.azimuthal_features import (
    BANDS,
    EMBEDDED,
    FEATURES,
    FOLDS,
    LINES,
    ORDERS,
    RINGS,
    AzimuthalEmbedding,
    azimuthal_features,
    ranked,
)
from classifier.network.model import ModelConfig
from classifier.pattern.augment import turn

SIZE = 64
NET = {"widths": (8, 16), "blocks": 1, "groups": 8, "dropout": 0.0}


def petals(order: int, azimuth: float = 0.0, size: int = SIZE) -> torch.Tensor:
    """A pattern [1, 1, S, S] that varies with one azimuthal order, a maximum at the azimuth."""
    line = torch.arange(size) - (size - 1) / 2
    x, y = torch.meshgrid(line, line, indexing="xy")
    angle, radius = torch.atan2(y, x), torch.hypot(x, y)
    return (torch.exp(-(radius / size * 4.5) ** 2) * (1 + 0.8 * torch.cos(order * (angle - azimuth))))[None, None]


def shares(pattern: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Shares of the whole pattern's orders, forbidden by n-fold axes, forbidden by mirror lines."""
    found = azimuthal_features(pattern)[0, 0, RINGS + BANDS + 1:]
    whole = found[:(BANDS + 1) * (ORDERS + len(FOLDS) + LINES)].unflatten(0, (BANDS + 1, -1))[-1].exp()
    return tuple(whole.split([ORDERS, len(FOLDS), LINES]))


@pytest.mark.parametrize(("order", "allowed"), [(2, {2}), (3, {3}), (4, {2, 4}), (6, {2, 3, 6}), (12, {2, 3, 4, 6})])
def test_a_pattern_of_one_order_has_the_axes_that_divide_it(order, allowed):
    orders, folds, _ = shares(petals(order))
    assert orders[order - 1] > 0.9 and orders.argmax() == order - 1
    for n, share in zip(FOLDS, folds.tolist(), strict=True):
        assert share < 0.05 if n in allowed else share > 0.95


@pytest.mark.parametrize("order", [2, 3, 4, 6])
def test_mirror_lines_lie_where_they_were_put(order):
    """cos(n azimuth) has mirror lines every pi / n from +x on, and antisymmetric lines halfway between."""
    for shift in (0, 2):
        _, _, lines = shares(petals(order, shift * math.pi / LINES))
        for k, share in enumerate(lines.tolist()):
            assert share == pytest.approx(math.sin(order * (k - shift) * math.pi / LINES) ** 2, abs=0.03)


def test_a_half_turn_changes_nothing_but_signs_of_odd_cosines():
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    before, after = azimuthal_features(x), azimuthal_features(turn(x, torch.tensor([2, 2])))
    assert before.shape == (2, 3, FEATURES)
    torch.testing.assert_close(before[..., :-BANDS * ORDERS], after[..., :-BANDS * ORDERS], rtol=1e-3, atol=1e-3)
    sign = torch.tensor([-1.0, 1.0]).repeat(BANDS * ORDERS // 2)
    torch.testing.assert_close(before[..., -BANDS * ORDERS:] * sign, after[..., -BANDS * ORDERS:], rtol=1e-3, atol=1e-5)


def test_nothing_is_not_a_number_and_gradients_flow():
    for x in (torch.zeros(1, 3, 32, 32), torch.full((1, 3, 32, 32), -1.0), torch.rand(1, 3, 32, 32)):
        x.requires_grad_()
        features = azimuthal_features(x)
        features.sum().backward()
        assert torch.isfinite(features).all() and torch.isfinite(x.grad).all()


def test_the_network_takes_them_in_order_or_in_any_order():
    x = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    for patterns, free in (("channels", False), ("any_order", True)):
        torch.manual_seed(0)
        network = ModelConfig(**NET, patterns=patterns, azimuthal_features=True).build(classes=5, size_pixels=32).eval()
        network.azimuthal.fit(x)
        assert torch.equal(network(x), network(x.flip(1))) == free
    with pytest.raises(InputError, match="at least 32 pixels"):
        ModelConfig(**NET, azimuthal_features=True).build(classes=5, size_pixels=16)
    with pytest.raises(ValueError, match="are of all three patterns"):
        ModelConfig(**NET, patterns="one_random", azimuthal_features=True)


def test_ranks_run_from_least_to_greatest_and_ties_lie_in_their_middle():
    quantiles = torch.tensor([[0.0, 1.0, 1.0, 1.0, 5.0]])
    values = torch.tensor([[-3.0], [0.0], [0.5], [1.0], [3.0], [5.0], [9.0]])
    assert ranked(values, quantiles)[:, 0].tolist() == pytest.approx([-1, -1, -0.75, 0, 0.75, 1, 1])


def test_ranks_are_those_among_the_training_part():
    embedding = AzimuthalEmbedding(3, any_order=False, dropout=0.0)
    x = torch.rand(200, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    embedding.fit(x)
    ranks = ranked(azimuthal_features(x).flatten(1), embedding.quantiles)
    assert ranks.mean(0).abs().max() < 0.01 and (ranks.std(0) - 3**-0.5).abs().max() < 0.02


@pytest.mark.slow
def test_of_many_stacks_evenly_spaced_ones_are_enough(monkeypatch):
    """More than torch.quantile takes: 30,000 stacks have 18.8M features."""
    many, few = (AzimuthalEmbedding(3, any_order=False, dropout=0.0) for _ in range(2))
    x = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    many.fit(x[0].expand(30_000, 3, 32, 32))
    assert torch.allclose(many.quantiles[:, [0, -1]].T, azimuthal_features(x[:1]).flatten(1), atol=1e-5)
    monkeypatch.setattr("classifier.network.azimuthal_features.FITTED", 3)
    many.fit(x.repeat_interleave(3, dim=0))
    few.fit(x)
    assert torch.equal(many.quantiles, few.quantiles)


def test_the_features_may_stand_alone_but_not_be_missing():
    network = ModelConfig(**{**NET, "widths": ()}, azimuthal_features=True).build(classes=5, size_pixels=32)
    assert network.features(torch.rand(2, 3, 32, 32)).shape == (2, EMBEDDED)
    with pytest.raises(InputError, match="needs widths, azimuthal_features or both"):
        ModelConfig(**{**NET, "widths": ()}).build(classes=5, size_pixels=32)
