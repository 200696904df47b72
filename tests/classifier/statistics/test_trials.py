from dataclasses import replace

import numpy as np
import pytest

from classifier.statistics.bootstrap import Bootstrap
from classifier.statistics.significance import Interval
from classifier.statistics.trials import Trials

# Five samples of three units: a holds two samples of class 0, b one of class 0, c two of class 2; class 1 is untested.
TRIALS = Trials.of(np.array([0, 0, 0, 2, 2]), np.array(["a", "a", "b", "c", "c"]), 3)
HITS = np.array([[1, 1, 0, 1, 0], [1, 0, 0, 1, 1]], bool)


def weights(unit: list[list[float]], seed: list[list[float]], trials: Trials = TRIALS) -> Bootstrap:
    return replace(trials.draw(replicates=0, seed=0, seeds=1), times=np.array(unit, float),
                   seed_times=np.array(seed, float))


def test_cells_are_units_within_a_class():
    assert TRIALS.n_units == 3
    np.testing.assert_array_equal(TRIALS.cell_weight, [2, 1, 2])
    np.testing.assert_array_equal(TRIALS.units_per_class(), [2, 0, 1])
    assert TRIALS.units(np.array([True, True, False])) == 2
    split_unit = Trials.of(np.array([0, 1]), np.array(["a", "a"]), 2)
    assert (split_unit.n_units, len(split_unit.cell_unit)) == (1, 2)


def test_recall_counts_samples_of_the_drawn_units_and_seeds():
    drawn = weights([[1, 1, 1], [0, 2, 1], [2, 0, 0]], [[1, 1], [2, 0], [0, 1]])
    recall = TRIALS.recall(HITS, drawn)
    # Everything once: class 0 has hits 2/3 and 1/3 with the two seeds, class 2 has 1/2 and 1.
    np.testing.assert_allclose(recall[0], [0.5, np.nan, 0.75])
    np.testing.assert_allclose(recall[1], [0.0, np.nan, 0.5])
    # Unit c was not drawn, so class 2 is missing; unit a counts twice above and below the line.
    np.testing.assert_allclose(recall[2], [0.5, np.nan, np.nan])
    np.testing.assert_allclose(TRIALS.accuracy(HITS, drawn), [0.6, 0.25, 0.5])


def test_weights_make_every_material_count_once():
    trials = Trials.of(np.array([0, 0, 0]), np.array(["a", "a", "b"]), 1, weight=np.array([0.5, 0.5, 1.0]))
    recall = trials.recall(np.array([[1, 0, 0]], bool), weights([[1, 1], [1, 0]], [[1], [1]], trials))
    np.testing.assert_allclose(recall[:, 0], [0.25, 0.5])


def test_both_arms_share_each_replicate():
    drawn = TRIALS.draw(replicates=500, seed=3, seeds=2)
    same = TRIALS.recall(HITS, drawn) - TRIALS.recall(HITS, drawn)
    assert np.nanmax(np.abs(same)) == 0 and (drawn.times[1:].sum(axis=1) == 3).all() and (drawn.times[0] == 1).all()
    assert (drawn.seed_times[1:].sum(axis=1) == 2).all()


def test_resampling_seeds_widens_the_interval():
    hits = np.zeros((4, 40), bool)
    hits[:2] = True  # two seeds always right, two always wrong: all the variance is between seeds
    trials = Trials.of(np.zeros(40, int), np.arange(40).astype(str), 1)
    crossed = trials.draw(replicates=4000, seed=0, seeds=4)
    interval = Interval.of(trials.recall(hits, crossed)[:, 0])
    assert interval.estimate == 0.5
    assert interval.low == 0.0 and interval.high == 1.0  # P(4 of 4 from one half) = 1/16 a side


def test_interval_matches_the_binomial_when_units_are_single():
    rng = np.random.default_rng(1)
    hits = rng.permuted(np.arange(400) < 300)[None]
    trials = Trials.of(np.zeros(400, int), np.arange(400).astype(str), 1)
    interval = Interval.of(trials.recall(hits, trials.draw(replicates=8000, seed=0, seeds=1))[:, 0])
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert interval.low == pytest.approx(0.75 - half, abs=0.005)
    assert interval.high == pytest.approx(0.75 + half, abs=0.005)


def test_majority_is_over_samples_and_seeds_and_a_tie_is_wrong():
    predicted = np.array([[0, 1, 0, 2, 1], [0, 1, 0, 2, 2]])
    # a: votes 0,1,0,1 tie; b: 0,0; c: 2,1,2,2.
    np.testing.assert_array_equal(TRIALS.majority_right(predicted), [False, True, True])
