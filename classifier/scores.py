"""The scores that go into result.json: one part of the predictions, counted in materials, with intervals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from classifier import metrics
from classifier.predict import Predictions

REPLICATES = 1000  # of the bootstrap


def score(predictions: Predictions, training_materials: np.ndarray) -> dict[str, Any]:
    """Score predictions whose truth is known; training_materials int [K] by class. Undefined numbers are None.

    Every material counts once, however many samples it has. Intervals (95 %) come from resampling structure types, or
    materials where types are unknown.
    """
    class_map, logits = predictions.class_map, predictions.logits
    if not len(logits):
        return {"samples": 0, "materials": 0}
    truth, predicted = class_map.indices(predictions.space_group), logits.argmax(axis=1)
    weight = metrics.material_weights(predictions.material)
    matrix = metrics.confusion(truth, predicted, len(class_map), weight)
    recall = metrics.recall_per_class(matrix)
    known = (predictions.structure_type != "").all()
    unit = np.char.add(predictions.space_group.astype(str), np.char.add(
        " ", predictions.structure_type if known else predictions.material))
    resampled = metrics.bootstrap_recall(truth, predicted, unit, len(class_map), replicates=REPLICATES, seed=0,
                                         weight=weight)
    materials = np.rint(matrix.sum(axis=1)).astype(int)
    samples = np.bincount(truth, minlength=len(class_map))
    few = metrics.shot_class(training_materials) == "few"
    return _plain({
        "samples": len(truth), "materials": int(materials.sum()),
        "resampled_by": "structure_type" if known else "material",
        "top_1": metrics.top_k_accuracy(truth, logits, 1, weight),
        "top_6": metrics.top_k_accuracy(truth, logits, 6, weight),
        "balanced_accuracy": metrics.balanced_accuracy(matrix),
        "balanced_accuracy_interval": metrics.interval(metrics.mean_present(resampled)),
        "few_recall_interval": metrics.interval(metrics.mean_present(resampled[:, few])),
        "macro_f1": metrics.macro_f1(matrix),
        "calibration_error": metrics.calibration_error(truth, logits, weight=weight),
        "recall_by_shot": metrics.recall_by_shot(recall, training_materials),
        "groups": {str(group): {"recall": float(recall[index]), "materials": int(materials[index]),
                                "samples": int(samples[index]), "training_materials": int(training_materials[index])}
                   for index, group in enumerate(class_map.space_groups)}})


def _plain(value: Any) -> Any:
    """JSON content with None for what is undefined, instead of NaN, which is not JSON."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
