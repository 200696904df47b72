"""Ten descriptors of crystals that one can work out by hand; none depends on the choice of the cell."""

import numpy as np
import pytest

from cbedgan.crystal.census.descriptors import descriptors
from cbedgan.crystal.census.sites import site_counts
from cbedgan.crystal.crystals import standard_crystal

SODIUM, CHLORINE = 1.66, 1.02  # covalent radii


def rock_salt():
    face = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    return standard_crystal(5.64 * np.eye(3), [*face, *(face + [0.5, 0, 0])], [11] * 4 + [17] * 4, source="x")


def quartz():
    a, c, u = 4.913, 5.405, 0.4697
    x, y, z = 0.4135, 0.2669, 0.1191 + 2 / 3
    silicon = [[u, 0, 2 / 3], [0, u, 1 / 3], [-u, -u, 0]]
    oxygen = [[x, y, z], [-y, x - y, z + 2 / 3], [y - x, -x, z + 1 / 3],
              [y, x, -z], [x - y, -y, 1 / 3 - z], [-x, y - x, 2 / 3 - z]]
    lattice = [[a, 0, 0], [-a / 2, a * 3**0.5 / 2, 0], [0, 0, c]]
    return standard_crystal(lattice, silicon + oxygen, [14] * 3 + [8] * 6, source="x")


def test_rock_salt():
    found = descriptors(rock_salt())
    assert found.volume_an_atom == pytest.approx(5.64**3 / 8)
    assert found.shortest_distance == found.nearest_distance == pytest.approx(2.82 / (SODIUM + CHLORINE))
    assert (found.coordination, found.freedom, found.orbits_an_atom, found.elements) == (6, 0, 1, 2)
    assert found.axis_ratio == pytest.approx(1) and found.charge_imbalance == 0
    assert found.number_spread == pytest.approx(3 / 14)


def test_quartz():
    found = descriptors(quartz())
    assert found.volume_an_atom == pytest.approx(4.913**2 * 5.405 * 3**0.5 / 2 / 9)
    assert found.shortest_distance == pytest.approx(1.61 / (1.11 + 0.66), abs=0.01)
    assert found.coordination == pytest.approx((3 * 4 + 6 * 2) / 9)
    assert found.axis_ratio == pytest.approx(5.405 / 4.913)
    assert found.freedom == pytest.approx((3 * 1 + 6 * 3) / 9)  # silicon on a two-fold axis
    assert found.orbits_an_atom == pytest.approx(2 / 9) and found.charge_imbalance == 0
    assert found.number_spread == pytest.approx(np.std([14] * 3 + [8] * 6) / 10)


def test_another_cell_of_the_same_crystal_is_described_alike():
    crystal = quartz()
    basis = np.array([[1, 1, 0], [0, 1, 2], [0, 0, 1]])
    again = standard_crystal(basis @ crystal.lattice, crystal.positions @ np.linalg.inv(basis) + 0.1, crystal.numbers,
                             source="x")
    assert np.allclose(descriptors(again), descriptors(crystal), atol=1e-4)
    assert site_counts(again) == site_counts(crystal)


def test_sites_are_counted_with_what_they_leave_free():
    assert site_counts(rock_salt()) == (2, 2, 0, 0.0)
    assert site_counts(quartz()) == (9, 2, 1 + 3, 0.5)  # silicon on a two-fold axis, oxygen on the general position


def test_a_metal_has_no_pair_of_charges():
    iron = standard_crystal(2.87 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], [26, 26], source="x")
    found = descriptors(iron)
    assert (found.charge_imbalance, found.elements, found.number_spread) == (1, 1, 0)
    assert found.coordination == 8 + 6  # the second shell is 1.155 times as far
