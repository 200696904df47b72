"""Distances between sets of vectors whose answer is known: sliced Wasserstein, KID, coverage, torch-fidelity's."""

import socket

import numpy as np
import pytest
import torch

from cbedgan.fidelity.coverage import Balls
from cbedgan.fidelity.halves import Halvings, sample_rows
from cbedgan.fidelity.kernel import UnitFeatures, kid, kid_floor
from cbedgan.fidelity.torch_fidelity_figures import torch_fidelity_figures
from cbedgan.fidelity.wasserstein import sliced_wasserstein, wasserstein_1

NORMAL = torch.Generator().manual_seed(0)


def normal(n: int, d: int = 8, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, d, generator=NORMAL) + shift


def test_sliced_wasserstein_of_a_shift_is_the_mean_projection_of_the_shift():
    x = normal(300, 400)
    assert sliced_wasserstein(x, x, seed=0) == 0
    shift = torch.zeros(400)
    shift[0] = 20.0
    # A random direction in 400 dimensions holds 1/20 of a fixed vector (root mean square).
    assert sliced_wasserstein(x + shift, x, seed=0) == pytest.approx(1.0, rel=0.15)


def test_wasserstein_takes_sets_of_different_size():
    x = normal(100, 3)
    assert sliced_wasserstein(x.repeat(3, 1), x, seed=0) < 0.02
    assert wasserstein_1(torch.zeros(5), torch.full((9,), 2.0)) == 2.0
    assert np.isnan(wasserstein_1(torch.zeros(0), torch.ones(3)))


def test_kid_of_two_pairs_is_that_by_hand():
    # Kernel (x y + 1)^3 of one feature: 1 between 0 and anything, 125 between 2 and 2; pairs (0, 2) and (2, 2).
    f, other = torch.tensor([[0.0], [2.0]]), torch.tensor([[2.0], [2.0]])
    found = kid(UnitFeatures(f, np.arange(2)), UnitFeatures(other, np.arange(2)), replicates=0, seed=0)
    assert found["estimate"] == pytest.approx(1 + 125 - 2 * (1 + 125) / 2)
    assert kid(UnitFeatures(f[:1], np.arange(1)), UnitFeatures(other, np.arange(2)), replicates=0, seed=0) is None


def test_kid_leaves_out_pairs_within_a_material_and_its_interval_holds_the_truth():
    points, other, unit = normal(60), normal(60), np.arange(60)
    reference = UnitFeatures(other, unit)
    alone = kid(UnitFeatures(points, unit), reference, replicates=0, seed=0)
    doubled = kid(UnitFeatures(points.repeat(2, 1), np.tile(unit, 2)), reference, replicates=200, seed=0)
    assert doubled["estimate"] == pytest.approx(alone["estimate"]) and doubled["low"] < 0 < doubled["high"]
    apart = kid(UnitFeatures(points + 1, unit), reference, replicates=200, seed=0)
    assert 0 < apart["low"] < apart["estimate"] < apart["high"]


def test_the_floor_of_the_kid_has_mean_zero_though_classes_lie_far_apart():
    kind, unit = np.repeat(np.arange(20), 6), np.arange(120)
    f = normal(120) + 2 * normal(20).repeat_interleave(6, 0)
    halvings = Halvings.draw(kind, unit, 200, seed=0)
    floor = kid_floor(UnitFeatures(f, unit), halvings)
    mixed = UnitFeatures(f[torch.randperm(120, generator=NORMAL)], unit)
    shifted = kid(UnitFeatures(f + 1, unit), mixed, replicates=0, seed=0)["estimate"]
    assert abs(floor["mean"]) < floor["high"] / 3 and 0 < floor["high"] < shifted / 5
    # The candidate half of the same halving, judged as generated stacks are, is one of these values.
    rows, pair, others, other_pair = halvings.rows(unit)
    one = kid(UnitFeatures(f[others], other_pair), UnitFeatures(f[rows], pair), replicates=0, seed=0)["estimate"]
    assert kid_floor(UnitFeatures(f, unit), Halvings(halvings.reference[:1], halvings.candidate[:1], halvings.class_idx)
                     )["mean"] == pytest.approx(one)


def test_kid_agrees_with_torch_fidelity():
    f, other = normal(120, shift=0.5), normal(120)
    mine = kid(UnitFeatures(f, np.arange(120)), UnitFeatures(other, np.arange(120)), replicates=0, seed=0)["estimate"]
    assert torch_fidelity_figures(f, other, seed=0)["kid_of_subsets"] == pytest.approx(mine, rel=0.1)


def test_torch_fidelity_runs_offline_and_sees_a_shift(monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    alike, apart = (torch_fidelity_figures(normal(80, shift=shift), normal(80), seed=0) for shift in (0.0, 2.0))
    assert alike["precision"] > 0.8 > apart["precision"] and alike["recall"] > 0.8 > apart["recall"]
    assert apart["fid"] > 10 * alike["fid"] and torch_fidelity_figures(normal(5), normal(80), seed=0) == {}


def test_precision_judges_the_generated_set_and_recall_the_real_one():
    collapsed = torch_fidelity_figures(torch.zeros(80, 8) + 0.01 * normal(80), normal(80), seed=0)
    assert collapsed["precision"] == 1.0 and collapsed["recall"] == 0.0


def test_density_and_coverage_of_far_equal_and_single_points():
    reference = normal(60)
    balls = Balls.around(reference, torch.arange(60))
    far, own, one = (balls.holding(f) for f in (normal(60, shift=50.0), reference, reference[:1].repeat(60, 1)))
    assert balls.density(far) == balls.coverage(far) == 0.0
    assert balls.coverage(own) == 1.0 and balls.coverage(one) < 0.6


def test_radii_reach_over_materials():
    reference = torch.tensor([[0.0], [0.1], [0.2], [10.0], [10.1], [10.2]])
    balls = Balls.around(reference, torch.tensor([0, 0, 0, 1, 1, 1]))
    assert balls.holding(torch.tensor([[5.0]])).all() and balls.neighbours == 3
    assert Balls.around(reference, torch.zeros(6).long()) is None


def test_halves_share_no_material_and_hold_every_class_alike_often():
    class_idx, material = np.repeat([0, 1, 2], [20, 22, 2]), np.repeat(np.arange(22), 2)
    halvings = Halvings.draw(class_idx, material, 8, seed=3)
    for number in range(8):
        rows, pair, others, other_pair = halvings.rows(material, number)
        assert not set(material[rows]) & set(material[others])
        assert [np.bincount(class_idx[each]).tolist() for each in (rows, others)] == [[10, 10]] * 2
        assert (np.bincount(pair) == 2).all() and (class_idx[rows][np.argsort(pair, kind="stable")]
                                                   == class_idx[others][np.argsort(other_pair, kind="stable")]).all()
    assert len({tuple(row) for row in halvings.reference}) == 8
    assert halvings.take(halvings.class_idx == 1).reference.shape == (8, 5)


def test_few_stacks_are_drawn_with_the_rare_classes_whole():
    class_idx = np.repeat([0, 1, 2], [100, 20, 3])
    rows = sample_rows(class_idx, 40, seed=0)
    assert len(rows) == 40 and len(np.unique(rows)) == 40 and (np.diff(rows) > 0).all()
    kept = np.bincount(class_idx[rows])
    assert kept[2] == 3 and kept[0] > kept[1] > 5 and (sample_rows(class_idx, 500, seed=0) == np.arange(123)).all()
