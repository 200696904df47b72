import numpy as np
import pytest

from classifier.crystal.pattern_symmetry import (
    KEPT,
    REVERSED,
    axis_symmetries,
    canonical_azimuths,
    pattern_symmetry,
)
from classifier.crystal.reciprocal import zolz_lattice

TETRAGONAL = ((4.0, 4.0, 7.0), (90.0, 90.0, 90.0))
ORTHORHOMBIC = ((5.0, 6.0, 7.0), (90.0, 90.0, 90.0))
CUBIC = ((5.0, 5.0, 5.0), (90.0, 90.0, 90.0))
BOTH = {KEPT, REVERSED}


def dark_indices(shown, lengths) -> set[tuple[int, int]]:
    """Indices hk of dark reflections along [001] of a rectangular cell."""
    return {(round(one.g[0] * lengths[0]), round(one.g[1] * lengths[1])) for one in shown.dark}


def test_a_four_fold_axis_shows_with_its_mirror_lines():
    shown = pattern_symmetry(139, (0, 0, 1), *TETRAGONAL, longest=1.0)
    assert shown.order == 4 and shown.turns[4] == BOTH and sorted(shown.mirrors) == [0, 45, 90, 135] and not shown.dark
    shown = pattern_symmetry(87, (0, 0, 1), *TETRAGONAL, longest=1.0)  # I4/m
    assert shown.order == 4 and not shown.mirrors


def test_what_reverses_the_beam_counts_in_projection_alone():
    shown = pattern_symmetry(2, (1, 2, 3), (5, 6, 7), (80, 95, 100), longest=0.5)
    assert shown.turns == {2: {REVERSED}} and not shown.mirrors
    shown = pattern_symmetry(216, (0, 0, 1), *CUBIC, longest=0.5)  # F-43m: a rotoinversion
    assert shown.turns[4] == {REVERSED} and shown.mirrors[45.0] == {KEPT} and shown.mirrors[0.0] == {REVERSED}
    shown = pattern_symmetry(148, (0, 0, 1), (5, 5, 9), (90, 90, 120), longest=0.5)
    assert shown.turns == {2: {REVERSED}, 3: {KEPT}, 6: {REVERSED}}


def test_two_fold_screw_axes_and_glide_planes_leave_dark_rows():
    shown = pattern_symmetry(19, (0, 0, 1), *ORTHORHOMBIC, longest=0.45)  # P212121
    assert dark_indices(shown, (5, 6)) == {(1, 0), (-1, 0), (0, 1), (0, -1)}
    assert {one.elements for one in shown.dark} == {frozenset({REVERSED})}
    shown = pattern_symmetry(62, (0, 0, 1), *ORTHORHOMBIC, longest=0.45)  # Pnma: n across a, 21 along b
    assert dark_indices(shown, (5, 6)) == {(0, 1), (0, -1)}  # the beam leaves nothing of (100) at all
    assert {one.elements for one in shown.dark} == {frozenset(BOTH)}


@pytest.mark.parametrize("group", [227, 225, 140])
def test_centring_and_glides_across_the_beam_leave_no_dark_row(group):
    # Their (200) of Fd-3m and (100) of I4/mcm are absent altogether: the projection has a smaller cell.
    assert not pattern_symmetry(group, (0, 0, 1), *CUBIC, longest=1.0).dark


def test_mirror_lines_turn_with_the_frame_of_the_zone_axis():
    # Along [010] of a monoclinic cell x is a; along [001] the line of the mirror plane is a, that of the axis b.
    cell = (5.0, 6.0, 7.0), (90.0, 110.0, 90.0)
    assert pattern_symmetry(14, (0, 1, 0), *cell, longest=0.5).mirrors == {}
    assert pattern_symmetry(14, (0, 0, 1), *cell, longest=0.5).mirrors == {0.0: {KEPT}, 90.0: {REVERSED}}


def test_zone_axes_of_a_group_are_named_by_their_simplest():
    kinds = {axis.zone_axis_uvw: (axis.order, axis.mirrors, axis.dark_rows) for axis in axis_symmetries(194)}
    assert kinds[0, 0, 1] == (6, 6, 0) and kinds[1, 0, 0][:2] == (2, 2)
    assert all(axis.order == 2 for axis in axis_symmetries(2)) and len(axis_symmetries(2)) == 3
    assert {axis.order for axis in axis_symmetries(1)} == {1}
    assert max(axis.order for axis in axis_symmetries(205)) == 6  # -3 along [111]


def test_g1_may_be_any_point_of_its_length():
    lattice = zolz_lattice(*TETRAGONAL, (0, 0, 1))
    assert np.sort(canonical_azimuths(lattice, 0.25)) == pytest.approx([-90, 0, 90, 180])
    assert len(canonical_azimuths(lattice, np.hypot(0.25, 0.5))) == 8
