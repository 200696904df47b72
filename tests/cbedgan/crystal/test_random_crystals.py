"""Random crystals: the asked group, measured by two programs; rules of the configuration; the same from a seed."""

import subprocess
import sys

import numpy as np
import pytest

from cbedgan.crystal import random_crystals
from cbedgan.crystal.crystals import measure_symmetry, shortest_distance_ratio

spglib = pytest.importorskip("spglib")

CONFIG = random_crystals.RandomCrystalConfig(maximum_primitive_atoms=24, maximum_elements=4, attempts=40,
                                             minimum_distance_ratio=0.75, supergroup_tolerance_angstrom=0.1)


def first_crystal(space_group, config=CONFIG, seed=0):
    draws = (random_crystals.random_crystal(space_group, config, np.random.default_rng((seed, space_group, draw)))
             for draw in range(config.attempts))
    return next((crystal for crystal in draws if crystal is not None), None)


@pytest.mark.parametrize("space_group", [1, 2, 5, 14, 76, 78, 122, 144, 148, 167, 180, 186, 194, 212, 225, 228, 230])
def test_the_group_is_measured_by_both_programs(space_group):
    crystal = first_crystal(space_group)
    assert crystal.space_group == space_group and crystal.source.startswith("random crystal (pyxtal)")
    cell = (crystal.lattice, crystal.positions, crystal.numbers)
    assert measure_symmetry(*cell).number == spglib.get_symmetry_dataset(cell, symprec=1e-2).number == space_group
    assert crystal.n_primitive <= CONFIG.maximum_primitive_atoms
    assert shortest_distance_ratio(*crystal.primitive()) >= 0.75 * (1 - 1e-6)
    elements = sorted(set(crystal.numbers.tolist()))
    assert len(elements) <= 4 and set(elements) <= set(random_crystals.ELEMENTS)
    assert all(b >= random_crystals.NUMBER_RATIO * a for a, b in zip(elements, elements[1:], strict=False))


def test_general_position_is_occupied_where_it_fits():
    for space_group, atoms in [(14, 4), (62, 8), (227, 48), (225, 48)]:
        general = random_crystals.wyckoff_positions(space_group)[0]
        for maximum in (24, 60):
            for seed in range(5):
                drawn = random_crystals.draw_positions(space_group, maximum, np.random.default_rng(seed))
                assert (general.letter in [position.letter for position in drawn]) == (atoms <= maximum)


def test_a_general_position_that_fills_the_cell_leaves_other_types_a_chance():
    drawn = [random_crystals.draw_positions(215, 24, np.random.default_rng(seed)) for seed in range(40)]
    n_general = sum(len(positions[0].rotations) == 24 for positions in drawn)
    assert 10 < n_general < 38  # the coin, and then the chance to be drawn among the others
    types = {crystal.structure_type for seed in range(6) if (crystal := first_crystal(215, seed=seed)) is not None}
    assert len(types) >= 3


def test_positions_keep_to_the_size_and_use_a_fixed_point_once():
    for seed in range(20):
        drawn = random_crystals.draw_positions(225, 20, np.random.default_rng(seed))
        assert 0 < sum(len(position.rotations) for position in drawn) <= 4 * 20
        fixed = [position.letter for position in drawn if position.freedom == 0]
        assert len(fixed) == len(set(fixed))


def test_tables_are_those_of_the_international_tables():
    letters = [(p.letter, len(p.rotations), p.freedom) for p in random_crystals.wyckoff_positions(225)]
    assert letters[0] == ("l", 192, 3) and letters[-1] == ("a", 4, 0)
    assert [len(p.rotations) for p in random_crystals.wyckoff_positions(222)] == [48, 24, 24, 16, 12, 12, 8, 6, 2]


@pytest.mark.parametrize(("space_group", "equal", "right"), [
    (1, 0, 0), (14, 0, 2), (62, 0, 3), (88, 1, 3), (148, 1, 2), (225, 2, 3)])
def test_cells_have_the_freedom_of_their_system(space_group, equal, right):
    lattice = random_crystals.draw_cell(space_group, np.random.default_rng(0))
    assert np.linalg.det(lattice) == pytest.approx(1)
    lengths = np.linalg.norm(lattice, axis=1)
    unit = lattice / lengths[:, None]
    cosines = np.array([unit[0] @ unit[1], unit[0] @ unit[2], unit[1] @ unit[2]])
    assert sum(np.isclose(lengths[1:], lengths[0])) == equal and sum(np.abs(cosines) < 1e-9) == right
    if space_group == 148:
        assert cosines[0] == pytest.approx(-0.5)


def test_every_element_drawn_is_used():
    for seed in range(30):
        numbers = random_crystals.draw_numbers(3, 4, np.random.default_rng(seed))
        assert len(numbers) == 3
    assert random_crystals.draw_numbers(1, 4, np.random.default_rng(0))[0] in random_crystals.ELEMENTS
    assert len({len(set(random_crystals.draw_numbers(6, 4, np.random.default_rng(seed)))) for seed in range(30)}) == 4


def test_a_group_that_needs_more_atoms_gives_none():
    small = CONFIG.model_copy(update={"attempts": 15})
    assert first_crystal(222, small) is None  # every special position of Pn-3n is one of Im-3m, too
    assert first_crystal(222, small.model_copy(update={"maximum_primitive_atoms": 48})).space_group == 222


@pytest.mark.slow
def test_the_same_seed_gives_the_same_crystal_in_another_process():
    here = [crystal.record() if (crystal := first_crystal(g, seed=7)) else None for g in (2, 78, 227)]
    assert here == [first_crystal(g, seed=7).record() for g in (2, 78, 227)]
    assert here != [first_crystal(g, seed=8).record() for g in (2, 78, 227)]
    code = """
import json, numpy as np
from cbedgan.crystal.random_crystals import RandomCrystalConfig, random_crystal
config = RandomCrystalConfig(**{config!r})
for g in (2, 78, 227):
    draws = (random_crystal(g, config, np.random.default_rng((7, g, draw))) for draw in range(config.attempts))
    print(next(crystal.material for crystal in draws if crystal is not None))
""".replace("{config!r}", repr(CONFIG.model_dump()))
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert there == [record["material"] for record in here]
