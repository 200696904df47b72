"""Each figure of merit on sets whose answer is known, and the alarms on a collapsed and on a copying generator."""

from __future__ import annotations

import socket

import numpy as np
import pytest
import torch

from cbedgan.gan import fidelity

NORMAL = torch.Generator().manual_seed(0)


def normal(n: int, d: int = 8, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, d, generator=NORMAL) + shift


def test_sliced_wasserstein_of_a_shift_is_the_mean_projection_of_the_shift():
    x = normal(300, 400)
    assert fidelity.sliced_wasserstein(x, x, seed=0) == 0
    shift = torch.zeros(400)
    shift[0] = 20.0
    # A random direction in 400 dimensions holds 1/20 of a fixed vector (root mean square).
    assert fidelity.sliced_wasserstein(x + shift, x, seed=0) == pytest.approx(1.0, rel=0.15)


def test_sliced_wasserstein_takes_sets_of_different_size():
    x = normal(100, 3)
    assert fidelity.sliced_wasserstein(x.repeat(3, 1), x, seed=0) < 0.02


def test_density_and_coverage_of_far_and_of_equal_sets():
    reference, material = normal(60), torch.arange(60)
    far = fidelity.density_coverage(normal(60, shift=50.0), reference, material)
    assert far == {"density": 0.0, "coverage": 0.0}
    assert fidelity.density_coverage(reference, reference, material)["coverage"] == 1.0
    one = fidelity.density_coverage(reference[:1].repeat(60, 1), reference, material)
    assert one["coverage"] < 0.6


def test_radii_reach_over_materials():
    reference = torch.tensor([[0.0], [0.1], [0.2], [10.0], [10.1], [10.2]])
    near = torch.tensor([[5.0]])
    assert fidelity.density_coverage(near, reference, torch.tensor([0, 0, 0, 1, 1, 1]))["coverage"] == 1.0
    assert fidelity.density_coverage(near, reference, torch.zeros(6)) == {}


def test_torch_fidelity_runs_offline_and_sees_a_shift(monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    alike = fidelity.kid_precision_recall(normal(80), normal(80), seed=0)
    apart = fidelity.kid_precision_recall(normal(80, shift=2.0), normal(80), seed=0)
    assert abs(alike["kid"]) < 0.5 < apart["kid"]
    assert alike["precision"] > 0.8 > apart["precision"] and alike["recall"] > 0.8 > apart["recall"]
    assert fidelity.kid_precision_recall(normal(5), normal(80), seed=0) == {}


def test_precision_judges_the_generated_set_and_recall_the_real_one():
    collapsed = fidelity.kid_precision_recall(torch.zeros(80, 8) + 0.01 * normal(80), normal(80), seed=0)
    assert collapsed["precision"] == 1.0 and collapsed["recall"] == 0.0


def test_a_collapsed_class_raises_the_alarm():
    class_idx = torch.tensor([0] * 20 + [1] * 20)
    real, made = normal(40), normal(40)
    made[20:] *= 0.1
    found = fidelity.spread_ratio(made, class_idx, real, class_idx)
    assert found["alarm"] == [1]
    assert found["ratio"][0] == pytest.approx(1.0, abs=0.3) and found["ratio"][1] == pytest.approx(0.1, abs=0.03)
    assert fidelity.spread_ratio(made[:1], class_idx[:1], real[:1], class_idx[:1])["median"] is None


def test_copies_are_seen_though_energies_of_one_material_lie_close():
    material = torch.arange(50).repeat_interleave(2)
    real = normal(50).repeat_interleave(2, 0) + 1e-3 * normal(100)
    fresh = fidelity.copies(normal(100), real, material)
    copied = fidelity.copies(real + 1e-3 * normal(100), real, material)
    assert fresh["share"] < 0.1 and 0.7 < fresh["distance_ratio"] < 1.5
    assert copied["share"] == 1.0 and copied["distance_ratio"] < 0.05


def test_halves_share_no_material_and_keep_the_classes():
    class_idx, material = np.repeat([0, 1], 20), np.repeat(np.arange(20), 2)
    half = fidelity.halves(class_idx, material, seed=3)
    assert not set(material[half]) & set(material[~half])
    assert [half[class_idx == k].sum() for k in (0, 1)] == [10, 10]


def test_symmetry_of_patterns_is_compared_as_a_distribution():
    x = torch.randn(20, 3, 16, 16, generator=NORMAL)
    symmetric = sum(x.rot90(k, (-2, -1)) for k in range(4))
    assert fidelity.symmetry_difference(x, x)["symmetry_difference"] == 0
    assert fidelity.symmetry_difference(symmetric, x)["symmetry_difference"] > 0.2
    assert fidelity.symmetry_difference(torch.zeros(4, 1, 16), torch.zeros(4, 1, 16)) == {}


def test_random_features_are_the_same_at_every_call_and_leave_the_generator_of_numbers_alone():
    x, state = torch.randn(4, 3, 16, 16), torch.get_rng_state()
    first, second = (fidelity.random_features(3, 16)(x) for _ in range(2))
    assert torch.equal(first, second) and first.std(0).min() > 0 and torch.equal(state, torch.get_rng_state())


def test_assess_puts_the_real_floor_beside_every_figure():
    x = torch.randn(60, 2, 16, 16, generator=NORMAL)
    class_idx, material = torch.arange(60) % 3, np.arange(60).astype(str)
    found = fidelity.assess(x, class_idx, material, lambda c: torch.zeros(len(c), 2, 16, 16),
                            fidelity.random_features(2, 16), seed=0, limit=50)
    assert found["generated"].keys() == found["real"].keys() >= {"sliced_wasserstein", "coverage", "kid", "recall"}
    assert found["generated"]["sliced_wasserstein"] > 1.5 * found["real"]["sliced_wasserstein"]
    assert found["spread"]["alarm"] == [0, 1, 2] and found["samples"] in (24, 25)
