import numpy as np

from classifier.samples.holdout import bundle, hold_out


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_bundle_follows_chains_of_types_and_duplicates() -> None:
    kind = np.array(["t1", "t1", "t2", "t3", "t4"])
    duplicate = np.array(["a", "b", "b", "c", "d"])
    assert bundle(kind, duplicate).tolist() == [0, 0, 0, 1, 2]


def test_units_are_taken_whole_and_about_in_the_share_asked_for() -> None:
    unit = np.repeat(np.arange(20), 5)
    chosen = hold_out(unit, 0.2, rng(), remaining=2)
    taken = np.unique(unit[chosen])
    assert len(chosen) == 20 and np.isin(unit, taken).sum() == 20


def test_large_units_are_passed_over_for_small_ones() -> None:
    unit = np.repeat([0, 1, 2], [30, 3, 30])
    for seed in range(5):
        assert unit[hold_out(unit, 0.05, np.random.default_rng(seed), remaining=1)].tolist() == [1, 1, 1]


def test_the_smallest_unit_is_taken_when_all_are_large_but_never_more_than_half() -> None:
    unit = np.repeat([0, 1, 2], [10, 9, 11])
    assert unit[hold_out(unit, 0.1, rng(), remaining=2)].tolist() == [1] * 9
    assert len(hold_out(np.array([0, 1]), 0.1, rng(), remaining=1)) == 1
    assert len(hold_out(np.zeros(5, int), 0.1, rng(), remaining=1)) == 0


def test_enough_units_stay_behind() -> None:
    assert len(hold_out(np.array([0, 0, 1]), 0.9, rng(), remaining=2)) == 0
    assert len(np.unique(np.arange(4)[hold_out(np.arange(4), 0.99, rng(), remaining=2)])) == 2
