"""Which groups have a boundary in the same cell, and how a group's stacks are shared among them."""

import numpy as np
import pytest

from cbedgan.synthesis.crystals.pairs import shared_among_pairs, spread, subgroups, supergroups
from cbedgan.synthesis.pair_weights import even


def test_only_subgroups_of_the_same_cell_count():
    classes = (12, 62, 63, 176, 194, 225)
    assert subgroups(194, classes) == [63, 176] and subgroups(63, classes) == [12]  # 62 doubles the cell of 63
    assert supergroups(62, classes) == [] and supergroups(63, classes) == [194] and supergroups(225, classes) == []


@pytest.mark.parametrize("number, weights, order, expected", [
    (7, [1, 1, 1], [0, 1, 2], [3, 2, 2]), (7, [1, 1, 1], [2, 0, 1], [2, 2, 3]), (2, [1, 1, 1], [1, 2, 0], [0, 1, 1]),
    (10, [0.5, 0.3, 0.2], [0, 1, 2], [5, 3, 2]), (3, [0.9, 0.1], [1, 0], [3, 0]), (0, [1, 1], [0, 1], [0, 0])])
def test_whole_stacks_are_shared_by_largest_remainders(number, weights, order, expected):
    assert spread(number, np.array(weights, dtype=float), np.array(order)).tolist() == expected


def test_each_side_gets_half_and_its_partners_share_it():
    classes = (12, 15, 63, 194)
    shared = shared_among_pairs(63, 9, classes, even, seed=0)
    assert shared == {("distorted", 194): 5, ("undistorted", 12): 2, ("undistorted", 15): 2}
    assert shared_among_pairs(225, 9, classes, even, seed=0) == {}
    weighed = shared_among_pairs(194, 10, (12, 63, 176, 194), lambda a, b: {63: 3.0, 176: 1.0}[b], seed=0)
    assert sorted(weighed.values()) in ([2, 8], [3, 7]) and weighed["undistorted", 63] > 6


def test_which_of_equal_partners_gets_one_more_follows_the_seed():
    shares = {tuple(shared_among_pairs(194, 3, (63, 176, 194), even, seed=seed).values()) for seed in range(9)}
    assert shares == {(1, 2), (2, 1)}
