"""Families of elements: every element in one, and what belongs together."""

import gemmi

from cbedgan.crystal.real.families import FAMILIES, FAMILY_OF


def test_every_element_is_in_one_family():
    names = [name for family in FAMILIES for name in family]
    assert len(set(names)) == len(names) == len(FAMILY_OF)


def test_a_family_is_the_same_for_each_of_its_members():
    sodium, caesium = (FAMILY_OF[gemmi.Element(name).atomic_number] for name in ("Na", "Cs"))
    assert sodium == caesium and gemmi.Element("K").atomic_number in sodium
    assert gemmi.Element("Ca").atomic_number not in sodium
