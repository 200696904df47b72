"""Hidden supergroups: near a special place, too faint an atom, too alike elements; and crystals that are safe."""

import gemmi
import numpy as np
import pytest

from cbedgan.crystal import supergroup
from cbedgan.crystal.crystals import Crystal, standard_crystal
from cbedgan.crystal.supergroup import LARGEST_G, hidden_supergroup, structure_factors

HALVES = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def perovskite(shift_angstrom: float, shifted: str = "Ti") -> Crystal:
    """BaTiO3, cubic but for one element moved along c."""
    sites = {"Ba": [[0, 0, 0]], "Ti": [[0.5, 0.5, 0.5]], "O": [[0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]}
    sites[shifted] = (np.array(sites[shifted]) + [0, 0, shift_angstrom / 4]).tolist()
    positions = [site for some in sites.values() for site in some]
    numbers = [gemmi.Element(name).atomic_number for name, some in sites.items() for _ in some]
    return standard_crystal(4 * np.eye(3), positions, numbers, source="perovskite")


def two_elements(first: int, second: int) -> Crystal:
    return standard_crystal(5.6 * np.eye(3), np.concatenate([HALVES, HALVES + 0.25]), [first] * 4 + [second] * 4,
                            source="zincblende")


def test_a_small_shift_hides_the_cubic_group_and_a_large_one_does_not():
    near, far = perovskite(0.03), perovskite(0.3)
    assert near.space_group == far.space_group == 99 and hidden_supergroup(near, 0.1) == 221
    assert hidden_supergroup(far, 0.1) is None
    assert hidden_supergroup(far, 0.4) is None  # within the tolerance, but the structure factors tell


def test_a_symmetric_crystal_hides_nothing():
    assert hidden_supergroup(perovskite(0.0), 0.1) is None and hidden_supergroup(two_elements(31, 15), 0.1) is None


def test_a_faint_atom_does_not_break_the_symmetry_of_heavy_ones():
    """Hydrogen off the centre of one tetrahedron in gold."""
    heavy = np.concatenate([HALVES * 4.2]) / 4.2
    crystal = standard_crystal(4.2 * np.eye(3), [*heavy, [0.25, 0.25, 0.25]], [79] * 4 + [1], source="AuH")
    assert crystal.space_group == 215 and hidden_supergroup(crystal, 0.1) == 225
    oxygen = standard_crystal(4.2 * np.eye(3), [*heavy, [0.25, 0.25, 0.25]], [13] * 4 + [17], source="x")
    assert oxygen.space_group == 215 and hidden_supergroup(oxygen, 0.1) is None


def test_elements_alike_hide_the_group_of_one_element():
    assert two_elements(32, 33).space_group == 216
    assert hidden_supergroup(two_elements(32, 33), 0.1) == 227  # the diamond structure
    assert hidden_supergroup(two_elements(14, 32), 0.1) is None


def test_structure_factors_are_those_of_diamond():
    crystal = two_elements(6, 6)
    factors = np.sort(np.abs(structure_factors(*crystal.primitive())[1]))[::-1]
    f111 = gemmi.Element("C").c4322.calculate_sf(3 / 5.6**2 / 4) * np.exp(-0.5 * 3 / 5.6**2 / 4)
    assert factors[:8] == pytest.approx(np.full(8, np.sqrt(2) * f111))
    _, conventional = structure_factors(crystal.lattice, crystal.positions, crystal.numbers)
    present = np.abs(conventional) > 1e-6
    assert np.abs(conventional[present]).min() > 0.1
    assert LARGEST_G == 1.0 and len(conventional) > 4 * len(factors) * 0.9


def test_a_crystal_whose_own_group_cannot_be_measured_again_is_hidden(monkeypatch):
    def unmeasurable(*_, **__):
        raise ValueError("Too large tolerance")
    far = perovskite(0.3)
    monkeypatch.setattr(supergroup, "measure_symmetry", unmeasurable)
    assert hidden_supergroup(far, 0.1) == 99
