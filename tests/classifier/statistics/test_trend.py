"""Rank correlation and smoothed mean: against scipy, on what they must not depend, and by hand."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from classifier.statistics.bootstrap import Bootstrap
from classifier.statistics.trend import rank_correlation, smoothed_mean


def test_the_correlation_of_every_replicate_is_that_of_the_groups_that_it_holds() -> None:
    random = np.random.default_rng(0)
    x = random.integers(1, 9, 30).astype(float)  # with ties
    y = x + random.normal(size=30) * 3
    drawn = Bootstrap.draw(np.arange(30), replicates=5, seed=0)
    for rho, times in zip(rank_correlation(x, y, drawn), drawn.times.astype(int), strict=True):
        held = np.repeat(np.arange(30), times)
        assert rho == pytest.approx(spearmanr(x[held], y[held]).statistic)


def test_only_the_order_counts_and_what_does_not_vary_has_no_correlation() -> None:
    x, drawn = np.array([3.0, 10, 30, 100]), Bootstrap.draw(np.arange(4), replicates=1, seed=0)
    assert rank_correlation(x, np.exp(x / 50), drawn)[0] == pytest.approx(1)
    assert rank_correlation(np.log(x), -x, drawn)[0] == pytest.approx(-1)
    assert np.isnan(rank_correlation(x, np.full(4, 0.7), drawn)[0])


def test_the_smoothed_mean_by_hand() -> None:
    # Halfway, both weigh alike; at the first, the other weighs exp(-2), two standard deviations away.
    x, y = np.array([0.0, 1]), np.array([0.2, 0.8])
    drawn = Bootstrap.draw(np.arange(2), replicates=1, seed=0)
    middle, first = smoothed_mean(x, y, np.array([0.5, 0]), 0.5, drawn)[0]
    assert middle == pytest.approx(0.5)
    assert first == pytest.approx((0.2 + 0.8 * np.exp(-2)) / (1 + np.exp(-2)))
