"""Copies, flipped copies and new stacks among the training stacks."""

import pytest
import torch

from cbedgan.fidelity.memorisation import Training, flipped, nearest

DRAWS = torch.Generator().manual_seed(0)
GROUP = torch.arange(50) % 2


def stacks(n: int, size: int = 8) -> torch.Tensor:
    return torch.randn(n, 3, size, size, generator=DRAWS)


def test_the_nearest_stack_is_found_whichever_way_it_was_flipped():
    others = stacks(6)
    for number in range(4):
        found = nearest(flipped(others[2:4], number), others)
        assert found.row.tolist() == [2, 3] and found.flip.tolist() == [number] * 2
        assert found.distance.max() < 1e-2  # cdist of float32
    apart = torch.zeros(1, 6, dtype=torch.bool)
    apart[0, 2] = True
    assert nearest(others[2:3], others, apart).row.item() != 2


def test_copies_are_seen_though_energies_of_one_material_lie_close():
    real = stacks(50).repeat_interleave(2, 0)
    real = real + 1e-3 * stacks(100)
    training = Training.of(real, GROUP.repeat_interleave(2), torch.arange(50).repeat_interleave(2))
    fresh = training.figures(training.nearest(stacks(60)))
    copied = training.figures(training.nearest(real.flip(-1) + 1e-3 * stacks(100)))
    assert fresh["share"] < 0.2 and 0.9 < fresh["distance_ratio"] < 1.1 and fresh["authenticity"] > 0.3
    assert copied == {"share": 1.0, "authenticity": 0.0, "distance_ratio": pytest.approx(0.0, abs=0.01)}


def test_a_group_whose_materials_lie_far_apart_has_a_scale_of_its_own():
    near, wide = stacks(20), 10 * stacks(4)
    near[:] = near[:1] + 0.1 * near
    training = Training.of(torch.cat([near, wide]), torch.tensor([0] * 20 + [1] * 4), torch.arange(24))
    assert training.scale[20:].min() > 20 * training.scale[:20].max()
    # Far beyond what separates the stacks of the first group, and yet a copy in the second.
    found = training.figures(training.nearest(wide + 0.5 * stacks(4)))
    assert found["share"] == 1.0 and found["authenticity"] == 0.0
    assert training.nearness(nearest(wide, training.x)).max() < 0.01


def test_fine_patterns_are_compared_at_a_coarser_scale():
    real = stacks(3, 64)
    checkers = torch.ones(64)
    checkers[1::2] = -1
    assert nearest(real + checkers, real).distance.max() < 1e-2


def test_a_single_material_says_nothing():
    training = Training.of(stacks(3), *torch.zeros(2, 3).long())
    assert training.figures(training.nearest(stacks(2))) == {}
