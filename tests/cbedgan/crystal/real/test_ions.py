"""Charges by element in compounds where they are known, and where none balance."""

import gemmi
import numpy as np
import pytest

from cbedgan.crystal.real.ions import RADIUS, charges


def charges_of(formula: dict[str, int]) -> dict[str, int] | None:
    counts = sorted((gemmi.Element(name).atomic_number, n) for name, n in formula.items())
    found = charges(tuple(counts))
    return None if found is None else {gemmi.Element(number).name: charge for number, charge in found.items()}


@pytest.mark.parametrize("formula, known", [
    ({"Na": 1, "Cl": 1}, {"Na": 1, "Cl": -1}),
    ({"Ca": 1, "C": 1, "O": 3}, {"Ca": 2, "C": 4, "O": -2}),
    ({"K": 1, "H": 2, "P": 1, "O": 4}, {"K": 1, "H": 1, "P": 5, "O": -2}),
    ({"Fe": 3, "O": 4}, None),           # two charges of one element are more than the rule knows
    ({"Cu": 3, "As": 1, "S": 4}, {"Cu": 1, "As": 5, "S": -2}),
    ({"Pb": 1, "Cl": 1, "F": 1}, {"Pb": 2, "Cl": -1, "F": -1}),
    ({"Au": 1, "Cu": 1}, None)])
def test_charges_of_known_compounds(formula: dict[str, int], known: dict[str, int] | None):
    assert charges_of(formula) == known


def test_no_cation_is_more_electronegative_than_an_anion():
    # S -2 with O +2 is not on offer, and in SO2 it is S that gives.
    assert charges_of({"S": 1, "O": 2}) == {"S": 4, "O": -2}


def test_radii_fall_with_the_charge_of_an_element():
    for number in {number for number, charge in RADIUS if charge > 0}:
        of_element = sorted((charge, radius) for (other, charge), radius in RADIUS.items()
                            if other == number and charge > 0)
        assert (np.diff([radius for _, radius in of_element]) < 0.02).all()
