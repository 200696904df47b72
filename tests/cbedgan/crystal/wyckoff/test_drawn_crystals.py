"""Crystals drawn from the table: moyopy finds their group, and again in the CIF file that they are written to."""

import numpy as np
import pytest

from cbedgan.crystal.cif import crystals_from_cif, independent_atoms, write_cif
from cbedgan.crystal.crystals import crystal_of_sites, shortest_distance_ratio
from cbedgan.crystal.supergroup import quiet_moyo
from cbedgan.crystal.wyckoff.table import wyckoff_positions
from classifier.crystal.spacegroup import NUMBERS
from invariant_lattice import invariant_lattice

ELEMENTS = [26, 14, 8]


def drawn(group, seed):
    """A crystal of three elements on general positions in a generic cell, no two atoms nearer than 0.8 angstrom."""
    generator = np.random.default_rng((group, seed))
    general = wyckoff_positions(group)[0]
    shape = generator.normal(0, [0.3, 0.3, 0.1, 0.1, 0.1])
    cell = invariant_lattice(group, 12.0 * len(ELEMENTS) * general.multiplicity, shape)
    while True:
        free = generator.uniform(size=(len(ELEMENTS), 3))
        atoms = np.concatenate([general.atoms(point) for point in free])
        apart = atoms[:: general.multiplicity, None] - atoms
        near = np.linalg.norm((apart - np.round(apart)) @ cell, axis=-1) < 0.8
        if near.sum() == len(ELEMENTS):  # each near itself alone
            break
    with quiet_moyo():
        return crystal_of_sites(group, cell, [0] * len(ELEMENTS), free, ELEMENTS, source="test")


@pytest.mark.slow
@pytest.mark.parametrize("system", [NUMBERS[:74], NUMBERS[74:142], NUMBERS[142:194], NUMBERS[194:]])
def test_moyopy_finds_the_group_that_was_drawn(system):
    for group in system:
        for seed in range(3):
            assert drawn(group, seed).space_group == group


@pytest.mark.parametrize("group", [
    1, 14, 22, 41, 48, 62, 78, 88, 122, 144, 148, 166, 194, 198, 213, pytest.param(227, marks=pytest.mark.slow)])
def test_a_drawn_crystal_is_read_back_from_its_cif(group, tmp_path):
    crystal = drawn(group, 0)
    assert len(independent_atoms(crystal)) == 3
    (again,) = crystals_from_cif(write_cif(tmp_path / "drawn.cif", crystal))
    assert (again.space_group, again.structure_type, again.formula) == (group, crystal.structure_type, crystal.formula)
    assert again.positions.shape == crystal.positions.shape
    assert np.linalg.det(again.lattice) == pytest.approx(np.linalg.det(crystal.lattice), rel=1e-6)
    assert shortest_distance_ratio(*again.primitive()) == pytest.approx(
        shortest_distance_ratio(*crystal.primitive()), rel=1e-5)


def test_sites_on_special_positions_make_perovskite():
    """P m -3 m: Sr on a, Ti on b, O on c; z of a site that has none does not count."""
    letters = [position.letter for position in wyckoff_positions(221)]
    crystal = crystal_of_sites(221, 3.9 * np.eye(3), [letters.index(letter) for letter in "abc"],
                               np.full((3, 3), 0.3), [38, 22, 8], source="test")
    assert (crystal.space_group, crystal.formula, len(crystal.numbers)) == (221, "O3SrTi", 5)
    assert shortest_distance_ratio(*crystal.primitive()) == pytest.approx(1.95 / (1.60 + 0.66), abs=0.05)
