import numpy as np
import pytest

from classifier.prediction import trust
from classifier.statistics.metrics import softmax


def sample(logits: np.ndarray, seed: int = 0) -> np.ndarray:
    """Draw class_idx [N] with the probabilities of logits [N, K]."""
    return (softmax(logits).cumsum(axis=1) > np.random.default_rng(seed).random((len(logits), 1))).argmax(axis=1)


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_temperature_recovers_a_known_scale(scale) -> None:
    logits = np.random.default_rng(1).normal(size=(20_000, 5)) * 2
    assert trust.fit_temperature(scale * logits, sample(logits), np.ones(20_000)) == pytest.approx(scale, rel=0.03)


def test_temperature_of_few_samples_stays_within_bounds() -> None:
    logits, ones = np.eye(3) * 5, np.ones(3)
    right, wrong = (trust.fit_temperature(logits, truth, ones) for truth in (np.array([0, 1, 2]), np.array([1, 2, 0])))
    assert trust.TEMPERATURES[0] < right < 1 < wrong < trust.TEMPERATURES[1]


def test_temperature_counts_by_weight() -> None:
    logits, truth = np.array([[2.0, 0.0], [2.0, 0.0]]).repeat(500, axis=0), np.array([0, 1]).repeat(500)
    # Weighted 3 to 1 the best probability is 3/4, whose logit difference is log 3.
    assert trust.fit_temperature(logits, truth, np.where(truth == 0, 3.0, 1.0)) == pytest.approx(2 / np.log(3), 0.01)


def test_coverage_and_its_threshold_by_hand() -> None:
    confidence, correct = np.array([0.9, 0.8, 0.8, 0.6]), np.array([True, True, False, True])
    threshold, coverage, accuracy = trust.coverage_curve(confidence, correct, np.ones(4))
    assert threshold.tolist() == [0.9, 0.8, 0.6]
    assert coverage.tolist() == [0.25, 0.75, 1.0] and accuracy == pytest.approx([1, 2 / 3, 3 / 4])
    assert trust.confidence_threshold(confidence, correct, np.ones(4), 0.75) == 0.6
    assert trust.confidence_threshold(confidence, correct, np.ones(4), 0.9) == 0.9
    assert trust.confidence_threshold(confidence, ~correct, np.ones(4), 0.9) == np.inf
    # A doubled weight on the error: 3 of 5.
    assert trust.coverage_curve(confidence, correct, np.array([1, 1, 2, 1]))[2][-1] == pytest.approx(3 / 5)


def test_the_plausible_probability_covers_the_truth() -> None:
    own = np.linspace(0.01, 1, 100)
    probability = np.stack([own, 1 - own], axis=1)
    # floor(101 x 0.05) = 5: the fifth smallest.
    assert trust.plausible_probability(probability, np.zeros(100, int)) == pytest.approx(0.05)
    assert trust.plausible_probability(probability[:18], np.zeros(18, int)) is None
    assert trust.plausible_probability(probability[:19], np.zeros(19, int)) == pytest.approx(0.01)
