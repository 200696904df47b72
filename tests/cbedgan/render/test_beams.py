"""Which beams interact, and the points of their potential under the pattern's operations."""

import math

import pytest
import torch

from cbedgan.bench.made_up import made_up_form
from cbedgan.form.form import parts
from cbedgan.render.beams import select_beams
from cbedgan.render.constants import RenderConstants

CONSTANTS = RenderConstants()
SQUARE, HEXAGONAL, FINE = ((1.0, 0.0), (0.0, 1.0)), ((1.0, 0.0), (-0.5, math.sqrt(3) / 2)), ((0.2, 0.0), (0.05, 0.25))
HALF_WIDTH = 2.0


def selected(*forms):
    return select_beams(parts(torch.stack(forms)), HALF_WIDTH, CONSTANTS)


def weights(points, quantity):
    return torch.zeros(points.count).index_add(0, points.point, quantity)


@pytest.mark.parametrize("net", [SQUARE, HEXAGONAL], ids=["square", "hexagonal"])
def test_all_beams_within_reach_are_there_once_the_direct_one_first(net):
    found = selected(made_up_form(net))
    steps = torch.arange(-9.0, 10)
    every = torch.cartesian_prod(steps, steps) @ torch.tensor(net)
    g = found.groups[0].g[0]
    assert len(g) == int((every.norm(dim=1) < CONSTANTS.beam_reach * HALF_WIDTH).sum()) and (g[0] == 0).all()
    assert len(torch.unique((g * 1e3).round(), dim=0)) == len(g)
    torch.testing.assert_close(found.g, g)


def test_beams_of_one_length_stay_together_where_there_are_too_many():
    g = selected(made_up_form(FINE)).groups[0].g[0]
    assert len(g) <= CONSTANTS.most_beams
    length = g.norm(dim=1)
    inverted = (g[:, None] + g).norm(dim=-1).amin(1)
    assert float(inverted.max()) < 1e-5 and float(length.max()) < CONSTANTS.beam_reach * HALF_WIDTH


@pytest.mark.parametrize("net", [SQUARE, HEXAGONAL, ((1.0, 0.0), (0.3, 1.2))])
def test_points_are_the_differences_of_beams(net):
    found = selected(made_up_form(net), made_up_form(((1.0, 0.0), (0.2, 1.4))))
    hk = torch.zeros(found.points.count, 2)
    hk[found.points.point] = found.points.hk  # no symmetry: one image each, the point itself
    for group in found.groups:
        for row, pattern in enumerate(group.pattern.tolist()):
            there = parts(made_up_form(net) if pattern == 0 else made_up_form(((1.0, 0.0), (0.2, 1.4)))).net
            apart = group.g[row][:, None] - group.g[row]
            real = group.point[row] < found.points.count
            torch.testing.assert_close((hk[group.point[row][real]] @ there), apart[real], atol=1e-4, rtol=0)
            assert real[0, 0]


def test_a_narrow_pattern_beside_a_wide_one_is_padded_with_nothing():
    found = selected(made_up_form(((2.0, 0.0), (0.0, 3.0))), made_up_form(((2.0, 0.0), (0.0, 2.0))))
    assert len(found.groups) == 1
    group, counts = found.groups[0], torch.bincount(found.pattern)
    assert group.g.shape[1] == counts.max() > counts.min()
    few = int(counts.argmin())
    row = group.pattern.tolist().index(few)
    assert (group.g[row, counts[few] :] == 0).all() and (group.point[row, counts[few] :] == found.points.count).all()
    assert (group.point[row, :, counts[few] :] == found.points.count).all()


def test_images_are_as_long_as_their_point_and_as_many_as_the_operations():
    points = selected(made_up_form(SQUARE, share=(1, 0, 0.5, 1), azimuth=math.pi / 4)).points
    assert (weights(points, torch.ones(len(points.point))) == 8).all()
    torch.testing.assert_close(points.hk, points.hk.round(), atol=1e-5, rtol=0)
    torch.testing.assert_close(points.hk.norm(dim=1), points.length, atol=1e-5, rtol=0)
    assert (points.sign == 1).all()


def test_a_glide_turns_the_sign_of_odd_mirrored_points_and_of_no_other():
    points = selected(made_up_form(((1.0, 0.0), (0.0, 1.3)), share=(0, 0, 0, 1), glide=(1, 0))).points
    identity = points.operation == 0
    assert (points.sign[identity] == 1).all() and len(points.sign) == 2 * points.count
    torch.testing.assert_close(points.sign[~identity], 1 - 2 * (points.hk[~identity, 0].round() % 2))
    # Odd points on the line meet their own image with the other sign: nothing is left of them.
    left = weights(points, points.sign)
    hk = torch.zeros(points.count, 2).index_copy(0, points.point[identity], points.hk[identity])
    assert (left[(hk[:, 1] == 0) & (hk[:, 0] % 2 != 0)] == 0).all()


def test_half_a_glide_puts_mirror_images_out_alike_at_opposite_points():
    points = selected(made_up_form(((1.0, 0.0), (0.0, 1.3)), share=(0, 0, 0, 1), glide=(0.5, 0.125))).points
    h, k = points.hk.round().unbind(1)
    expected = torch.where(h % 2 == 1, 0.0, 1.0) * torch.where(k % 2 == 1, 0.75, 1.0)
    torch.testing.assert_close(points.sign, torch.where(points.operation == 0, 1.0, expected))


def test_points_off_the_bright_net_or_shorter_than_g1_are_weak():
    points = selected(made_up_form(((0.5, 0.0), (0.0, 1.0)), strong=(2, 1, 2))).points
    h, k = points.hk.round().unbind(1)
    bright = (h % 2 == 0) & ((k - h / 2) % 2 == 0) & ((points.length > 0.97) | (points.length < 1e-3))
    assert torch.equal(points.weak, ~bright) and bright.any()
