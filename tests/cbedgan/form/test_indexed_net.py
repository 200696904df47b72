"""Nets indexed by their crystals: absent rows and free strains as International Tables have them."""

import numpy as np
import pytest

from cbedgan.form.indexed_net import FREEDOMS, absent_rows, free_strains, indexed_net, plane_strains
from classifier.crystal.reciprocal import zolz_lattice

RIGHT = np.full(3, 90.0)
ORTHORHOMBIC = (np.array([5.0, 7.0, 9.0]), RIGHT)
CELLS = {
    225: ([4.0, 4, 4], [90.0, 90, 90]), 139: ([4.0, 4, 6], [90.0, 90, 90]), 194: ([4.0, 4, 6], [90.0, 90, 120]),
    166: ([4.0, 4, 9], [90.0, 90, 120]), 62: ([4.0, 5, 6], [90.0, 90, 90]), 14: ([4.0, 5, 6], [90.0, 100, 90]),
    2: ([4.0, 5, 6], [80.0, 100, 95])}


def turned(net, degrees, *, mirrored=False):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return net @ np.array([[c, s], [-s, c]]) * ([1, -1] if mirrored else [1, 1])


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_net_is_indexed_whichever_way_it_is_turned(mirrored):
    net = turned(np.array([[1 / 5, 0], [0, 1 / 7]]), 33, mirrored=mirrored)
    found = indexed_net(*ORTHORHOMBIC, np.array([0, 0, 1]), net)
    assert sorted(found.hkl.tolist()) == [[[h, 0, 0], [0, k, 0]] for h in (-1, 1) for k in (-1, 1)]
    assert found.g @ found.g.mT == pytest.approx(np.broadcast_to(net @ net.T, (4, 2, 2)))


def test_a_net_that_is_not_the_crystals_has_no_indices():
    found = indexed_net(*ORTHORHOMBIC, np.array([0, 0, 1]), np.array([[1 / 5, 0], [0, 1 / 6.5]]))
    assert found.hkl.shape == (0, 2, 3) and absent_rows(62, found).tolist() == [False, False]
    assert not plane_strains(free_strains(62, *ORTHORHOMBIC), found, np.eye(2)).any()


@pytest.mark.parametrize(("group", "axis", "net", "absent"), [
    (62, [0, 1, 0], [[1 / 5, 0], [0, 1 / 9]], [True, True]),
    (62, [0, 0, 1], [[2 / 5, 0], [0, 1 / 7]], [False, True]),
    (47, [0, 1, 0], [[1 / 5, 0], [0, 1 / 9]], [False, False]),
], ids=["pgg", "hk0 with h even", "no glides"])
def test_absent_rows(group, axis, net, absent):
    found = indexed_net(*ORTHORHOMBIC, np.array(axis), turned(np.array(net), 20))
    assert absent_rows(group, found).tolist() == absent


def test_screws_of_three_put_out_no_odd_row_and_screws_of_six_do():
    cell = (np.array([4.0, 4, 11]), np.array([90.0, 90, 120]))
    net = zolz_lattice(*cell, np.array([1, 0, 0]))
    found = indexed_net(*cell, np.array([1, 0, 0]), net)
    assert absent_rows(144, found).tolist() == [False, False]  # P3_1: 003 is there
    assert absent_rows(176, found).tolist() == [True, False]  # P6_3/m


def test_rows_that_look_alike_have_to_agree():
    cell = (np.array([5.0, 7.0, 5.0]), RIGHT)  # a = c: which row is which cannot be told
    net = np.array([[1 / 5, 0], [0, 1 / 5]])
    along_c = indexed_net(*cell, np.array([0, 1, 0]), net)
    assert len(along_c.hkl) == 8
    assert absent_rows(26, along_c).tolist() == [False, False]  # Pmc2_1: 00l with l odd, but not h00


@pytest.mark.parametrize(("group", "count"), [(225, 0), (139, 1), (194, 1), (166, 1), (62, 2), (14, 3), (2, 5)])
def test_a_cell_is_free_as_its_crystal_system_has_it(group, count):
    strains = free_strains(group, *map(np.array, CELLS[group]))
    assert strains.shape == (FREEDOMS, 3, 3) and np.abs(strains).any((1, 2)).tolist() == [True] * count + [
        False] * (FREEDOMS - count)
    assert np.trace(strains, axis1=1, axis2=2) == pytest.approx(0) and strains == pytest.approx(strains.mT)
    held = strains[:count].reshape(count, 9)
    assert held @ held.T == pytest.approx(np.eye(count))


def test_a_tetragonal_cell_can_only_grow_taller():
    assert np.abs(free_strains(139, *map(np.array, CELLS[139]))[0]) == pytest.approx(np.diag([1, 1, 2]) / 6**0.5)


def test_a_cell_of_another_setting_is_not_strained():
    assert not free_strains(225, np.full(3, 4.0), np.full(3, 60.0)).any()  # the primitive cell
    assert not free_strains(14, *ORTHORHOMBIC[:1], np.array([90.0, 90, 100])).any()  # unique axis c


def test_strains_of_the_cell_show_in_its_nets():
    cell, axis = (np.array([4.0, 4, 6]), RIGHT), np.array([1, 0, 0])
    net = turned(np.array([[1 / 4, 0], [0, 1 / 6]]), 90)  # c* lies along -x
    strain = free_strains(139, *cell)
    found = plane_strains(strain, indexed_net(*cell, axis, net), net)
    assert found[0] * np.sign(found[0, 1]) == pytest.approx(np.array([-2, 1, 0]) / 6**0.5) and not found[1:].any()
