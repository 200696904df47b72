import numpy as np
import pytest

from classifier.statistics.metrics import mean_present
from classifier.statistics.significance import Difference, Interval, bootstrap_p, family, holm, mcnemar, reflected
from classifier.statistics.trials import Trials


def test_a_difference_by_chance_is_seldom_significant():
    """Two arms of equal skill, units of different difficulty, seeds that differ: the nominal 5 % or so."""
    rng, groups, units, seeds, runs = np.random.default_rng(0), 8, 4, 3, 200
    class_idx = np.repeat(np.arange(groups), 2 * units)
    trials = Trials.of(class_idx, np.repeat(np.arange(groups * units), 2).astype(str), groups)
    significant = 0
    for run in range(runs):
        difficulty = np.repeat(rng.normal(0, 1.5, groups * units), 2)
        skill = rng.normal(0, 0.3, (2, seeds, 1)) + rng.normal(0, 0.7, (2, seeds, len(class_idx)))
        drawn = trials.draw(replicates=400, seed=run, seeds=seeds)
        first, second = (mean_present(trials.recall(hits, drawn)) for hits in skill > difficulty)
        significant += bootstrap_p(first - second) <= 0.05
    assert 0 < significant / runs < 0.1


def test_bootstrap_p_is_twice_the_smaller_tail():
    replicates = np.array([9.0] + [1.0] * 97 + [-1.0] * 2)
    assert bootstrap_p(replicates) == pytest.approx(5 / 100)
    assert bootstrap_p(np.array([1.0] * 100)) == pytest.approx(1 / 100) and bootstrap_p(np.zeros(10)) == 1.0
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


def test_mcnemar_is_exact():
    before = np.array([True] * 6 + [False] * 2 + [True] * 4)
    after = np.array([False] * 6 + [True] * 2 + [True] * 4)
    # 2 * (C(8,0) + C(8,1) + C(8,2)) / 2^8
    assert mcnemar(before, after) == (6, 2, pytest.approx(2 * 37 / 256)) and mcnemar(before, before) == (0, 0, 1.0)


@pytest.mark.parametrize(
    ("interval", "rejected", "units", "expected"),
    [
        (Interval(0.10, 0.02, 0.20), True, 9, "helped"),
        (Interval(-0.10, -0.2, -0.01), True, 9, "hurt"),
        (Interval(0.0, -0.01, 0.015), False, 9, "no difference"),
        (Interval(0.01, 0.005, 0.015), True, 9, "helped"),  # inside the band, but real
        (Interval(0.05, -0.01, 0.11), False, 9, "cannot tell"),
        (Interval(0.10, 0.02, 0.20), True, 3, "cannot tell"),
        (Interval(0.0, np.nan, np.nan), False, 9, "cannot tell")])
def test_verdict(interval, rejected, units, expected):
    difference = Difference(Interval(0, 0, 0), 0.5, interval, 0.05, rejected)
    assert difference.verdict(band=0.02, units=units, minimum_units=6) == expected


def test_a_family_corrects_every_interval():
    """Nine in a hundred replicates of the first lie beyond 0, none of the second: with two, 0.025 is asked of it."""
    replicates = [np.concatenate([[1.0], np.linspace(-0.1, 1, 100)]), np.concatenate([[1.0], np.linspace(1, 2, 100)])]
    first, second = family(replicates, 0.05)
    assert (first.rejected, second.rejected) == (False, True) and second.p == pytest.approx(1 / 101)
    assert (first.alpha, second.alpha) == (0.05, 0.025)
    assert second.corrected == Interval(1.0, pytest.approx(1.0125), pytest.approx(1.9875))
    assert second.own.low == pytest.approx(1.025) and first.content()["corrected"]["alpha"] == 0.05


def test_noise_is_reflected_at_the_estimate():
    np.testing.assert_allclose(reflected(np.array([0.1, 0.15, 0.3])), [0.1, 0.05, 0.0])
