"""Operations of crystals in their own cells, and which of them a translationengleiche subgroup keeps."""

from collections import Counter

import numpy as np
import pytest

from cbedgan.crystal.crystals import standard_crystal
from cbedgan.distortion.symmetry.subgroups import maximal_subgroups, operations_of

HALVES = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def strontium_titanate():
    return standard_crystal(3.905 * np.eye(3), [[0, 0, 0], [.5, .5, .5], [.5, .5, 0], [.5, 0, .5], [0, .5, .5]],
                            [38, 22, 8, 8, 8], source="test")


def test_operations_follow_each_other_as_their_table_says():
    for crystal, order in ((strontium_titanate(), 48), (standard_crystal(
            5.43 * np.eye(3), np.concatenate([HALVES, HALVES + 0.25]), [14] * 8, source="test"), 48)):
        operations = operations_of(crystal)
        assert len(operations.rotations) == order and operations.image.shape == (order, crystal.n_primitive)
        i, j = 5, 17
        after = operations.product[i, j]
        assert (operations.rotations[i] @ operations.rotations[j] == operations.rotations[after]).all()
        assert (operations.image[i][operations.image[j]] == operations.image[after]).all()
        assert operations.turned @ operations.turned.transpose(0, 2, 1) == pytest.approx(
            np.broadcast_to(np.eye(3), (order, 3, 3)), abs=1e-9)


def test_the_cube_has_three_halves_and_loses_its_threefold_or_fourfold_axes():
    subgroups = maximal_subgroups(operations_of(strontium_titanate()).product)
    assert Counter(map(len, subgroups)) == {24: 3, 16: 1, 12: 1}  # m-3 -43m 432, 4/mmm, -3m


def test_a_group_of_two_has_one_maximal_subgroup_and_one_of_three_no_more():
    assert maximal_subgroups(np.array([[0, 1], [1, 0]])) == [(0,)]
    assert maximal_subgroups(np.array([[0, 1, 2], [1, 2, 0], [2, 0, 1]])) == [(0,)]
