import numpy as np
import pytest

from classifier.statistics.conformal import coverage_by_kind, least_probability


def test_each_kind_has_its_own_quantile_by_hand() -> None:
    # Class 0 is true with probability 0.51 .. 0.60, class 1 with 0.81 .. 0.90.
    own = np.concatenate([0.5 + np.arange(1, 11) / 100, 0.8 + np.arange(1, 11) / 100])
    truth = np.repeat([0, 1], 10)
    probability = np.stack([np.where(truth == 0, own, 1 - own), np.where(truth == 1, own, 1 - own)], axis=1)
    # floor(11 x 0.2) = 2: the second smallest of each.
    assert least_probability(probability, truth, np.array([0, 1]), 0.8) == pytest.approx([0.52, 0.82])
    # Of one kind together floor(21 x 0.2) = 4: the fourth smallest of all.
    assert least_probability(probability, truth, np.array([0, 0]), 0.8) == pytest.approx([0.54, 0.54])
    # 0.95 needs 19 samples: each kind alone has 10, together they have them.
    assert least_probability(probability, truth, np.array([0, 1]), 0.95) == pytest.approx([0.51, 0.51])
    assert least_probability(probability, truth, np.array([0, 1]), 0.99).tolist() == [0, 0]


def test_new_samples_are_covered_as_often_as_asked_in_every_kind() -> None:
    random, kind = np.random.default_rng(0), np.array([0, 0, 1, 1])
    covered = []
    for _ in range(200):
        truth = random.integers(4, size=320)
        # Classes of the second kind are recognised much worse.
        logits = random.normal(size=(320, 4))
        logits[np.arange(320), truth] += np.where(kind[truth] == 0, 3.0, 0.5)
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        least = least_probability(p[:160], truth[:160], kind, 0.9)
        covered.append(coverage_by_kind(p[160:] >= least, truth[160:], kind)[0])
    assert np.mean(covered, axis=0) == pytest.approx([0.907, 0.907], abs=0.012)


def test_coverage_and_size_by_hand() -> None:
    inside = np.array([[True, True, False], [False, True, True], [True, True, True]])
    covered, size = coverage_by_kind(inside, np.array([0, 0, 2]), np.array([0, 0, 1]))
    assert covered.tolist() == [0.5, 1.0] and size.tolist() == [2.0, 3.0]
