"""Medians: weights, what is infinitely far, and intervals over crystals and seeds."""

import numpy as np
import pytest

from classifier.statistics.medians import interval, medians, weighted_median


def test_a_median_is_a_value_with_half_of_the_weight_at_or_below_it():
    values = np.array([3.0, 1.0, np.inf, 2.0])
    weights = np.array([[1.0, 1, 1, 1], [5, 1, 1, 1], [0, 1, 9, 0], [0, 0, 0, 0]])
    assert weighted_median(values, weights).tolist()[:3] == [2, 3, np.inf]
    assert np.isnan(weighted_median(values, weights)[3])


def test_what_is_never_seen_is_far_and_what_is_denied_does_not_count():
    values = np.array([[0.1, np.nan], [0.2, np.inf], [np.inf, np.inf]])
    drawn = medians(values, np.array(["a", "b", "c"]), replicates=200, seed=0)
    assert drawn[0] == np.inf and 0.1 in drawn and np.isfinite(drawn[1:]).any()
    assert interval(drawn)["estimate"] is None and interval(drawn)["low"] == pytest.approx(0.1)
    assert interval(drawn)["high"] is None


def test_an_interval_is_wide_over_few_crystals_and_narrow_over_many_of_one():
    random = np.random.default_rng(0)
    values = np.exp(random.standard_normal((400, 1)))
    many = interval(medians(values, np.arange(400), replicates=500, seed=1))
    assert many["low"] < many["estimate"] < many["high"] and many["high"] - many["low"] == pytest.approx(0.25, abs=0.1)
    few = interval(medians(values, np.arange(400) % 4, replicates=500, seed=1))
    assert few["low"] <= few["estimate"] <= few["high"]
