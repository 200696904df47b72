from __future__ import annotations

import numpy as np
import pytest

from cbedgan.comparison.paired import (
    Interval,
    Resample,
    Trials,
    accuracy,
    bootstrap_p,
    class_recall,
    holm,
    majority_right,
    mcnemar,
    mean_recall,
    verdict,
)

# Five samples of three units: a holds two samples of class 0, b one of class 0, c two of class 2; class 1 is untested.
TRIALS = Trials.from_labels(np.array([0, 0, 0, 2, 2]), np.array(["a", "a", "b", "c", "c"]), 3)
HITS = np.array([[1, 1, 0, 1, 0], [1, 0, 0, 1, 1]], bool)


def weights(unit: list[list[float]], seed: list[list[float]]) -> Resample:
    return Resample(np.array(unit, float), np.array(seed, float))


def test_cells_are_units_within_a_class():
    assert TRIALS.n_units == 3
    np.testing.assert_array_equal(TRIALS.cell_weight, [2, 1, 2])
    np.testing.assert_array_equal(TRIALS.units_per_class(), [2, 0, 1])
    split_unit = Trials.from_labels(np.array([0, 1]), np.array(["a", "a"]), 2)
    assert (split_unit.n_units, len(split_unit.cell_unit)) == (1, 2)


def test_recall_counts_samples_of_the_drawn_units_and_seeds():
    drawn = weights([[1, 1, 1], [0, 2, 1], [2, 0, 0]], [[1, 1], [2, 0], [0, 1]])
    recall = class_recall(HITS, TRIALS, drawn)
    # Everything once: class 0 has hits 2/3 and 1/3 with the two seeds, class 2 has 1/2 and 1.
    np.testing.assert_allclose(recall[0], [0.5, np.nan, 0.75])
    np.testing.assert_allclose(recall[1], [0.0, np.nan, 0.5])
    # Unit c was not drawn, so class 2 is missing; unit a counts twice above and below the line.
    np.testing.assert_allclose(recall[2], [0.5, np.nan, np.nan])
    np.testing.assert_allclose(accuracy(HITS, TRIALS, drawn), [0.6, 0.25, 0.5])


def test_weights_make_every_material_count_once():
    trials = Trials.from_labels(np.array([0, 0, 0]), np.array(["a", "a", "b"]), 1, weight=np.array([0.5, 0.5, 1.0]))
    recall = class_recall(np.array([[1, 0, 0]], bool), trials, weights([[1, 1], [1, 0]], [[1], [1]]))
    np.testing.assert_allclose(recall[:, 0], [0.25, 0.5])


def test_mean_recall_leaves_missing_classes_out():
    recall = np.array([[0.5, np.nan, 1.0], [np.nan, np.nan, 0.2]])
    np.testing.assert_allclose(mean_recall(recall, np.array([True, True, True])), [0.75, 0.2])
    np.testing.assert_allclose(mean_recall(recall, np.array([True, True, False])), [0.5, np.nan])


def test_both_arms_share_each_replicate():
    resample = Resample.draw(TRIALS.n_units, 2, replicates=500, seed=3)
    same = class_recall(HITS, TRIALS, resample) - class_recall(HITS, TRIALS, resample)
    assert np.nanmax(np.abs(same)) == 0
    assert (resample.unit[1:].sum(axis=1) == 3).all() and (resample.unit[0] == 1).all()
    assert (resample.seed[1:].sum(axis=1) == 2).all()


def test_resampling_seeds_widens_the_interval():
    hits = np.zeros((4, 40), bool)
    hits[:2] = True  # two seeds always right, two always wrong: all the variance is between seeds
    trials = Trials.from_labels(np.zeros(40, int), np.arange(40).astype(str), 1)
    crossed = Resample.draw(40, 4, replicates=4000, seed=0)
    interval = Interval.of(class_recall(hits, trials, crossed)[:, 0], 0.05)
    assert interval.estimate == 0.5
    assert interval.low == 0.0 and interval.high == 1.0  # P(4 of 4 from one half) = 1/16 a side


def test_interval_matches_the_binomial_when_units_are_single():
    rng = np.random.default_rng(1)
    hits = rng.permuted(np.arange(400) < 300)[None]
    trials = Trials.from_labels(np.zeros(400, int), np.arange(400).astype(str), 1)
    resample = Resample.draw(400, 1, replicates=8000, seed=0)
    interval = Interval.of(class_recall(hits, trials, resample)[:, 0], 0.05)
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert interval.low == pytest.approx(0.75 - half, abs=0.005)
    assert interval.high == pytest.approx(0.75 + half, abs=0.005)


