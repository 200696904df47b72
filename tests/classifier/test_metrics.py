from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, top_k_accuracy_score

from classifier import metrics

TRUTH = np.array([0, 0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 0, 1, 1, 0, 3])


def test_scores_by_hand() -> None:
    matrix = metrics.confusion(TRUTH, PREDICTED, 5)
    assert matrix[0].tolist() == [3, 1, 0, 0, 0] and matrix[2].tolist() == [0, 0, 0, 1, 0]
    recall = metrics.recall_per_class(matrix)
    assert recall[:3].tolist() == [0.75, 0.5, 0] and np.isnan(recall[3:]).all()
    assert metrics.balanced_accuracy(matrix) == pytest.approx(1.25 / 3)
    assert metrics.macro_f1(matrix) == pytest.approx((0.75 + 0.5 + 0 + 0) / 4)


def test_scores_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(0)
    truth, logits = random.integers(0, 6, 300), random.normal(size=(300, 6))
    logits[np.arange(300), truth] += 1
    predicted, weight = logits.argmax(1), random.random(300)
    matrix = metrics.confusion(truth, predicted, 6, weight)
    assert np.allclose(matrix, confusion_matrix(truth, predicted, sample_weight=weight))
    assert metrics.balanced_accuracy(matrix) == pytest.approx(
        balanced_accuracy_score(truth, predicted, sample_weight=weight))
    assert metrics.macro_f1(matrix) == pytest.approx(f1_score(truth, predicted, average="macro", sample_weight=weight))
    for k in (1, 3):
        assert metrics.top_k_accuracy(truth, logits, k, weight) == pytest.approx(
            top_k_accuracy_score(truth, logits, k=k, sample_weight=weight))


def test_ties_do_not_count_as_found() -> None:
    assert metrics.top_k_accuracy(np.array([0]), np.zeros((1, 4)), 3) == 0
    assert metrics.top_k_accuracy(np.array([0]), np.zeros((1, 4)), 4) == 1


def test_shot_classes_have_the_stated_bounds() -> None:
    assert metrics.shot_class(np.array([0, 20, 21, 99, 100])).tolist() == ["few", "few", "medium", "medium", "many"]
    by_shot = metrics.recall_by_shot(np.array([0.2, 0.4, np.nan, 1.0]), np.array([3, 20, 5, 150]))
    assert by_shot["few"] == pytest.approx(0.3) and by_shot["many"] == 1 and np.isnan(by_shot["medium"])


def test_every_material_counts_once() -> None:
    weight = metrics.material_weights(np.array(["a", "a", "a", "b"]))
    matrix = metrics.confusion(np.zeros(4, int), np.array([0, 0, 0, 1]), 2, weight)
    assert metrics.recall_per_class(matrix)[0] == pytest.approx(0.5)


def test_calibration_by_hand() -> None:
    logits = np.log(np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]]))
    assert metrics.calibration_error(np.array([0, 1, 0]), logits, bins=10) == pytest.approx((0.8 + 0.4) / 3)


def test_the_bootstrap_resamples_whole_units() -> None:
    # One unit of each class is all right, the other all wrong: only 0, 1/2, 1 mixtures of whole units can come out.
    truth = np.repeat([0, 1], 6)
    predicted = np.where(np.tile([1, 1, 1, 0, 0, 0], 2), truth, 1 - truth)
    unit = np.repeat(["a", "b", "c", "d"], 3)
    recall = metrics.bootstrap_recall(truth, predicted, unit, 3, replicates=500, seed=0)
    assert recall.shape == (500, 3) and np.isnan(recall[:, 2]).all()
    found = recall[~np.isnan(recall[:, 0]), 0]
    assert set(np.round(found, 3)) <= {0, 0.25, 0.333, 0.5, 0.667, 0.75, 1}
    assert np.mean(found) == pytest.approx(0.5, abs=0.05)
    assert metrics.interval(found) == (0, 1)
    assert np.isnan(recall[:, 0]).any()  # a replicate may miss a class
    assert np.array_equal(recall, metrics.bootstrap_recall(truth, predicted, unit, 3, replicates=500, seed=0),
                          equal_nan=True)


def test_the_bootstrap_width_is_that_of_the_units_not_of_the_samples() -> None:
    random = np.random.default_rng(0)
    right = random.random(100) < 0.5
    truth, predicted = np.zeros(1000, int), np.where(np.repeat(right, 10), 0, 1)
    unit = np.repeat(np.arange(100).astype(str), 10)
    spread = metrics.bootstrap_recall(truth, predicted, unit, 2, replicates=2000, seed=0)[:, 0].std()
    assert spread == pytest.approx(0.05, rel=0.1)
