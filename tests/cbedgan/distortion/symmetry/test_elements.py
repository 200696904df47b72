"""Elements of whole groups as the International Tables draw them, and what subgroups lose of them."""

import pytest

from cbedgan.distortion.symmetry.elements import Element, elements, in_words, lost_elements
from classifier.crystal.spacegroup import operations


def named(space_group):
    return elements(*operations(space_group))


@pytest.mark.parametrize(("space_group", "count"), [
    (1, {}), (2, {-1: 1}), (16, {2: 3}), (47, {-1: 1, -2: 3, 2: 3}), (82, {-4: 1, 2: 1}),
    (123, {-1: 1, -2: 5, 4: 1, 2: 4}), (147, {-1: 1, 3: 1}), (174, {-2: 1, 3: 1}), (191, {-1: 1, -2: 7, 6: 1, 2: 6}),
    (215, {-2: 6, -4: 3, 2: 3, 3: 4}), (221, {-1: 1, -2: 9, 4: 3, 3: 4, 2: 6})])
def test_groups_have_the_elements_of_their_point_group(space_group, count):
    folds = [one.fold for one in named(space_group)]
    assert {fold: folds.count(fold) for fold in set(folds)} == count


def test_screws_and_glides_move_their_own_points_whatever_the_centring():
    assert named(4) == {Element(2, (0, 1, 0), True)} and named(3) == {Element(2, (0, 1, 0), False)}
    assert {one.direction for one in named(62) if one.fold == -2 and not one.glides} == {(0, 1, 0)}  # n, m, a
    assert {one.direction for one in named(62) if one.fold == -2 and one.glides} == {(1, 0, 0), (0, 0, 1)}
    assert not any(one.glides for one in named(5))  # C2: its screw axis is a two-fold axis with a centring
    assert Element(6, (0, 0, 1), True) in named(194) and Element(-2, (0, 0, 1), False) in named(194)


def test_an_axis_that_falls_in_order_is_lost():
    lost = lost_elements(named(99), {Element(2, (0, 0, 1), False)})  # P4mm to P2
    assert lost[0] == Element(-2, (0, 1, 0), False) and lost[-1] == Element(4, (0, 0, 1), False) and len(lost) == 5
    assert lost_elements(named(99), named(99)) == []


def test_words_list_up_to_three_directions():
    assert in_words(lost_elements(named(10), {Element(2, (0, 1, 0), False)})) == (
        "the centre of inversion and the mirror plane normal to [0 1 0]")
    assert in_words(lost_elements(named(19), set())) == (
        "the two-fold screw axes along [0 0 1], [0 1 0], [1 0 0]")
    assert in_words(lost_elements(named(221), named(221) - {one for one in named(221) if one.fold == 3})) == (
        "the three-fold axes along 4 directions")
