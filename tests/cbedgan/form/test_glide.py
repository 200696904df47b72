"""Glide lines where odd reflections are dark along their middle, or the group says so, and a net can have one."""

import math

import pytest
import torch

from cbedgan.form.glide import measure_glide

SIZE, HALF_WIDTH, RADIUS = 48, 2.0, 0.3
SQUARE, RECTANGULAR, OBLIQUE = ((1.0, 0.0), (0.0, 1.0)), ((0.6, 0.0), (0.0, 1.0)), ((0.6, 0.0), (0.2, 1.0))


def pattern(net, dark, *, floor=0.0):
    """Disks of 1e-3, those of index (h, k) that dark(h, k) names 0 along the x axis through their middle."""
    axis = ((torch.arange(SIZE) + 0.5) / SIZE * 2 - 1) * HALF_WIDTH
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    found = torch.full((SIZE, SIZE), 1e-9)
    for h in range(-5, 6):
        for k in range(-4, 5):
            gx, gy = torch.tensor([h, k], dtype=torch.float32) @ torch.tensor(net)
            lit = torch.hypot(x - gx, y - gy) < RADIUS
            light = 1e-3 * ((y - gy).abs() / RADIUS) ** 4 + floor if dark(h, k) else torch.full_like(x, 1e-3)
            found = torch.where(lit, light, found)
    return found


def glide(net, x, *, azimuth=0.0, share=(0, 0, 0, 1), told=(False, False), radius=RADIUS):
    return measure_glide(x[None], torch.tensor([net]), torch.tensor([radius]), torch.tensor([azimuth]),
                         torch.tensor([share], dtype=torch.float32), torch.tensor([told]),
                         half_width=HALF_WIDTH)[0].tolist()


def along_x(h, k):
    return k == 0 and h % 2 != 0


def test_dark_middles_of_odd_disks_on_a_line_are_a_glide():
    assert glide(RECTANGULAR, pattern(RECTANGULAR, along_x)) == [1, 0]
    assert glide(RECTANGULAR, pattern(RECTANGULAR, along_x), azimuth=math.pi / 2) == [1, 0]
    assert glide(RECTANGULAR, pattern(RECTANGULAR, lambda h, k: False)) == [0, 0]


def test_odd_disks_that_are_merely_weak_are_none():
    assert glide(RECTANGULAR, pattern(RECTANGULAR, along_x, floor=1e-4)) == [0, 0]


@pytest.mark.parametrize(("net", "share", "azimuth"), [
    (RECTANGULAR, (0, 0, 0, 0), 0.0), (OBLIQUE, (0, 0, 0, 1), 0.0), (RECTANGULAR, (0, 0, 0, 1), 0.6)],
    ids=["no mirror", "oblique", "a line between the vectors"])
def test_where_no_glide_can_be_none_is_found(net, share, azimuth):
    assert glide(net, pattern(net, along_x), share=share, azimuth=azimuth, told=(True, True)) == [0, 0]


def test_a_four_fold_axis_has_both_or_none():
    one = pattern(SQUARE, along_x)
    both = torch.minimum(one, pattern(SQUARE, lambda h, k: False) * 0 + one.T)
    assert glide(SQUARE, one, share=(1, 0, 1, 1), azimuth=math.pi / 4) == [0, 0]
    assert glide(SQUARE, both, share=(1, 0, 1, 1), azimuth=math.pi / 4) == [1, 1]


def test_where_nothing_is_seen_the_space_group_decides():
    dark, told = 1e-4 * pattern(RECTANGULAR, along_x), (True, False)
    assert glide(RECTANGULAR, dark) == [0, 0] and glide(RECTANGULAR, dark, told=told) == [1, 0]
    covered = pattern(RECTANGULAR, lambda h, k: False)
    assert glide(RECTANGULAR, covered, radius=0.6, told=told) == [1, 0]  # by the next disk on the line


def test_disks_that_are_bright_along_their_middle_are_no_glide_whatever_the_group():
    assert glide(RECTANGULAR, pattern(RECTANGULAR, lambda h, k: False), told=(True, False)) == [0, 0]
    assert glide(RECTANGULAR, pattern(RECTANGULAR, along_x, floor=1e-4), told=(True, False)) == [0, 0]
    assert glide(RECTANGULAR, pattern(RECTANGULAR, along_x, floor=3e-5), told=(True, False)) == [1, 0]
