import numpy as np
import pytest

from classifier.statistics import calibration_maps as maps
from classifier.statistics.metrics import softmax


def sample(logits: np.ndarray, seed: int = 0) -> np.ndarray:
    """Draw class_idx [N] with the probabilities of logits [N, K]."""
    return (softmax(logits).cumsum(axis=1) > np.random.default_rng(seed).random((len(logits), 1))).argmax(axis=1)


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_temperature_recovers_a_known_scale(scale) -> None:
    logits = np.random.default_rng(1).normal(size=(20_000, 5)) * 2
    truth, ones = sample(logits), np.ones(20_000)
    assert maps.fit_temperature(scale * logits, truth, ones) == pytest.approx(scale, rel=0.03)
    assert maps.fit_first_answer(scale * logits, truth, ones) == pytest.approx(scale, rel=0.05)


def test_temperature_of_few_samples_stays_within_bounds() -> None:
    logits, ones = np.eye(3) * 5, np.ones(3)
    for fit in (maps.fit_temperature, maps.fit_first_answer):
        right, wrong = (fit(logits, truth, ones) for truth in (np.array([0, 1, 2]), np.array([1, 2, 0])))
        assert maps.TEMPERATURES[0] < right < 1 < wrong < maps.TEMPERATURES[1]


def test_temperature_counts_by_weight() -> None:
    logits, truth = np.array([[2.0, 0.0], [2.0, 0.0]]).repeat(500, axis=0), np.array([0, 1]).repeat(500)
    # Weighted 3 to 1 the best probability is 3/4, whose logit difference is log 3.
    weight = np.where(truth == 0, 3.0, 1.0)
    assert maps.fit_temperature(logits, truth, weight) == pytest.approx(2 / np.log(3), 0.01)
    assert maps.fit_first_answer(logits, truth, weight) == pytest.approx(2 / np.log(3), 0.01)


def test_a_few_gross_errors_do_not_move_the_first_answer() -> None:
    # 70 of 100 are right at 0.7 of three classes; two more are wrong where the classifier is as good as certain.
    logits = np.array([[1.5, 0.0, 0.0]] * 100 + [[14.0, 0.0, 0.0]] * 60)
    logits[:100] *= np.log(0.7 / 0.15) / 1.5
    truth = np.array([0] * 70 + [1] * 15 + [2] * 15 + [0] * 58 + [1] * 2)
    ones = np.ones(160)
    assert maps.fit_first_answer(logits, truth, ones) == pytest.approx(1, abs=0.15)
    assert maps.fit_temperature(logits, truth, ones) > 1.3


def test_dirichlet_learns_that_two_classes_are_confused() -> None:
    random = np.random.default_rng(2)
    truth = random.integers(3, size=6000)
    told = np.where((truth == 1) & (random.random(6000) < 0.5), 0, truth)  # half of class 1 is called 0
    logits, ones = 4.0 * np.eye(3)[told], np.ones(6000)
    free = maps.fit_dirichlet(logits, truth, ones, penalty=1e-3).probability(logits)
    assert free[told == 0].mean(axis=0) == pytest.approx([2 / 3, 1 / 3, 0], abs=0.02)
    # A large penalty leaves a temperature, which cannot prefer class 1 to class 2.
    stiff = maps.fit_dirichlet(logits, truth, ones, penalty=1e9)
    assert np.abs(stiff.weight - np.eye(3) * stiff.weight[0, 0]).max() < 1e-3
    assert stiff.weight[0, 0] == pytest.approx(1 / maps.fit_temperature(logits, truth, ones), rel=0.01)


def test_dirichlet_descends_along_its_slope() -> None:
    random = np.random.default_rng(3)
    logits, truth = random.normal(size=(40, 4)), random.integers(4, size=40)
    weight = random.uniform(0.5, 2, 40)
    best = maps.fit_dirichlet(logits, truth, weight, penalty=2.0)

    def loss(fitted) -> float:
        p, diagonal = fitted.probability(logits)[np.arange(40), truth], np.eye(4, dtype=bool)
        away = np.where(diagonal, fitted.weight - np.diagonal(fitted.weight).mean(), fitted.weight)
        return -weight @ np.log(p) / weight.sum() + 2 / 40 * (np.square(away).sum() + np.square(fitted.bias).sum())

    for _ in range(20):
        step, shift = 1e-3 * random.normal(size=(4, 4)), 1e-3 * random.normal(size=4)
        assert loss(maps.Dirichlet(best.weight + step, best.bias + shift)) > loss(best)
