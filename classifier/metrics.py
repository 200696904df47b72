"""How well predictions fit the truth: pure functions of numpy arrays, always over the whole set, never over batches."""

from __future__ import annotations

import numpy as np

SHOT_CLASSES = ("few", "medium", "many")


def shot_class(training_materials: np.ndarray) -> np.ndarray:
    """Name the shot class of each group, str [K], from its number of training materials, int [K].

    few <= 20, medium 21 to 99, many >= 100 (thresholds of Liu et al. 2019, arXiv 1904.05160, counted in materials).
    """
    counts = np.asarray(training_materials)
    return np.where(counts <= 20, "few", np.where(counts >= 100, "many", "medium"))


def material_weights(material: np.ndarray) -> np.ndarray:
    """Weights float64 [N] by which every material counts once, however many samples it has."""
    _, code, count = np.unique(material, return_inverse=True, return_counts=True)
    return 1 / count[code]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Class probabilities float64 [N, K] of logits [N, K]."""
    shifted = np.asarray(logits, dtype=np.float64)
    shifted = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int, weight: np.ndarray | None = None) -> np.ndarray:
    """Confusion matrix float64 [K, K], rows true class_idx, columns predicted; weight [N] defaults to 1 each."""
    flat = np.bincount(np.asarray(truth) * classes + np.asarray(predicted), weight, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.float64)


def recall_per_class(matrix: np.ndarray) -> np.ndarray:
    """Recall float64 [K] of a confusion matrix [K, K]; NaN for a class that is absent from the truth."""
    return _ratio(np.diagonal(matrix), matrix.sum(axis=1))


def balanced_accuracy(matrix: np.ndarray) -> float:
    """Mean recall over the classes present in the truth, from a confusion matrix [K, K]."""
    return _mean(recall_per_class(matrix))


def macro_f1(matrix: np.ndarray) -> float:
    """Mean F1 over the classes present in the truth or among the predictions, from a confusion matrix [K, K]."""
    return _mean(_ratio(2 * np.diagonal(matrix), matrix.sum(axis=0) + matrix.sum(axis=1)))


def top_k_accuracy(truth: np.ndarray, logits: np.ndarray, k: int, weight: np.ndarray | None = None) -> float:
    """Weighted share of samples whose true class_idx [N] is among the k largest of logits [N, K].

    Ties count against the sample: a class that scores no more than k others has not been found.
    """
    own = np.take_along_axis(logits, np.asarray(truth)[:, None], axis=1)
    rank = (logits >= own).sum(axis=1) - 1
    return float(np.average(rank < k, weights=weight)) if len(logits) else float("nan")


def recall_by_shot(recall: np.ndarray, training_materials: np.ndarray) -> dict[str, float]:
    """Mean recall of few, medium and many groups, from recall [K] and training materials [K]; NaN for none."""
    name = shot_class(training_materials)
    return {shot: _mean(recall[name == shot]) for shot in SHOT_CLASSES}


def calibration_error(truth: np.ndarray, logits: np.ndarray, bins: int = 15, weight: np.ndarray | None = None) -> float:
    """Expected calibration error: mean |accuracy - confidence| over equal bins of confidence.

    Guo et al. 2017, arXiv 1706.04599, eq. 3.
    """
    probability = softmax(logits)
    confidence = probability.max(axis=1)
    correct = probability.argmax(axis=1) == truth
    weight = np.ones(len(confidence)) if weight is None else weight
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gap = np.bincount(place, weight * (correct - confidence), minlength=bins)
    return float(np.abs(gap).sum() / weight.sum())


def bootstrap_recall(truth: np.ndarray, predicted: np.ndarray, unit: np.ndarray, classes: int, *, replicates: int,
                     seed: int, weight: np.ndarray | None = None) -> np.ndarray:
    """Recall per class of resampled sets, float64 [replicates, K]; NaN where a replicate holds nothing of a class.

    unit: label [N] of what is independent (material, or structure type); whole units are drawn with replacement, over
    all classes together, so that a class of one unit does not look certain.
    """
    names, code = np.unique(unit, return_inverse=True)
    weight = np.ones(len(code)) if weight is None else weight
    hit = np.asarray(predicted) == np.asarray(truth)
    total = np.zeros((len(names), classes))
    hits = np.zeros((len(names), classes))
    np.add.at(total, (code, truth), weight)
    np.add.at(hits, (code, truth), weight * hit)
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=replicates)
    return _ratio(drawn @ hits, drawn @ total)


def mean_present(values: np.ndarray) -> np.ndarray:
    """Mean float64 [R] over the entries of each row of [R, K] that are not NaN; NaN for a row without any."""
    present = ~np.isnan(values)
    return _ratio(np.where(present, values, 0).sum(axis=1), present.sum(axis=1))


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap replicates [R], those that are NaN left out."""
    if np.isnan(values).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)


def _mean(values: np.ndarray) -> float:
    return float(mean_present(values[None])[0])
