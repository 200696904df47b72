"""Symmetries of patterns: which operations belong together, and finding them on literal patterns."""

import math

import pytest
import torch

from cbedgan.form.pattern_symmetry import (
    SHARES,
    beam_parities,
    fits,
    half_turn_difference,
    measure,
    net_symmetry,
    operations,
    residue,
    turned,
)

SQUARE = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
HEXAGONAL = torch.tensor([[1.0, 0.0], [-0.5, math.sqrt(3) / 2]])
RECTANGULAR = torch.tensor([[1.0, 0.0], [0.0, 1.3]])
RHOMBIC = torch.tensor([[1.0, 0.0], [math.cos(1.2), math.sin(1.2)]])  # mirror lines at 0.6 and 0.6 + pi / 2
OBLIQUE = torch.tensor([[1.0, 0.0], [0.3, 1.2]])
FREE = torch.tensor([False])
SIZE, HALF_WIDTH = 48, 2.0


def ops(azimuth: float, *share: float):
    """Operations of one pattern."""
    return operations(torch.tensor([azimuth]), torch.tensor([share], dtype=torch.float32))


def kept(found):
    """The matrices [O, 2, 2] of the first pattern that count."""
    return found.matrix[0, found.weight[0] > 0]


@pytest.mark.parametrize(("share", "count"), [
    ((0, 0, 0, 0), 1), ((1, 0, 0, 0), 2), ((0, 1, 0, 0), 3), ((1, 0, 1, 0), 4), ((1, 1, 0, 0), 6), ((0, 0, 0, 1), 2),
    ((1, 0, 0, 1), 4), ((0, 1, 0, 1), 6), ((1, 0, 1, 1), 8), ((1, 1, 0, 1), 12)])
def test_whole_shares_make_a_group_of_equal_weights(share, count):
    found = ops(0.4, *share)
    matrices = kept(found)
    assert len(matrices) == count
    torch.testing.assert_close(found.weight[found.weight > 0], torch.full((count,), 1 / count))
    products = (matrices[:, None] @ matrices).flatten(0, 1)
    distance = (products[:, None] - matrices).abs().amax((2, 3))
    assert float(distance.amin(1).max()) < 1e-5  # closed
    assert int((matrices[:, None] - matrices).abs().amax((2, 3)).lt(1e-4).sum()) == count  # each once


def test_a_share_weighs_its_operation_against_the_identity():
    weight = ops(0.0, 0.25, 0, 0, 0).weight[0]
    assert weight[weight > 0].tolist() == pytest.approx([0.8, 0.2])
    assert ops(0.2, 0.3, 0.5, 0.9, 0.7).weight.sum(1).tolist() == pytest.approx([1])


def test_three_or_four_fold_axes_whichever_has_the_larger_share():
    assert len(kept(ops(0.0, 0, 0.6, 0.5, 0))) == 3 and len(kept(ops(0.0, 0, 0.5, 0.6, 0))) == 2


def test_matrices_take_azimuths_where_they_say():
    angle, mirrored = torch.tensor([0.5, 0.5]), torch.tensor([False, True])
    vector = torch.tensor([math.cos(0.2), math.sin(0.2)])
    found = turned(angle, mirrored) @ vector
    assert torch.atan2(found[:, 1], found[:, 0]).tolist() == pytest.approx([0.7, 0.3])


def test_the_mirror_line_stays_where_it_is():
    line = torch.tensor([math.cos(0.4), math.sin(0.4)])
    mirror = kept(ops(0.4, 0, 0, 0, 1))[1]
    torch.testing.assert_close(mirror @ line, line)


@pytest.mark.parametrize(("net", "shares"), [
    (SQUARE, [1, 0, 1, 1]), (HEXAGONAL, [1, 1, 0, 1]), (RECTANGULAR, [1, 0, 0, 1]), (RHOMBIC, [1, 0, 0, 1]),
    (OBLIQUE, [1, 0, 0, 0])], ids=["square", "hexagonal", "rectangular", "rhombic", "oblique"])
