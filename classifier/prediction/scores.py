"""The scores that go into result.json: one part of the predictions, counted in materials, with intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from classifier.crystal.levels import LEVELS, level_index, level_probabilities
from classifier.crystal.separation import SEPARATIONS, separation_matrix
from classifier.crystal.subgroups import direct_edges
from classifier.foundation.atomic import plain
from classifier.pattern.condition import Condition
from classifier.pattern.measurement import CONDITIONS
from classifier.prediction.predict import Predictions, TrainedClassifier, predictions_path
from classifier.samples.dataset import StackSet
from classifier.samples.measured_samples import Measurement
from classifier.statistics import metrics
from classifier.statistics.bootstrap import Bootstrap
from classifier.statistics.calibration import Reliability, accuracy_at_coverage, confidence_and_right
from classifier.statistics.measured import Measured
from classifier.statistics.subgroup_errors import error_shares

REPLICATES = 1000  # of the bootstrap
MOST_ANSWERS = 6  # of A_i
CONFIDENCE_BINS = 15
COVERAGE = np.arange(1, 21) / 20  # shares of the samples that are answered
STEMDL_BATCH = 32  # samples in a batch of the reference's validation
SHUFFLE_SEED = 0


def measure(predictions: Predictions, training_materials: np.ndarray | None) -> Measured:
    """Measure predictions, at least one, whose truth is known; training_materials int [K] by class, None if unknown.

    Every material counts once, however many samples it has. Structure types are resampled, or materials where types
    are unknown.
    """
    class_map, logits = predictions.class_map, predictions.logits
    truth, predicted = class_map.indices(predictions.space_group), logits.argmax(axis=1)
    has_types = (predictions.structure_type != "").all()
    unit = np.char.add(predictions.space_group.astype(str), np.char.add(
        " ", predictions.structure_type if has_types else predictions.material))
    drawn = Bootstrap.draw(unit, replicates=REPLICATES, seed=0, weight=metrics.material_weights(predictions.material))
    recall = drawn.recall(truth, predicted, len(class_map))
    within = drawn.means(metrics.found_within(truth, logits, MOST_ANSWERS))
    reliability = Reliability.of(truth, logits, drawn, CONFIDENCE_BINS)
    separated_by = separation_matrix(class_map) == np.arange(len(SEPARATIONS))[:, None, None]
    shares, nulls = error_shares(truth, predicted, np.stack([direct_edges(class_map), *separated_by]), drawn)
    share, by_chance = shares[:, 0], nulls[:, 0]
    values = {
        "recall": recall, "balanced_accuracy": metrics.mean_present(recall),
        "macro_f1": drawn.macro_f1(truth, predicted, len(class_map)),
        "accuracy_within": within, "accuracy_gain": np.diff(within, axis=1),
        "calibration_error": reliability.calibration_error(), "bin_share": reliability.share,
        "bin_confidence": reliability.confidence, "bin_accuracy": reliability.accuracy,
        "accuracy_at_coverage": accuracy_at_coverage(*confidence_and_right(truth, logits), drawn, COVERAGE),
        "direct_edge_share": share, "direct_edge_share_by_chance": by_chance,
        "direct_edge_enrichment": metrics.ratio(share, by_chance),
        "separation_errors": drawn.means(separated_by[:, truth, predicted].T), "separation_share": shares[:, 1:],
        "separation_share_by_chance": nulls[:, 1:],
        "separation_enrichment": metrics.ratio(shares[:, 1:], nulls[:, 1:])}
    for level in LEVELS:
        own = level_index(predictions.space_group, level)
        answer = level_probabilities(logits, class_map, level)
        values[f"{level}_accuracy"] = drawn.means(answer.argmax(axis=1) == own)
        values[f"{level}_balanced_accuracy"] = metrics.mean_present(
            drawn.recall(own, answer.argmax(axis=1), answer.shape[1]))
    if training_materials is not None:
        shot = metrics.shot_class(training_materials)
        values |= {f"{name}_recall": metrics.mean_present(recall[:, shot == name]) for name in metrics.SHOT_CLASSES}
    return Measured(values, "structure_type" if has_types else "material")


def score(predictions: Predictions, training_materials: np.ndarray) -> dict[str, Any]:
    """Score predictions whose truth is known as JSON content; undefined numbers are None.

    training_materials: int [K] by class. Intervals (95 %) come from resampling structure types, or materials. Where it
    is known how crystals were derived, "derivations" holds the same of real-derived and of random ones apart.
    """
    apart = {name: {"structure_types": count_types(some), **_score(some, training_materials)}
             for name, some in predictions.by_derivation().items()}
    return _score(predictions, training_materials) | ({"derivations": apart} if apart else {})


def _score(predictions: Predictions, training_materials: np.ndarray) -> dict[str, Any]:
    class_map = predictions.class_map
    if not len(predictions.logits):
        return {"samples": 0, "materials": 0}
    truth = class_map.indices(predictions.space_group)
    measured = measure(predictions, training_materials)
    within, recall = measured.estimate("accuracy_within"), measured.estimate("recall")
    materials = metrics.materials_per_class(truth, predictions.material, len(class_map))
    samples = np.bincount(truth, minlength=len(class_map))
    return plain({
        "samples": len(truth), "materials": int(materials.sum()), "resampled_by": measured.unit,
        "top_1": within[0], "top_6": within[-1], "accuracy_within": within,
        "accuracy_within_intervals": measured.intervals("accuracy_within"),
        "accuracy_gain": measured.estimate("accuracy_gain"),
        **{key: value for name in ("balanced_accuracy", "macro_f1", "calibration_error", "direct_edge_share",
                                   "direct_edge_share_by_chance", "direct_edge_enrichment")
           for key, value in ((name, measured.estimate(name)), (f"{name}_interval", measured.interval(name)))},
        "few_recall_interval": measured.interval("few_recall"),
        "recall_by_shot": {shot: measured.estimate(f"{shot}_recall") for shot in metrics.SHOT_CLASSES},
        "batch_averaged_f1": batch_averaged_f1(predictions), "batch_averaged_f1_batch": STEMDL_BATCH,
        "levels": {level: {key: value for name in ("accuracy", "balanced_accuracy")
                           for key, value in ((name, measured.estimate(f"{level}_{name}")),
                                              (f"{name}_interval", measured.interval(f"{level}_{name}")))}
                   for level in LEVELS},
        "coverage": COVERAGE.tolist(), "accuracy_at_coverage": measured.estimate("accuracy_at_coverage"),
        "reliability": {name: measured.estimate(f"bin_{name}") for name in ("share", "confidence", "accuracy")},
        "groups": {str(group): {"recall": recall[index], "materials": int(materials[index]),
                                "samples": int(samples[index]), "training_materials": int(training_materials[index])}
                   for index, group in enumerate(class_map.space_groups)}})


def count_types(predictions: Predictions) -> int:
    """Number of structure types, each of one space group, among the samples."""
    return len(set(zip(predictions.space_group.tolist(), predictions.structure_type.tolist(), strict=True)))


def batch_averaged_f1(predictions: Predictions) -> float:
    """The F1 as the STEMDL reference averages it, for comparison with its published 0.43 only."""
    truth = predictions.class_map.indices(predictions.space_group)
    return metrics.batch_averaged_f1(truth, predictions.logits.argmax(axis=1), len(predictions.class_map),
                                     batch=STEMDL_BATCH, seed=SHUFFLE_SEED)


def score_conditions(classifier: TrainedClassifier, parts: Mapping[str, StackSet], conditions: Sequence[Condition], *,
                     folder: Path, provenance: dict[str, Any]) -> dict[str, Any]:
    """Predict and score parts under conditions: {"conditions": {condition: {part: scores}}}, {} where none is asked.

    Parameters
    ----------
    classifier, parts : and the normalised samples of each part
    conditions : of the measurement; each leaves its predictions in the folder
    folder, provenance : of the run
    """
    told, materials = {}, classifier.training_materials.numpy()
    for name in conditions:
        measurement = Measurement(CONDITIONS[name], classifier.intensity, grid=classifier.frame.grid)
        predictions = Predictions.concatenate([
            Predictions.of(classifier, measurement.samples(samples), part=part,
                           provenance={**provenance, "condition": name}) for part, samples in parts.items()])
        predictions.save(predictions_path(folder, name))
        told[name] = {part: score(predictions.take(part), materials) for part in parts}
    return {"conditions": told} if told else {}
