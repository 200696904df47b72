import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, top_k_accuracy_score

from classifier.statistics import metrics

TRUTH = np.array([0, 0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 0, 1, 1, 0, 3])


def test_scores_by_hand() -> None:
    matrix = metrics.confusion(TRUTH, PREDICTED, 5)
    assert matrix[0].tolist() == [3, 1, 0, 0, 0] and matrix[2].tolist() == [0, 0, 0, 1, 0]
    recall = metrics.recall_per_class(matrix)
    assert recall[:3].tolist() == [0.75, 0.5, 0] and np.isnan(recall[3:]).all()
    assert metrics.balanced_accuracy(matrix) == pytest.approx(1.25 / 3)
    assert metrics.macro_f1(matrix) == pytest.approx((0.75 + 0.5 + 0 + 0) / 4)


def test_materials_are_counted_once_in_each_class_that_has_them() -> None:
    class_idx, material = np.array([0, 0, 0, 2, 2, 0]), np.array(["a", "a", "b", "c", "b", "a"])
    assert metrics.materials_per_class(class_idx, material, 4).tolist() == [2, 0, 2, 0]


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
    within = np.average(metrics.found_within(truth, logits, 3), axis=0, weights=weight)
    for k in (1, 3):
        assert within[k - 1] == pytest.approx(top_k_accuracy_score(truth, logits, k=k, sample_weight=weight))


def test_ties_do_not_count_as_found() -> None:
    assert metrics.found_within(np.array([0]), np.zeros((1, 4)), 4).tolist() == [[False, False, False, True]]


def test_accuracy_within_is_cumulative() -> None:
    logits = np.array([[3.0, 2.0, 1.0, 0.0], [0.0, 1.0, 2.0, 3.0], [1.0, 3.0, 2.0, 0.0]])
    found = metrics.found_within(np.array([0, 1, 0]), logits, 6)
    assert found.sum(axis=0).tolist() == [1, 1, 3, 3, 3, 3]  # ranks 1, 3 and 3; beyond K all are found


def test_the_batch_averaged_f1_is_not_the_f1_of_the_set() -> None:
    # One of four samples is wrong. Alone in its batch it has F1 0, the others 1; over the set F1 is 4/5 and 2/3.
    truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0])
    assert metrics.batch_averaged_f1(truth, predicted, 2, batch=1, seed=0) == pytest.approx(3 / 4)
    whole = metrics.macro_f1(metrics.confusion(truth, predicted, 2))
    assert whole == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert metrics.batch_averaged_f1(truth, predicted, 2, batch=4, seed=0) == pytest.approx(whole)


def test_the_batch_averaged_f1_is_scikit_learns_batch_by_batch() -> None:
    random = np.random.default_rng(1)
    truth, predicted = random.integers(0, 9, 100), random.integers(0, 9, 100)
    order = np.random.default_rng(7).permutation(100)
    batches = [f1_score(truth[part], predicted[part], average="macro") for part in np.split(order, [32, 64, 96])]
    assert metrics.batch_averaged_f1(truth, predicted, 9, batch=32, seed=7) == pytest.approx(np.mean(batches))


def test_shot_classes_have_the_stated_bounds() -> None:
    assert metrics.shot_class(np.array([0, 20, 21, 99, 100])).tolist() == ["few", "few", "medium", "medium", "many"]


def test_every_material_counts_once() -> None:
    weight = metrics.material_weights(np.array(["a", "a", "a", "b"]))
    matrix = metrics.confusion(np.zeros(4, int), np.array([0, 0, 0, 1]), 2, weight)
    assert metrics.recall_per_class(matrix)[0] == pytest.approx(0.5)


def test_calibration_by_hand() -> None:
    logits = np.log(np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]]))
    assert metrics.calibration_error(np.array([0, 1, 0]), logits, bins=10) == pytest.approx((0.8 + 0.4) / 3)
