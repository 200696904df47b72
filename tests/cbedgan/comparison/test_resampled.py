from __future__ import annotations

import numpy as np
import pytest

from cbedgan.comparison.paired import Resample, Trials
from cbedgan.comparison.resampled import calibration_error, direct_edge_enrichment, macro_f1, over_seeds, reflected
from classifier.statistics import metrics

CLASSES = np.repeat([0, 1, 2], 4)


@pytest.fixture
def trials() -> Trials:
    return Trials.from_labels(CLASSES, np.array([f"unit {i}" for i in range(12)]), 3)


@pytest.fixture
def logits() -> np.ndarray:
    """Of two seeds."""
    return np.random.default_rng(0).normal(size=(2, 12, 3)) + np.eye(3)[CLASSES]


def test_each_seed_alone_scores_as_the_plain_metrics(trials, logits):
    one_seed = Resample(np.ones((2, 12)), np.eye(2))
    predicted = logits.argmax(axis=2)
    f1 = macro_f1(predicted, CLASSES, trials, one_seed)
    error = calibration_error(logits, CLASSES, trials, one_seed)
    for seed in range(2):
        assert f1[seed] == pytest.approx(metrics.macro_f1(metrics.confusion(CLASSES, predicted[seed], 3)))
        assert error[seed] == pytest.approx(metrics.calibration_error(CLASSES, logits[seed]))
    assert f1[0] != f1[1] and error[0] != error[1]


def test_a_replicate_is_the_mean_over_drawn_seeds_of_drawn_units(trials, logits):
    """The first class alone, three times the second seed and once the first."""
    units = np.ones((2, 12))
    units[1, :8] = [3, 1, 0, 0, 2, 2, 0, 0]
    predicted = logits.argmax(axis=2)
    found = macro_f1(predicted, CLASSES, trials, Resample(units, np.array([[1, 1], [1, 3]])))
    weight = units[1][np.unique([f"unit {i}" for i in range(12)], return_inverse=True)[1]]
    alone = [metrics.macro_f1(metrics.confusion(CLASSES, row, 3, weight)) for row in predicted]
    assert found[1] == pytest.approx((alone[0] + 3 * alone[1]) / 4)


def test_errors_on_edges_are_counted_against_chance(trials):
    """Class 0 is taken for its neighbour 1 three times and for 2 once; 1 and 2 for 0: chance would do it less often."""
    predicted = np.array([[1, 1, 1, 2, 0, 0, 0, 2, 0, 1, 1, 1]])
    edges = np.zeros((3, 3), dtype=bool)
    edges[0, 1] = edges[1, 0] = True
    once = Resample(np.ones((1, 12)), np.ones((1, 1)))
    found = direct_edge_enrichment(predicted, CLASSES, edges, trials, once)
    assert found.shape == (1,) and found[0] > 1
    assert direct_edge_enrichment(predicted, CLASSES, ~np.eye(3, dtype=bool), trials, once)[0] == pytest.approx(1)


def test_what_a_seed_cannot_tell_is_left_out_and_noise_is_reflected():
    resample = Resample(np.ones((2, 1)), np.array([[1, 1], [2, 0]]))
    np.testing.assert_array_equal(over_seeds([np.array([1.0, np.nan]), np.array([3.0, 5.0])], resample), [2, np.nan])
    np.testing.assert_allclose(reflected(np.array([0.1, 0.15, 0.3])), [0.1, 0.05, 0.0])