def test_bare_nets_have_the_symmetry_of_their_kind(net, shares):
    azimuth, found = net_symmetry(net[None])
    assert found.tolist() == [shares]
    if shares[-1]:
        assert bool(fits(net[None], turned(2 * azimuth, ~FREE)))


def test_the_mirror_line_of_a_rhombic_net_is_half_way_between_its_vectors():
    azimuth, _ = net_symmetry(RHOMBIC[None])
    assert float(azimuth) % (math.pi / 2) == pytest.approx(0.6, abs=1e-5)


def drawn(net, matrices, *, radius=0.4, seed=1):
    """A pattern [S, S] with smooth contents that the mean over matrices [O, 2, 2] made alike, and where it is lit."""
    draws = torch.Generator().manual_seed(seed)
    axis = ((torch.arange(SIZE) + 0.5) / SIZE * 2 - 1) * HALF_WIDTH
    places = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)
    wave = 2 * torch.randn(12, 2, generator=draws)
    phase, height = 2 * math.pi * torch.rand(12, generator=draws), torch.randn(12, generator=draws)
    images = places[None] @ matrices.mT[:, None]
    values = ((images @ wave.T + phase).sin() @ height).mean(0)
    steps = torch.arange(-4.0, 5)
    disks = torch.cartesian_prod(steps, steps) @ net
    lit = (places[:, :, None] - disks).norm(dim=-1).amin(-1) < radius
    return values, (lit & (places.norm(dim=-1) < HALF_WIDTH - 0.1)).float()


def measured(x, lit, net):
    """Azimuth and shares [SHARES] of a pattern [S, S] whose levels and contents are both what it shows."""
    azimuth, share = measure(x.expand(1, 2, *x.shape), lit.expand(1, 2, *x.shape), net[None])
    return float(azimuth), share[0]


NOTHING = ops(0.0, 0, 0, 0, 0)


@pytest.mark.parametrize(("net", "azimuth", "share", "expected"), [
    (SQUARE, 0.0, (0, 0, 0, 0), [0, 0, 0, 0]), (SQUARE, 0.0, (1, 0, 0, 0), [1, 0, 0, 0]),
    (SQUARE, 0.0, (1, 0, 1, 0), [1, 0, 1, 0]), (SQUARE, 0.0, (0, 0, 0, 1), [0, 0, 0, 1]),
    (SQUARE, math.pi / 4, (1, 0, 1, 1), [1, 0, 1, 1]), (HEXAGONAL, 0.0, (0, 1, 0, 0), [0, 1, 0, 0]),
    (HEXAGONAL, math.pi / 3, (1, 1, 0, 1), [1, 1, 0, 1]), (RECTANGULAR, math.pi / 2, (0, 0, 0, 1), [0, 0, 0, 1]),
    (RHOMBIC, 0.6, (0, 0, 0, 1), [0, 0, 0, 1]), (RHOMBIC, 0.6 + math.pi / 2, (0, 0, 0, 1), [0, 0, 0, 1])])
def test_what_a_pattern_was_given_is_found(net, azimuth, share, expected):
    x, lit = drawn(net, kept(ops(azimuth, *share)))
    line, found = measured(x, lit, net)
    assert found.shape == (SHARES,)
    for value, there in zip(found.tolist(), expected, strict=True):
        assert value > 0.97 if there else value < 0.75
    if share == (0, 0, 0, 1):
        assert abs(math.sin(line - azimuth)) < 1e-4


@pytest.mark.parametrize(("net", "lost"), [(SQUARE, [1]), (HEXAGONAL, [2]), (RECTANGULAR, [1, 2]),
                                           (OBLIQUE, [1, 2, 3])])
def test_what_the_net_does_not_have_counts_for_nothing_even_in_a_flat_pattern(net, lost):
    noise, lit = drawn(net, kept(NOTHING))
    _, found = measured(1 + 1e-3 * noise.sign(), lit, net)
    assert (found[lost] == 0).all()


def test_what_levels_have_and_contents_have_not_counts_for_half():
    (alike, lit), (free, _) = drawn(SQUARE, kept(ops(0.0, 0, 0, 0, 1))), drawn(SQUARE, kept(NOTHING))
    _, share = measure(torch.stack((alike, free))[None], lit.expand(1, 2, *lit.shape), SQUARE[None])
    assert 0.5 < share[0, 3] < 0.75


