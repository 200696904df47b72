import numpy as np
import pytest

from classifier.prediction import trust


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
