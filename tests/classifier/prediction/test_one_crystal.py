import numpy as np
import pytest
import torch

from classifier.prediction.one_crystal import Comparison, OneCrystal, Patterns

SCALE = torch.tensor([[0.5, 0.3, 0.4]] * 4)


def stacks(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalised and physical stacks [4, 3, 32, 32]."""
    intensity = torch.from_numpy(np.random.default_rng(seed).gamma(1, 1e-4, (4, 3, 32, 32)).astype(np.float32))
    return (intensity + 1e-6).log10() / 3 + 1, intensity


def described(x: torch.Tensor, intensity: torch.Tensor, scale: torch.Tensor = SCALE) -> Patterns:
    return Patterns.of(x, intensity, scale, shortest_g_pixels=8.0)


def test_neither_order_nor_mirror_nor_half_turn_counts() -> None:
    x, intensity = stacks()
    alone, shared = described(x, intensity).compared()
    order = [2, 0, 1]
    again = described(x[:, order], intensity[:, order], SCALE[:, order]).compared()
    assert torch.equal(again[0], alone) and torch.equal(again[1], shared)
    for axes in ((-1,), (-2,), (-1, -2)):
        turned = described(x.flip(axes), intensity.flip(axes)).compared()
        assert torch.allclose(turned[0], alone, atol=1e-3) and torch.allclose(turned[1], shared, atol=1e-3)


def test_patterns_are_taken_from_their_own_places_with_their_own_scale() -> None:
    patterns = described(*stacks(), SCALE + torch.arange(4)[:, None] / 100)
    mixed = patterns.taken(torch.tensor([[0, 0, 3], [2, 2, 2]]))
    assert torch.equal(mixed.alone[0, 2], patterns.alone[3, 2]) and torch.equal(mixed.alone[0, 1], patterns.alone[0, 1])
    assert mixed.shortest_g[0].tolist() == pytest.approx([0.5, 0.3, 0.43])
    assert torch.equal(mixed.disks.distance[1], patterns.disks.distance[2])


def test_where_g_is_not_on_record_nothing_is_said() -> None:
    torch.manual_seed(0)
    x, intensity = stacks()
    comparison = Comparison(described(x, intensity).alone.shape[-1])
    comparison.fit_scale(described(x, intensity).alone)
    shortest_g = SCALE.numpy().astype(np.float64).copy()
    shortest_g[1, 2] = np.nan
    known = OneCrystal(comparison.eval(), 0.25)
    said = known.excess(x, intensity, shortest_g, shortest_g_pixels=8.0)
    assert np.isnan(said).tolist() == [False, True, False, False]
    assert said[0] == pytest.approx(comparison.of(described(x, intensity))[0] - 0.25, abs=1e-5)
    again = OneCrystal.from_state(known.state())
    assert np.array_equal(again.excess(x, intensity, shortest_g, shortest_g_pixels=8.0), said, equal_nan=True)
    for forged in ({"threshold": float("nan")}, {"comparison": known.state()["comparison"] | {"mean": torch.zeros(3)}}):
        with pytest.raises(ValueError):
            OneCrystal.from_state(known.state() | forged)
