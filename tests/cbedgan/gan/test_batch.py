"""Draws of a step: rows of the whole batch and its parts."""

import torch

from cbedgan.gan.augmentation import make_augmentation
from cbedgan.gan.batch import draw_batch


def test_rows_are_those_of_the_whole_batch(tiny_data, tiny_config):
    config, data = tiny_config(), tiny_data()
    whole = draw_batch(config.draws(48), data, range(16))
    for rows in (range(0, 5), range(5, 11), range(11, 16)):
        here, own = slice(rows.start, rows.stop), draw_batch(config.draws(48), data, rows)
        for name in ("real", "class_idx", "z"):
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
