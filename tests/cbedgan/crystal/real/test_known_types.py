"""The table of well-known types: each has the group of its setting, sensible distances, and a type of its own."""

from pathlib import Path

import gemmi
import numpy as np
import pytest

from cbedgan.crystal.crystals import shortest_distance_ratio
from cbedgan.crystal.prototypes import PrototypeConfig, known_crystals, prototypes, prototypes_of
from cbedgan.crystal.real.known_types import KNOWN
from cbedgan.crystal.supergroup import hidden_supergroup


@pytest.mark.parametrize("place", range(len(KNOWN)), ids=[name for name, *_ in KNOWN])
def test_a_known_type_is_what_it_says(place: int):
    crystal = known_crystals()[place]
    assert crystal.space_group == gemmi.SpaceGroup(KNOWN[place][1]).number
    assert 0.75 < shortest_distance_ratio(*crystal.primitive()) < 1.1
    assert 8 < np.linalg.det(crystal.lattice) / len(crystal.numbers) < 30  # cubic angstrom an atom
    assert hidden_supergroup(crystal, 0.1) is None


@pytest.mark.slow
def test_every_known_type_is_new_beside_the_prototypes():
    types = [crystal.structure_type for crystal in known_crystals()]
    assert len(set(types)) == len(types) and not set(types) & {crystal.structure_type for crystal in prototypes()}


@pytest.mark.slow
def test_the_configuration_chooses_them(tmp_path: Path):
    assert prototypes_of(176, PrototypeConfig()) == []
    assert [crystal.formula for crystal in prototypes_of(176, PrototypeConfig(known_types=True))] == ["Cl3La"]
    larger = PrototypeConfig(known_types=True, maximum_primitive_atoms=42)
    assert {crystal.formula for crystal in prototypes_of(176, larger)} == {"Cl3La", "Ca5FO12P3"}
    (tmp_path / "CONTCAR").write_text(
        "salt\n1.0\n0 2.8 2.8\n2.8 0 2.8\n2.8 2.8 0\nNa Cl\n1 1\nDirect\n0 0 0\n.5 .5 .5\n")
    own = PrototypeConfig(structures=str(tmp_path))
    assert "CONTCAR" in prototypes_of(225, own)[-1].source and len(own.structure_inputs()) == 1
    assert PrototypeConfig().structure_inputs() == {}
