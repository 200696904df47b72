"""How well predictions fit the truth: pure functions of numpy arrays, always over the whole set, never over batches."""

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

SHOT_CLASSES = ("few", "medium", "many")


def shot_class(training_materials: Int[np.ndarray, "*K"]) -> Shaped[np.ndarray, "*K"]:
    """Name the shot class of each group, from its number of training materials.

    few <= 20, medium 21 to 99, many >= 100 (thresholds of Liu et al. 2019, arXiv 1904.05160, counted in materials).
    """
    counts = np.asarray(training_materials)
    return np.where(counts <= 20, "few", np.where(counts >= 100, "many", "medium"))


def material_weights(material: Shaped[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Weights of samples by which every material counts once, however many samples it has."""
    _, code, count = np.unique(material, return_inverse=True, return_counts=True)
    return 1 / count[code]


def materials_per_class(class_idx: Int[np.ndarray, " N"], material: Shaped[np.ndarray, " N"], classes: int
                        ) -> Int[np.ndarray, " K"]:
    """Number of materials of each class, from the class and the material of each sample."""
    _, code = np.unique(material, return_inverse=True)
    return np.bincount(np.unique(np.stack([class_idx, code]), axis=1)[0], minlength=classes)


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, of one shape; NaN where the whole is nothing."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)


def softmax(logits: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N K"]:
    """Class probabilities, float64."""
    shifted = np.asarray(logits, dtype=np.float64)
    shifted = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def confusion(truth: Int[np.ndarray, " N"], predicted: Int[np.ndarray, " N"], classes: int,
              weight: Float[np.ndarray, " N"] | None = None) -> Float[np.ndarray, "K K"]:
    """Confusion matrix, rows true class_idx, columns predicted.

    Parameters
    ----------
    truth, predicted : class_idx of each sample
    classes : K
    weight : of each, 1 by default
    """
    flat = np.bincount(np.asarray(truth) * classes + np.asarray(predicted), weight, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.float64)


def recall_per_class(matrix: Float[np.ndarray, "K K"]) -> Float[np.ndarray, " K"]:
    """Recall of a confusion matrix; NaN for a class that is absent from the truth."""
    return ratio(np.diagonal(matrix), matrix.sum(axis=1))


def balanced_accuracy(matrix: Float[np.ndarray, "K K"]) -> float:
    """Mean recall over the classes present in the truth, from a confusion matrix."""
    return _mean(recall_per_class(matrix))


def macro_f1(matrix: Float[np.ndarray, "K K"]) -> float:
    """Mean F1 over the classes present in the truth or among the predictions, from a confusion matrix."""
    return _mean(ratio(2 * np.diagonal(matrix), matrix.sum(axis=0) + matrix.sum(axis=1)))


def batch_averaged_f1(truth: Int[np.ndarray, " N"], predicted: Int[np.ndarray, " N"], classes: int, *, batch: int,
                      seed: int) -> float:
    """Mean of the macro-F1 of batches of samples in a drawn order.

    This, over shuffled batches of 32, is what the STEMDL reference (MLCommons Science) reports as its F1. A batch holds
    few samples of few groups, so that the number differs from `macro_f1` of the set and the two cannot be compared.

    Parameters
    ----------
    truth, predicted : class_idx of each sample
    classes : K
    batch : samples; the last batch may be smaller
    seed : of the order
    """
    order = np.random.default_rng(seed).permutation(len(truth))
    parts = (order[start:start + batch] for start in range(0, len(order), batch))
    return _mean(np.array([macro_f1(confusion(truth[part], predicted[part], classes)) for part in parts]))


def found_within(truth: Int[np.ndarray, " N"], logits: Float[np.ndarray, "N K"], most: int
                 ) -> Bool[np.ndarray, "N {most}"]:
    """Whether the true class_idx is among the first i = 1..most answers.

    Means over samples are A_i of Liu et al. 2019 (Acta Cryst. A 75, 633); A_i - A_(i-1) says what the i-th answer adds.
    Ties count against the sample: a class that scores no more than k others has not been found within k.
    """
    own = np.take_along_axis(logits, np.asarray(truth)[:, None], axis=1)
    others = (logits >= own).sum(axis=1) - 1
    return others[:, None] < np.arange(1, most + 1)


def calibration_error(truth: Int[np.ndarray, " N"], logits: Float[np.ndarray, "N K"], bins: int = 15,
                      weight: Float[np.ndarray, " N"] | None = None) -> float:
    """Expected calibration error (Guo et al. 2017, arXiv 1706.04599, eq. 3): mean |accuracy - confidence| over bins.

    Parameters
    ----------
    truth : class_idx of each sample
    logits : what it was answered
    bins : of confidence, of equal width
    weight : of each sample, 1 by default
    """
    probability = softmax(logits)
    confidence = probability.max(axis=1)
    correct = probability.argmax(axis=1) == truth
    weight = np.ones(len(confidence)) if weight is None else weight
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gap = np.bincount(place, weight * (correct - confidence), minlength=bins)
    return float(np.abs(gap).sum() / weight.sum())


def mean_present(values: Float[np.ndarray, "R K"]) -> Float[np.ndarray, " R"]:
    """Mean over the entries of each row that are not NaN; NaN for a row without any."""
    present = ~np.isnan(values)
    return ratio(np.where(present, values, 0).sum(axis=1), present.sum(axis=1))


def interval(values: Float[np.ndarray, " R"], level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap replicates, those that are NaN left out."""
    if np.isnan(values).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _mean(values: np.ndarray) -> float:
    return float(mean_present(values[None])[0])
