"""Charges balance, similar elements take each other's place, orbits get known stoichiometries; the table says why."""

import gemmi
import numpy as np
import pytest

from cbedgan.crystal.natural.charges import charges, imbalance
from cbedgan.crystal.natural.composition import Filling, draw_filling, exchanged, radius, volume
from cbedgan.crystal.natural.nature import nature


def composition(**atoms):
    return {gemmi.Element(name).atomic_number: n for name, n in atoms.items()}


@pytest.mark.parametrize(("atoms", "least"), [
    ({"Na": 1, "Cl": 1}, 0), ({"Ca": 1, "Ti": 1, "O": 3}, 0), ({"Fe": 3, "O": 4}, 0), ({"Ga": 1, "As": 1}, 0),
    ({"Na": 2, "Cl": 1}, 1 / 3), ({"Na": 1, "O": 1}, 1 / 3), ({"Cu": 3, "Au": 1}, 1), ({"Si": 1}, 1)])
def test_imbalance_is_the_charge_that_is_left(atoms, least):
    assert imbalance(composition(**atoms)) == pytest.approx(least)
    assert (charges(composition(**atoms)) is None) == (least > 0)


def test_mixed_valence_takes_a_mean_charge():
    assert charges(composition(Fe=3, O=4)) == pytest.approx({26: 8 / 3, 8: -2})


def test_exchange_keeps_charges_and_sizes():
    salt = composition(Na=1, Cl=1)
    drawn = [exchanged(salt, np.random.default_rng(seed)) for seed in range(60)]
    assert len({tuple(sorted(one)) for one in drawn}) > 5
    for one in drawn:
        (cation, plus), (anion, minus) = sorted(charges(one).items(), key=lambda item: -item[1])
        assert (plus, minus) == (1, -1) and list(one.values()) == [1, 1]
        species = nature().species
        assert 1 / 1.2 < radius(species[cation], 1) / radius(species[11], 1) < 1.2
        assert 1 / 1.2 < radius(species[anion], -1) / radius(species[17], -1) < 1.2


def test_orbits_are_filled_as_known_compounds_are():
    for seed in range(20):
        filling = draw_filling([1, 1, 3], 5, np.random.default_rng(seed))
        total = sum(charge * atoms for charge, atoms in zip(filling.charges, [1, 1, 3], strict=True))
        assert abs(total) < 1e-9 and len(filling.numbers) == 3
    again = draw_filling([1, 1, 3], 5, np.random.default_rng(3))
    assert again == draw_filling([1, 1, 3], 5, np.random.default_rng(3))


def test_volumes_are_those_of_well_known_crystals():
    # Rock salt, caesium chloride, rutile, quartz, copper, in cubic angstrom an atom; a spread of 10 to 15 % is drawn.
    for filling, known in [(Filling([11, 17], [1, -1]), 22.4), (Filling([55, 17], [1, -1]), 35.0),
                           (Filling([22, 8, 8], [4, -2, -2]), 10.4), (Filling([14, 8, 8], [4, -2, -2]), 12.6),
                           (Filling([29], [0]), 11.8)]:
        atoms = [1] * len(filling.numbers)
        drawn = [volume(filling, atoms, np.random.default_rng(seed)) / len(atoms) for seed in range(40)]
        assert np.median(drawn) == pytest.approx(known, rel=0.2) and np.std(np.log(drawn)) > 0.05


def test_the_table_is_of_known_crystals():
    table = nature()
    assert "Shannon" in table.sources and 0.4 > table.species[8].weight > 0.1
    assert table.occupations[225][10, 11] > 80  # rock salt, on two fixed points
    assert {"cF", "cI", "cP", "hP", "hR", "tP", "tI", "oP", "mP", "aP"} <= set(table.shapes)
