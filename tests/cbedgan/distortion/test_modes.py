"""Modes keep the subgroup alone: SrTiO3 whose titanium leaves its centre, and cells that can only be strained."""

import numpy as np
import pytest

from cbedgan.crystal.crystals import measure_symmetry, standard_crystal
from cbedgan.distortion.modes import Mode, farthest, kept_group, random_mode
from cbedgan.distortion.symmetry.subgroups import maximal_subgroups, operations_of
from classifier.crystal.subgroups import MAXIMAL_SUBGROUPS


@pytest.fixture
def perovskite():
    return standard_crystal(3.905 * np.eye(3), [[0, 0, 0], [.5, .5, .5], [.5, .5, 0], [.5, 0, .5], [0, .5, .5]],
                            [38, 22, 8, 8, 8], source="test")


def test_titanium_off_its_centre_along_z_leaves_4mm(perovskite):
    titanium = perovskite.primitive()[2] == 22
    mode = Mode(np.where(titanium[:, None], [0, 0, 1.0], 0.0), np.zeros((3, 3)))
    lattice, positions, _ = mode.cell(perovskite, 0.2)
    assert positions[titanium] @ lattice == pytest.approx(np.array([[1.9525, 1.9525, 2.1525]]))
    assert kept_group(perovskite, mode, 8, 1.0) == 99 and kept_group(perovskite, mode, 16, 1.0) is None
    assert mode.crystal(perovskite, 1e-3, "test").space_group == 99  # far below the usual precision
    assert measure_symmetry(*mode.cell(perovskite, 0.0)).number == 221


@pytest.mark.parametrize(("lattice", "positions", "numbers"), [
    (3.905 * np.eye(3), [[0, 0, 0], [.5, .5, .5], [.5, .5, 0], [.5, 0, .5], [0, .5, .5]], [38, 22, 8, 8, 8]),
    (np.diag([4.594, 4.594, 2.959]),  # rutile, 136
     [[0, 0, 0], [.5, .5, .5], [.305, .305, 0], [.695, .695, 0], [.195, .805, .5], [.805, .195, .5]],
     [22, 22, 8, 8, 8, 8])])
def test_every_mode_is_of_a_maximal_subgroup_of_norm_one_and_without_a_common_shift(lattice, positions, numbers):
    crystal = standard_crystal(lattice, positions, numbers, source="test")
    operations, stream, found = operations_of(crystal), np.random.default_rng(0), set()
    for subgroup in maximal_subgroups(operations.product):
        mode = random_mode(crystal, operations, subgroup, 0.25, stream)
        if mode is None:
            continue
        assert mode.steps.sum(axis=0) == pytest.approx(0, abs=1e-9)
        longest = np.linalg.norm(mode.steps, axis=1).max()
        assert longest == pytest.approx(1) or longest == 0
        found.add(kept_group(crystal, mode, len(subgroup), 1.0))
    assert found - {None} <= set(MAXIMAL_SUBGROUPS[crystal.space_group]) and len(found - {None}) >= 2


def test_atoms_on_fixed_places_leave_the_strain_alone():
    copper = standard_crystal(3.61 * np.eye(3), [[0, 0, 0], [0, .5, .5], [.5, 0, .5], [.5, .5, 0]], [29] * 4,
                              source="test")
    operations = operations_of(copper)
    modes = {len(some): random_mode(copper, operations, some, 0.25, np.random.default_rng(1))
             for some in maximal_subgroups(operations.product)}
    assert modes[24] is None  # no subgroup of half the operations has another lattice, and one atom does not move
    spacing = 3.61 / 4**(1 / 3)
    assert not modes[16].steps.any() and np.linalg.norm(modes[16].strain) == pytest.approx(1 / spacing)
    assert kept_group(copper, modes[16], 16, 1.0) == 139 and kept_group(copper, modes[12], 12, 1.0) == 166
    assert np.trace(modes[16].strain) == pytest.approx(0)


def test_a_path_ends_before_atoms_touch(perovskite):
    titanium = perovskite.primitive()[2] == 22
    mode = Mode(np.where(titanium[:, None], [0, 0, 1.0], 0.0), np.zeros((3, 3)))
    end = farthest(perovskite, mode, 2.0, 0.7)  # to oxygen 1.9525 less the step, of summed radii 1.60 + 0.66
    assert end == pytest.approx(1.9525 - 0.7 * 2.26, abs=0.06) and end < 1.9525 - 0.7 * 2.26 + 1e-9
