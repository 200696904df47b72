"""Telling real from generated: 0.5 where nothing tells them apart, nearly 1 where a view sees a difference."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cbedgan.fidelity.realness import auc, convolutional, largest_auc, logistic, pixel_vectors
from cbedgan.likeness.accuracy import accuracy_score
from cbedgan.likeness.measured_stacks import MeasuredStacks

DRAWS = torch.Generator().manual_seed(0)


def normal(n: int, d: int = 6) -> torch.Tensor:
    return torch.randn(n, d, generator=DRAWS)


def test_equal_distributions_give_a_half_and_a_shift_of_one_sigma_the_known_area():
    alike = auc(normal(400), normal(400), np.arange(400), logistic, seed=0)
    assert abs(alike["estimate"] - 0.5) < 0.06 and alike["low"] < 0.5 < alike["high"]
    shift = torch.zeros(6)
    shift[0] = 1.0
    apart = auc(normal(400) + shift, normal(400), np.arange(400), logistic, seed=0)
    # Phi(1 / sqrt(2)) = 0.760 for two normal distributions one standard deviation apart.
    assert abs(apart["estimate"] - 0.76) < 0.05 and apart["low"] < apart["estimate"] < apart["high"]
    assert auc(normal(5), normal(2), np.arange(2), logistic, seed=0) is None


def test_the_same_stacks_on_both_sides_are_not_told_apart():
    x = normal(300)
    assert auc(x, x, np.arange(300), logistic, seed=0)["estimate"] < 0.55


def test_energies_of_one_material_do_not_help_to_know_it_again():
    # Each material has a direction of its own that says nothing of other materials.
    material = np.repeat(np.arange(30), 10)
    real = 5 * normal(30, 40).repeat_interleave(10, 0) + normal(300, 40)
    made = 5 * normal(300, 40) + normal(300, 40)
    apart, mixed = (auc(made, real, unit, logistic, seed=0)["estimate"] for unit in (material, np.arange(300)))
    assert abs(apart - 0.5) < 0.2 and mixed > apart + 0.1


@pytest.mark.slow
def test_smoothing_is_seen_in_the_pixels_and_by_the_network_and_the_view_that_tells_most_counts():
    x = torch.randn(240, 1, 16, 16, generator=DRAWS)
    smooth = (x + x.roll(1, -1)) / 2**0.5
    vectors = pixel_vectors(torch.cat([x, 0.6 * smooth]), seed=0)
    half = np.arange(240) % 2 == 0
    before = torch.get_rng_state()
    found = largest_auc({"pixels": (vectors[:240], vectors[240:], logistic),
                         "network": (x, smooth, convolutional(12, 0)),
                         "noise": (normal(240), normal(240), logistic)}, np.arange(240), half, seed=0)
    assert found["view"] in ("pixels", "network") and found["estimate"] > 0.95
    assert all(found["views"][name]["generated"]["estimate"] > 0.9 for name in ("pixels", "network"))
    assert all(abs(pair["real"]["estimate"] - 0.5) < 0.15 for pair in found["views"].values())
    assert torch.equal(before, torch.get_rng_state())


def test_accuracy_falls_where_the_generated_groups_are_mixed_up():
    centre = 4 * torch.eye(3, 6)
    truth = np.repeat([0, 1, 2], 40)
    shot = np.array(["many", "few", "few"])
    held_out, made = (centre[torch.from_numpy(truth)] + normal(120) for _ in range(2))
    groups = truth, np.where(truth == 2, 1, np.where(truth == 1, 2, 0))
    held_out = MeasuredStacks(held_out, torch.from_numpy(truth), np.arange(120), held_out, None, None, None)
    right, mixed = (accuracy_score(replace(held_out, f=made, class_idx=torch.from_numpy(group)), held_out, shot, seed=0)
                    for group in groups)
    assert right["balanced_accuracy"]["estimate"] > 0.9 and set(right) == {"balanced_accuracy", "few_recall",
                                                                           "many_recall"}
    assert mixed["few_recall"]["high"] < 0.2 and mixed["many_recall"]["estimate"] > 0.9
