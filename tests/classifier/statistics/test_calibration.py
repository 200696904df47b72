import numpy as np
import pytest

from classifier.statistics import metrics
from classifier.statistics.bootstrap import Bootstrap
from classifier.statistics.calibration import Reliability, accuracy_at_coverage


def once(n: int) -> Bootstrap:
    """Every sample a unit of its own, one replicate."""
    return Bootstrap.draw(np.arange(n), replicates=1, seed=0)


def test_reliability_by_hand() -> None:
    logits = np.log(np.array([[0.91, 0.09], [0.93, 0.07], [0.65, 0.35], [0.35, 0.65]]))
    found = Reliability.of(np.array([0, 1, 0, 1]), logits, once(4), bins=10)
    assert found.share[0].tolist() == [0, 0, 0, 0, 0, 0, 0.5, 0, 0, 0.5]
    assert found.confidence[0, 9] == pytest.approx(0.92) and found.accuracy[0, 9] == 0.5
    assert np.isnan(found.accuracy[0, 0]) and found.calibration_error()[0] == pytest.approx((0.42 + 0.35) / 2)


def test_calibration_error_is_that_of_the_metrics() -> None:
    random = np.random.default_rng(0)
    logits, truth, weight = random.normal(size=(200, 5)) * 2, random.integers(0, 5, 200), random.random(200)
    drawn = Bootstrap.draw(np.arange(200), replicates=2, seed=0, weight=weight)
    found = Reliability.of(truth, logits, drawn, bins=15).calibration_error()
    assert found[0] == pytest.approx(metrics.calibration_error(truth, logits, 15, weight))
    again = metrics.calibration_error(truth, logits, 15, weight * drawn.times[1][drawn.code])
    assert found[1] == pytest.approx(again)


def test_accuracy_at_coverage_by_hand() -> None:
    confidence, right = np.array([0.5, 0.9, 0.7, 0.8]), np.array([False, True, False, True])
    found = accuracy_at_coverage(confidence, right, once(4), np.array([0.25, 0.5, 0.75, 1.0]))
    assert found[0] == pytest.approx([1, 1, 2 / 3, 1 / 2])


def test_equal_confidence_is_taken_in_part() -> None:
    # The order in which equals are stored must not matter: half of them hold half of their hits.
    found = accuracy_at_coverage(np.full(4, 0.5), np.array([True, False, False, False]), once(4), np.array([0.5, 1.0]))
    assert found[0] == pytest.approx([0.25, 0.25])
