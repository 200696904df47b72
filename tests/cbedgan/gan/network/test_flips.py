"""Flips and quarter turns as motions of pixels, and the gates that mix them."""

import pytest
import torch

from cbedgan.gan.network.flips import FlipMixing, apply, asymmetries, operations


def test_the_motions_of_a_square_are_eight_different_ones():
    x = torch.arange(9).reshape(3, 3)
    images = {tuple(apply(x, move).flatten().tolist()) for move in operations(2, True)}
    assert len(images) == len(operations(2, True)) == 8
    turned = {tuple(x.rot90(k).flatten().tolist()) for k in range(4)}
    assert turned <= images and len(operations(2, False)) == 4 and len(operations(1, True)) == 2
    assert all(torch.equal(apply(x, operations(dims, False)[0]), x) for dims in (1, 2))


@pytest.mark.parametrize("shape", [(2, 3, 6, 6), (2, 3, 6)])
def test_training_starts_from_samples_with_mirror_lines(shape):
    mixing, x = FlipMixing(len(shape) - 2, 3, 5, False), torch.randn(shape)
    mixed = mixing(x, torch.randn(2, 5))
    assert mixed.shape == shape
    for axis in range(2, len(shape)):
        torch.testing.assert_close(mixed, mixed.flip(axis))
    torch.testing.assert_close(mixed.mean(), x.mean())


def test_a_gate_can_set_one_pattern_of_one_sample_free():
    mixing, x = FlipMixing(2, 2, 1, False), torch.randn(2, 2, 6, 6)
    with torch.no_grad():
        mixing.gate.weight[0] = 100.0  # the identity of channel 0
    mixed = mixing(x, torch.tensor([[1.0], [0.0]]))
    torch.testing.assert_close(mixed[0, 0], x[0, 0])
    for sample, channel in ((0, 1), (1, 0)):
        torch.testing.assert_close(mixed[sample, channel], mixed[sample, channel].flip(0))


def test_differences_vanish_where_a_sample_has_the_symmetry():
    x = torch.randn(2, 1, 4, 4)
    x = x + x.flip(-1)
    found = asymmetries(x, False)
    assert found.shape == (2, 4, 4, 4) and torch.equal(found[:, :1], x)
    largest = [float(found[:, k].abs().max()) for k in range(1, 4)]
    assert sorted(value > 1e-6 for value in largest) == [False, True, True]
