"""Which stacks of a pool are kept, on pools small enough to see it."""

import numpy as np
import pytest

from cbedgan.synthesis.select.covariance import covariance
from cbedgan.synthesis.select.drawn_pool import DrawnPool
from cbedgan.synthesis.select.prototype import prototype
from cbedgan.synthesis.select.real_features import RealFeatures
from cbedgan.synthesis.select.variety import variety


def pool(features, count, *, crystal=None, cell=None):
    features = np.array(features, dtype=np.float64).reshape(len(features), -1)
    return DrawnPool(features, np.arange(len(features)) if crystal is None else np.array(crystal),
                     np.zeros(len(features), dtype=int) if cell is None else np.array(cell),
                     np.array([count] if cell is None else count))


def test_variety_takes_what_is_far_from_real_ones_and_from_each_other():
    drawn = pool([0.1, 5.0, 5.1, -3.0, 2.0], 3)
    assert drawn.chosen(variety(drawn, np.array([[0.0]]))).tolist() == [2, 3, 4]
    drawn = pool([0.1, 5.0, 5.1, -3.0, 2.0], 2)
    assert drawn.chosen(variety(drawn, np.array([[0.0], [5.0]]))).tolist() == [3, 4]


def test_distortions_of_one_crystal_are_one_crystal():
    """The farthest three are of one crystal: a second of them comes when no other crystal is left."""
    features, crystal = [9.0, -9.0, 8.0, 1.0, 2.0], [7, 7, 7, 3, 4]
    for count, expected in ((2, [0, 4]), (3, [0, 3, 4]), (4, [0, 1, 3, 4])):
        drawn = pool(features, count, crystal=crystal)
        assert drawn.chosen(variety(drawn, np.array([[0.0]]))).tolist() == expected


def test_no_cell_gives_more_than_its_limit_and_an_empty_one_leaves_its_place_empty():
    drawn = pool([9.0, 8.0, 7.0, 1.0], [1, 1, 2], cell=[0, 0, 0, 1])
    assert drawn.chosen(variety(drawn, np.array([[0.0]]))).tolist() == [0, 3]


def test_covariance_matching_beats_the_nearest_and_the_farthest():
    """Real stacks are spread 3 and 1 along two axes: what is chosen is so, too, and not all at the mean or outside."""
    rng = np.random.default_rng(0)
    real = RealFeatures(rng.normal(size=(400, 2)) * [3.0, 1.0] + [5.0, 0.0], np.full(400, 225))
    drawn = pool(rng.normal(size=(120, 2)) * 4 + [4.0, 1.0], 20)

    def off(rows):
        mine = drawn.features[rows]
        around = mine - real.prototype(225)
        return np.linalg.norm(mine.mean(0) - real.prototype(225)) + np.linalg.norm(
            around.T @ around / len(rows) - real.covariance(225))
    matched = off(drawn.chosen(covariance(drawn, real, 225)))
    others = [rng.permutation(120)[:20] for _ in range(200)]
    assert matched < 0.5 * min(map(off, others)) and matched < off(drawn.chosen(variety(drawn, real.of(225))))


def test_the_written_out_square_is_the_square():
    rng = np.random.default_rng(1)
    real, drawn = RealFeatures(rng.normal(size=(9, 3)), np.repeat([2, 5, 7], 3)), pool(rng.normal(size=(6, 3)), 6)
    rows = np.array([1, 4])
    score = covariance(drawn, real, 5)(rows)
    for row in (0, 2, 3, 5):
        y = drawn.features[[*rows, row]] - real.prototype(5)
        target, constant = real.covariance(5), drawn.features[rows] - real.prototype(5)
        direct = np.square(y.mean(0)).sum() + np.square(y.T @ y / 3 - target).sum()
        same = np.square(constant.T @ constant / 3 - target).sum()  # in all scores, and left out of them
        assert -score[row] == pytest.approx(direct - same)


def test_a_group_of_one_stack_has_the_covariance_that_all_share():
    features = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 9.0]])
    real = RealFeatures(features, np.array([1, 1, 2]))
    shared = np.array([[2.0, 0.0], [0.0, 0.0]])  # two stacks around their mean, one degree of freedom
    np.testing.assert_allclose(real.covariance(2), shared * 20 / 21)
    np.testing.assert_allclose(real.covariance(1), (shared * 20 + [[2.0, 0.0], [0.0, 0.0]]) / 22)
    assert real.radius == pytest.approx(2.0)  # each of the two from the other; the third has no other
    assert real.prototype(3).tolist() == features.mean(0).tolist()


def test_the_prototype_filter_takes_what_passes_at_random_and_then_the_nearest():
    real = RealFeatures(np.array([[-1.0], [1.0]]), np.array([225, 225]))
    drawn = [pool([0.5, -1.5, 2.5, 9.0, 1.9], count) for count in (2, 4)]
    taken = [drawn[0].chosen(prototype(drawn[0], real, 225, np.random.default_rng(seed))).tolist() for seed in range(9)]
    assert all(set(rows) < {0, 1, 4} for rows in taken) and len(set(map(tuple, taken))) > 1
    assert drawn[1].chosen(prototype(drawn[1], real, 225, np.random.default_rng(0))).tolist() == [0, 1, 2, 4]