def test_the_half_turn_is_told_from_the_whole_pattern():
    (alike, lit), (free, _) = drawn(SQUARE, kept(ops(0.0, 1, 0, 0, 0))), drawn(SQUARE, kept(NOTHING))
    _, share = measure(torch.stack((alike, 0.3 * free))[None], lit.expand(1, 2, *lit.shape), SQUARE[None])
    left = half_turn_difference((alike + 0.3 * free)[None])
    assert 0.05 < left < 0.5 and float(residue(share[0, 0])) == pytest.approx(float(left), rel=1e-3)


def test_differences_from_half_turns_count_in_the_circle_against_two_unrelated_patterns():
    axis = (torch.arange(SIZE) + 0.5) / SIZE * 2 - 1
    x, y = torch.meshgrid(axis, axis, indexing="xy")
    even, odd = x * y, x * (x.square() + y.square() < 0.9) + 5 * (x.square() + y.square() > 1)
    noise = torch.randn(1, 256, 256, generator=torch.Generator().manual_seed(0))
    assert half_turn_difference(torch.stack((even, odd, 3 + 7 * odd))).tolist() == pytest.approx(
        [0, math.sqrt(2), math.sqrt(2)], abs=1e-4)
    assert float(half_turn_difference(noise)) == pytest.approx(1, abs=0.02)
    assert float(half_turn_difference(torch.zeros(1, 8, 8))) < 1e-5


def test_half_a_symmetry_is_a_share_that_makes_the_difference_again():
    # A weighted mean by share s leaves (1 - s) / (1 + s) of the difference between a pattern and its half turn.
    x, lit = drawn(SQUARE, kept(NOTHING))
    share = 0.5
    mixed = (x + share * x.flip(0, 1)) / (1 + share)
    whole, half = (float(measured(pattern, lit, SQUARE)[1][0]) for pattern in (x, mixed))
    assert whole < 0.1 and half == pytest.approx(share, abs=0.12)


def test_a_pattern_that_keeps_no_mirror_still_knows_a_line_of_its_net():
    net = RECTANGULAR @ turned(torch.tensor(0.3), torch.tensor(False)).T
    _, lit = drawn(net, kept(NOTHING))
    axis = (torch.arange(len(lit)) + 0.5) / len(lit) - 0.5
    along, across = torch.meshgrid(axis, axis, indexing="xy")
    c, s = math.cos(0.3), math.sin(0.3)
    line, found = measured((c * along + s * across) * (c * across - s * along), lit, net)  # odd under both of its lines
    assert found[3] == 0 and abs(math.sin(2 * (line - 0.3))) < 1e-4


@pytest.mark.parametrize(("share", "parity", "expected"), [
    ((0.5, 0, 0.5, 0.5), (-1, 1, 1, 1), {(0, 0, 0): 1, (1, 0, 0): -1, (1, 1, 0): -1, (0, 1, 1): 1, (1, 0, 1): -1}),
    ((0.5, 0, 0.5, 0.5), (-1, 1, -1, 1), {(0, 1, 0): -1, (1, 1, 0): 1, (1, 1, 1): 1}),
    ((0.5, 0.5, 0, 0.5), (1, 1, -1, -1), {(0, 1, 0): 1, (0, 2, 0): 1, (0, 1, 1): -1}),
    ((1, 0, 0, 0.99), (-1, 1, 1, -1), {(1, 0, 0): 1, (0, 0, 1): 0}),  # a whole symmetry, and one half-way there
])
def test_parities_along_the_beam_multiply_and_spare_whole_symmetries(share, parity, expected):
    """expected: by half turns, quarter or third turns, and mirrors."""
    found, = beam_parities(*(torch.tensor([values], dtype=torch.float32) for values in (share, parity)))
    assert found.shape == (12,)
    for (half, turn, mirror), value in expected.items():
        assert float(found[6 * half + 2 * turn + mirror]) == pytest.approx(value, abs=1e-5)
