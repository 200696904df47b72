"""Transforms keep the label true; feedback on their share, worked out by hand, and in a training."""

import math
from types import SimpleNamespace

import pytest
import torch

from cbedgan.gan.augmentation import AdaptiveConfig, adapted, make_augmentation, wins_by_shots
from cbedgan.gan.state import State
from cbedgan.gan.step import take_step
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.errors import InputError
from classifier.foundation.ranks import Ranks


def config(**changes) -> AdaptiveConfig:
    return AdaptiveConfig(**({"target": 0.6, "images": 100, "largest": 0.8, "by_shots": True} | changes))


def test_wins_are_counted_by_shot_group_and_without_what_is_not_finite():
    real = torch.tensor([[1.0, -9.0], [0.0, 9.0], [2.0, 0.0], [math.nan, 0.0], [math.inf, 0.0]])
    wins, pairs = wins_by_shots(real, torch.zeros(5, 2), torch.tensor([0, 0, 2, 2, 1]))
    assert wins.tolist() == [1, 0, 1] and pairs.tolist() == [2, 0, 1]


def test_probability_climbs_by_one_while_the_real_stacks_of_so_many_images_win():
    p = torch.tensor([0.1, 0.2, 0.3])
    moved = adapted(p, torch.tensor([10.0, 0.0, 8.0]), torch.tensor([10.0, 0.0, 10.0]), config())
    torch.testing.assert_close(moved, torch.tensor([0.1 + 10 / 100, 0.2, 0.3]))  # 8 of 10 wins are the target of 0.6
    moved = adapted(p, torch.zeros(3), torch.full((3,), 2.0), config())
    torch.testing.assert_close(moved, p - 2 * 1.6 / 0.4 / 100)


def test_probability_stays_between_zero_and_the_largest():
    all_win, none_win = (adapted(torch.full((3,), 0.5), wins, torch.full((3,), 900.0), config())
                         for wins in (torch.full((3,), 900.0), torch.zeros(3)))
    assert all_win.tolist() == pytest.approx([0.8] * 3) and none_win.tolist() == [0.0] * 3


def test_one_probability_follows_all_groups_together():
    moved = adapted(torch.full((3,), 0.1), torch.tensor([4.0, 0.0, 4.0]), torch.tensor([4.0, 2.0, 4.0]),
                    config(by_shots=False))
    torch.testing.assert_close(moved, torch.full((3,), 0.1))  # 8 of 10


def test_it_settles_where_the_target_is_met_even_with_one_pair_a_batch():
    draws, p, trace = torch.Generator().manual_seed(0), torch.zeros(3), []
    for _ in range(4000):
        win = torch.rand(3, generator=draws) < 0.95 - 0.5 * p  # the more augmented, the fewer wins: 0.8 at p = 0.3
        p = adapted(p, win.float(), torch.ones(3), config(images=200, largest=1.0))
        trace.append(p)
    torch.testing.assert_close(torch.stack(trace[1000:]).mean(0), torch.full((3,), 0.3), atol=0.05, rtol=0)


def test_a_training_moves_it_reports_it_and_keeps_it_in_its_checkpoint(tiny_data, tiny_config, tmp_path):
    settings = {"target": 0.6, "images": 32, "largest": 0.8, "by_shots": True}
    given, data = tiny_config(augmentation={"probability": 0.2, "adaptive": settings}), tiny_data()
    state, alone = State(given, data), Ranks(0, 1, torch.device("cpu"))
    for _ in range(3):
        take_step(state, given, data, alone)
    assert state.augment_probability[0] != 0.2 and state.augment_probability[2] == pytest.approx(0.2)
    state.save(tmp_path / "c.safetensors", {})
    again = State(given, data)
    again.load(tmp_path / "c.safetensors")
    assert torch.equal(again.augment_probability, state.augment_probability)
    assert again.report()["augment_probability_few"] == float(state.augment_probability[0])


def test_a_target_that_no_discriminator_can_pass_is_refused(tiny_config):
    with pytest.raises(InputError, match="adaptive.target"):
        tiny_config(augmentation={"adaptive": {"target": 1.0, "images": 32, "largest": 0.8, "by_shots": True}})


def test_augmentation_repeats_its_draws_and_moves_the_label_of_a_mirrored_stack(tiny_config):
    class_map = ClassMap((76, 78, 194))  # 4_1 and 4_3 are mirror images of each other
    data = SimpleNamespace(class_map=class_map, shots=torch.tensor([0, 0, 2]))
    still = {"half_turn": False, "quarter_turns": False, "gain": 0.0, "shift_pixels": 0}
    config = tiny_config(batch=64, augmentation={"probability": 1.0, "transforms": {"mirror": True, **still}})
    x, class_idx = torch.randn(64, 3, 4, 4), torch.tensor([0, 1, 2, 2] * 16)
    augmentation = make_augmentation(config.augmentation, data, config.draws(5), torch.ones(3), range(64))
    (once, label), (again, same) = augmentation(x, class_idx), augmentation(x, class_idx)
    assert torch.equal(once, again) and torch.equal(label, same)
    mirrored = (once == x.flip(-2)).flatten(1).all(1)
    assert 15 < mirrored.sum() < 49 and torch.equal(once[~mirrored], x[~mirrored])
    assert torch.equal(label, torch.where(mirrored & (class_idx < 2), 1 - class_idx, class_idx))


def test_each_shot_group_is_augmented_as_often_as_its_probability_says(tiny_config):
    data = SimpleNamespace(class_map=ClassMap((194, 216, 225)), shots=torch.tensor([0, 1, 2]))
    config = tiny_config(batch=300)
    x, class_idx = torch.randn(300, 3, 4, 4), torch.arange(3).repeat(100)
    seen, _ = make_augmentation(config.augmentation, data, config.draws(5), torch.tensor([0.0, 0.5, 1.0]),
                                range(300))(x, class_idx)
    changed = (seen != x).flatten(1).any(1)
    counts = torch.bincount(class_idx[changed], minlength=3)
    assert counts[0] == 0 and 35 < counts[1] < 65 and counts[2] == 100  # the gain changes every stack
    none = tiny_config(augmentation={"probability": 0.0}).augmentation
    assert make_augmentation(none, data, config.draws(5), torch.zeros(3), range(300))(x, class_idx)[0] is x
