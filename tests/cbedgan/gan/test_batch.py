"""Draws of a step: rows of the whole batch and its parts."""

import torch

from cbedgan.gan.augmentation import make_augmentation
from cbedgan.gan.batch import draw_batch, draw_twins


def test_rows_are_those_of_the_whole_batch(tiny_data, tiny_config):
    config, data = tiny_config(), tiny_data()
    whole = draw_batch(config.draws(48), data, range(16))
    for rows in (range(0, 5), range(5, 11), range(11, 16)):
        here, own = slice(rows.start, rows.stop), draw_batch(config.draws(48), data, rows)
        for name in ("real", "class_idx", "z", "noise"):
            assert torch.equal(getattr(own, name), getattr(whole, name)[here])
        augmented = [make_augmentation(config.augmentation, data, config.draws(48), torch.full((3,), 0.7), part.rows)(
            part.real, part.class_idx) for part in (whole, own)]
        assert all(torch.equal(alone, together[here]) for together, alone in zip(*augmented, strict=True))
    assert not torch.equal(draw_batch(config.draws(64), data, range(16)).z, whole.z)


def test_parts_cover_the_rows_in_their_order(tiny_data, tiny_config):
    batch = draw_batch(tiny_config().draws(0), tiny_data(), range(3, 14))
    parts = batch.parts(4)
    assert [part.rows for part in parts] == [range(3, 7), range(7, 11), range(11, 14)]
    assert torch.equal(torch.cat([part.z for part in parts]), batch.z)
    assert torch.equal(torch.cat([part.real for part in parts]), batch.real)
    assert batch.parts(None) == [batch] == batch.parts(11)


def test_twins_share_latent_and_class_and_differ_in_noise(tiny_data, tiny_config):
    draws, data = tiny_config().draws(32), tiny_data()
    z, (class_idx, _), (first, second) = draw_twins(draws, data, 40)
    drawn = draw_batch(draws, data, range(16)).class_idx
    assert z.shape == (40, 8) and torch.equal(class_idx, torch.cat((drawn, drawn, drawn[:8])))
    assert not torch.equal(first, second) and first.shape == (40, 8)
