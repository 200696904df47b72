"""Diffraction groups of known axes, and what perovskite's patterns lose when its titanium leaves the centre."""

import numpy as np
import pytest

from cbedgan.crystal.crystals import standard_crystal
from cbedgan.distortion.symmetry.shown import LostSymmetry, Posed, diffraction_group
from cbedgan.distortion.symmetry.subgroups import operations_of
from classifier.crystal.pattern_symmetry import pattern_symmetry

CUBIC = ((5.0, 5.0, 5.0), (90.0, 90.0, 90.0))
HEXAGONAL = ((5.0, 5.0, 7.0), (90.0, 90.0, 120.0))
GENERAL = ((5.0, 6.0, 7.0), (80.0, 95.0, 100.0))


@pytest.mark.parametrize(("space_group", "axis", "cell", "symbol"), [  # Buxton et al. 1976, table 4
    (221, (0, 0, 1), CUBIC, "4mm1R"), (221, (1, 1, 1), CUBIC, "6RmmR"), (221, (1, 1, 0), CUBIC, "2mm1R"),
    (215, (0, 0, 1), CUBIC, "4RmmR"), (215, (1, 1, 1), CUBIC, "3m"), (215, (1, 1, 0), CUBIC, "m1R"),
    (207, (0, 0, 1), CUBIC, "4mRmR"), (207, (1, 1, 1), CUBIC, "3mR"), (200, (1, 1, 1), CUBIC, "6R"),
    (195, (0, 0, 1), CUBIC, "2mRmR"), (221, (2, 1, 0), CUBIC, "2RmmR"), (195, (1, 1, 1), CUBIC, "3"),
    (82, (0, 0, 1), ((5.0, 5.0, 7.0), (90.0, 90.0, 90.0)), "4R"), (177, (0, 0, 1), HEXAGONAL, "6mRmR"),
    (174, (0, 0, 1), HEXAGONAL, "31R"), (187, (0, 0, 1), HEXAGONAL, "3m1R"), (175, (0, 0, 1), HEXAGONAL, "61R"),
    (2, (1, 2, 3), GENERAL, "2R"), (1, (1, 2, 3), GENERAL, "1"), (16, (1, 1, 0), CUBIC, "mR"),
    (6, (1, 0, 0), ((5.0, 6.0, 7.0), (90.0, 100.0, 90.0)), "m"),
    (6, (0, 1, 0), ((5.0, 6.0, 7.0), (90.0, 100.0, 90.0)), "1R"),
    (10, (0, 1, 0), ((5.0, 6.0, 7.0), (90.0, 100.0, 90.0)), "21R")])
def test_diffraction_groups_are_those_of_the_point_group_and_axis(space_group, axis, cell, symbol):
    assert diffraction_group(pattern_symmetry(space_group, axis, *cell, longest=0.5)) == symbol


def test_titanium_off_its_centre_takes_mirror_lines_and_half_turns_from_the_patterns_across_its_way():
    crystal = standard_crystal(3.905 * np.eye(3), [[0, 0, 0], [.5, .5, .5], [.5, .5, 0], [.5, 0, .5], [0, .5, .5]],
                               [38, 22, 8, 8, 8], source="test")
    operations = operations_of(crystal)
    up = np.array([0, 0, 1])
    kept = [k for k, turn in enumerate(operations.turned) if np.abs(up @ turn - up).max() < 1e-6]  # 4mm
    axes = [Posed(np.array(axis), turned) for axis, turned in (((0, 0, 1), 0.0), ((1, 0, 0), 0.0), ((1, 0, 0), 30.0))]
    lost = LostSymmetry.of(crystal, operations, kept, axes)
    along, across, turned = lost.patterns
    assert "centre of inversion" in lost.elements and "three-fold axes along 4 directions" in lost.elements
    assert (along.before, along.after, along.operations) == ("4mm1R", "4mm", ())
    # x is b and y is c: the line across c and all turns go, the line along c stays, and so do diagonals not.
    assert (across.before, across.after) == ("4mm1R", "m1R")
    assert [(one.turn, one.azimuth_degree, one.hkl) for one in across.operations] == [
        (2, None, None), (4, None, None), (1, 0.0, (0, 0, 1)), (1, 45.0, (0, 1, -1)), (1, 135.0, (0, 1, 1))]
    assert all(one.keeps_beam and not one.stays_in_projection for one in across.operations)
    assert [one.azimuth_degree for one in turned.operations] == [None, None, 30.0, 75.0, 165.0]


def test_a_lost_glide_plane_lights_its_dark_row():
    positions = [[.1, .2, .3], [.1, .8, .8], [.3, .4, .35], [.3, .6, .85]]  # Pc: c glide across b
    crystal = standard_crystal([[5, 0, 0], [0, 6, 0], [-1, 0, 7]], positions, [14, 14, 8, 8], source="test")
    assert crystal.space_group == 7
    operations = operations_of(crystal)
    kept = [k for k, turn in enumerate(operations.rotations) if (turn == np.eye(3)).all()]
    (pattern,) = LostSymmetry.of(crystal, operations, kept, [Posed(np.array([1, 0, 0]), 0.0)]).patterns
    assert (pattern.before, pattern.after) == ("m", "1") and {(0, 0, 1), (0, 0, -1)} <= set(pattern.dark)
    assert not any(h % 2 == 0 for *_, h in pattern.dark)