def test_a_difference_by_chance_is_seldom_significant():
    """Two arms of equal skill, units of different difficulty, seeds that differ: the nominal 5 % or so."""
    rng, groups, units, seeds, runs = np.random.default_rng(0), 8, 4, 3, 200
    class_idx = np.repeat(np.arange(groups), 2 * units)
    trials = Trials.from_labels(class_idx, np.repeat(np.arange(groups * units), 2).astype(str), groups)
    significant = 0
    for run in range(runs):
        difficulty = np.repeat(rng.normal(0, 1.5, groups * units), 2)
        skill = rng.normal(0, 0.3, (2, seeds, 1)) + rng.normal(0, 0.7, (2, seeds, len(class_idx)))
        resample = Resample.draw(trials.n_units, seeds, replicates=400, seed=run)
        first, second = (mean_recall(class_recall(hits, trials, resample), np.ones(groups, bool))
                         for hits in skill > difficulty)
        significant += bootstrap_p(first - second) <= 0.05
    assert 0 < significant / runs < 0.1


def test_bootstrap_p_is_twice_the_smaller_tail():
    replicates = np.array([9.0] + [1.0] * 97 + [-1.0] * 2)
    assert bootstrap_p(replicates) == pytest.approx(5 / 100)
    assert bootstrap_p(np.array([1.0] * 100)) == pytest.approx(1 / 100)
    assert bootstrap_p(np.zeros(10)) == 1.0
    assert bootstrap_p(np.array([0.1, np.nan, np.nan])) == 1.0


def test_holm_steps_down_and_stops():
    rejected, level = holm(np.array([0.04, 0.012, 0.02, 0.001]), 0.05)
    # Sorted: 0.001 <= 0.05/4, 0.012 <= 0.05/3, 0.02 <= 0.05/2, 0.04 <= 0.05.
    np.testing.assert_array_equal(rejected, [True, True, True, True])
    np.testing.assert_allclose(level, [0.05, 0.05 / 3, 0.025, 0.0125])
    rejected, level = holm(np.array([0.04, 0.02, 0.001]), 0.05)
    assert rejected.all()
    rejected, level = holm(np.array([0.04, 0.03, 0.001]), 0.05)
    np.testing.assert_array_equal(rejected, [False, False, True])
    np.testing.assert_allclose(level, [0.025, 0.025, 0.05 / 3])


def test_majority_is_over_samples_and_seeds_and_a_tie_is_wrong():
    predicted = np.array([[0, 1, 0, 2, 1], [0, 1, 0, 2, 2]])
    # a: votes 0,1,0,1 tie; b: 0,0; c: 2,1,2,2.
    np.testing.assert_array_equal(majority_right(predicted, TRIALS), [False, True, True])


def test_mcnemar_is_exact():
    before = np.array([True] * 6 + [False] * 2 + [True] * 4)
    after = np.array([False] * 6 + [True] * 2 + [True] * 4)
    # 2 * (C(8,0) + C(8,1) + C(8,2)) / 2^8
    assert mcnemar(before, after) == (6, 2, pytest.approx(2 * 37 / 256))
    assert mcnemar(before, before) == (0, 0, 1.0)


@pytest.mark.parametrize(
    ("interval", "rejected", "units", "expected"),
    [
        (Interval(0.10, 0.02, 0.20), True, 9, "helped"),
        (Interval(-0.10, -0.2, -0.01), True, 9, "hurt"),
        (Interval(0.0, -0.01, 0.015), False, 9, "no difference"),
        (Interval(0.05, -0.01, 0.11), False, 9, "cannot tell"),
        (Interval(0.10, 0.02, 0.20), True, 3, "cannot tell"),
        (Interval(0.0, np.nan, np.nan), False, 9, "cannot tell"),
    ],
)
def test_verdict(interval, rejected, units, expected):
    assert verdict(interval, rejected=rejected, band=0.02, units=units, minimum_units=6) == expected


def test_a_difference_inside_the_band_that_is_real_is_still_named():
    assert verdict(Interval(0.01, 0.005, 0.015), rejected=True, band=0.02, units=50, minimum_units=6) == "helped"
