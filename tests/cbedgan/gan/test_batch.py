"""Draws of a step: rows of the whole batch, its parts, and transforms that keep the label true."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from cbedgan.gan.batch import draw_batch, draw_twins, make_augmentation
from classifier.crystal.spacegroup import ClassMap


def test_rows_are_those_of_the_whole_batch(tiny_data, tiny_config):
    config, data = tiny_config(), tiny_data()
    whole = draw_batch(config, data, 48, range(16))
    for rows in (range(0, 5), range(5, 11), range(11, 16)):
        here, own = slice(rows.start, rows.stop), draw_batch(config, data, 48, rows)
        for name in ("real", "class_idx", "z", "noise"):
            assert torch.equal(getattr(own, name), getattr(whole, name)[here])
        augmented = [make_augmentation(config, data, torch.full((3,), 0.7), 48, part.rows)(part.real, part.class_idx)
                     for part in (whole, own)]
        assert all(torch.equal(alone, together[here]) for together, alone in zip(*augmented, strict=True))
    assert not torch.equal(draw_batch(config, data, 64, range(16)).z, whole.z)


def test_parts_cover_the_rows_in_their_order(tiny_data, tiny_config):
    batch = draw_batch(tiny_config(), tiny_data(), 0, range(3, 14))
    parts = batch.parts(4)
    assert [part.rows for part in parts] == [range(3, 7), range(7, 11), range(11, 14)]
    assert torch.equal(torch.cat([part.z for part in parts]), batch.z)
    assert torch.equal(torch.cat([part.real for part in parts]), batch.real)
    assert batch.parts(None) == [batch] == batch.parts(11)


def test_twins_share_latent_and_class_and_differ_in_noise(tiny_data, tiny_config):
    config, data = tiny_config(twins_batch=40), tiny_data()
    z, class_idx, (first, second), _ = draw_twins(config, data, 32)
    drawn = draw_batch(config, data, 32, range(16)).class_idx
    assert z.shape == (40, 8) and torch.equal(class_idx, torch.cat((drawn, drawn, drawn[:8])))
    assert not torch.equal(first, second) and first.shape == (40, 8)


def test_augmentation_repeats_its_draws_and_moves_the_label_of_a_mirrored_stack(tiny_config):
    class_map = ClassMap((76, 78, 194))  # 4_1 and 4_3 are mirror images of each other
    data = SimpleNamespace(class_map=class_map, shots=torch.tensor([0, 0, 2]))
    still = {"half_turn": False, "quarter_turns": False, "gain": 0.0, "shift_pixels": 0}
    config = tiny_config(augment_probability=1.0, batch=64, augment={"mirror": True, **still})
    x, class_idx = torch.randn(64, 3, 4, 4), torch.tensor([0, 1, 2, 2] * 16)
    augmentation = make_augmentation(config, data, torch.ones(3), 5, range(64))
    (once, label), (again, same) = augmentation(x, class_idx), augmentation(x, class_idx)
    assert torch.equal(once, again) and torch.equal(label, same)
    mirrored = (once == x.flip(-2)).flatten(1).all(1)
    assert 15 < mirrored.sum() < 49 and torch.equal(once[~mirrored], x[~mirrored])
    assert torch.equal(label, torch.where(mirrored & (class_idx < 2), 1 - class_idx, class_idx))


def test_each_shot_group_is_augmented_as_often_as_its_probability_says(tiny_config):
    data = SimpleNamespace(class_map=ClassMap((194, 216, 225)), shots=torch.tensor([0, 1, 2]))
    config = tiny_config(batch=300)
    x, class_idx = torch.randn(300, 3, 4, 4), torch.arange(3).repeat(100)
    seen, _ = make_augmentation(config, data, torch.tensor([0.0, 0.5, 1.0]), 5, range(300))(x, class_idx)
    changed = (seen != x).flatten(1).any(1)
    counts = torch.bincount(class_idx[changed], minlength=3)
    assert counts[0] == 0 and 35 < counts[1] < 65 and counts[2] == 100  # the gain changes every stack
    none = tiny_config(batch=300, augment_probability=0.0)
    assert make_augmentation(none, data, torch.zeros(3), 5, range(300))(x, class_idx)[0] is x
