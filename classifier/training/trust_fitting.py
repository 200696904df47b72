"""Fit at the end of a training what tells a user how far to trust the classifier: on validation, never on test."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from classifier.foundation.errors import InputError
from classifier.network.azimuthal_features import LEAST_PIXELS
from classifier.pattern.intensity import stacks_at_once
from classifier.pattern.plausibility import Plausibility, measure
from classifier.prediction.feature_bank import FeatureBank, bank_rows
from classifier.prediction.one_crystal import AT_ONCE, OneCrystal, Patterns
from classifier.prediction.predict import TrainedClassifier, predict_features, predict_logits, predict_with_features
from classifier.prediction.trust import USUAL_DISTANCE, Trust
from classifier.samples.dataset import Frame, StackSet
from classifier.samples.measured_samples import Measurement
from classifier.statistics.calibration_choice import CalibrationConfig, fit_map
from classifier.statistics.calibration_maps import fit_temperature
from classifier.statistics.metrics import material_weights
from classifier.training.one_crystal_fitting import FEWEST as FEWEST_TO_MIX
from classifier.training.one_crystal_fitting import fit_one_crystal

FEWEST = 10  # validation stacks from which on it is worth fitting
MEASURED = 1024  # training stacks that the plausible ranges are taken over, at most


@dataclass(frozen=True, eq=False)
class Answered:
    """Logits float32 [N, K] of samples that the answering classifiers were not trained on, and the samples' labels."""

    logits: np.ndarray
    class_idx: np.ndarray
    material: np.ndarray
    structure_type: np.ndarray


def with_trust(classifier: TrainedClassifier, *, training: StackSet, validation: StackSet, shift_pixels: int,
               measurement: Measurement | None = None, calibration: CalibrationConfig | None = None,
               answered: Answered | None = None, notice_mixed_up: bool = False) -> TrainedClassifier:
    """The same classifier with its trust fitted on normalised samples; without any, where validation is too small.

    Parameters
    ----------
    classifier, training, validation : trained, and parts of its split
    shift_pixels : the largest shift among the augmentations of training, which it bears
    measurement : that the training drew copies of; trust is in measured stacks then
    calibration : of its probabilities, a temperature if not given
    answered : what probabilities are calibrated on in place of validation: answers of classifiers trained without it
    notice_mixed_up : whether to learn what patterns of one crystal share, see OneCrystal
    """
    if len(validation) < FEWEST:
        return replace(classifier, trust=None)
    model, transform = classifier.model, classifier.intensity
    rows, validation_rows = bank_rows(training.material, seed=0), bank_rows(validation.material, seed=0)
    space_group = np.asarray(classifier.class_map.space_groups)[training.class_idx.cpu().numpy()[rows]]
    bank = FeatureBank.build(np.concatenate([predict_features(model, *seen)
                                              for seen in _blocks(training, rows, measurement)]),
                             training.material[rows], space_group)
    measured = np.concatenate([
        measure(transform.denormalise(x).numpy(), transform, classifier.frame.grid, shift_pixels=shift_pixels)
        for x, _ in _blocks(training, rows[::-(-len(rows) // MEASURED)], measurement)])
    logits, features = (np.concatenate(column) for column in zip(*(
        predict_with_features(model, *seen) for seen in _blocks(validation, validation_rows, measurement)),
        strict=True))
    distance = np.sort(bank.distance(features))
    usual = distance[min(len(distance), int(np.ceil((len(distance) + 1) * USUAL_DISTANCE))) - 1]
    seen = _answered(logits, validation, validation_rows) if answered is None else answered
    kind = "temperature" if calibration is None else calibration.kind
    one_crystal = (_one_crystal(classifier, training, rows, validation, validation_rows, measurement)
                   if notice_mixed_up else None)
    return replace(classifier, trust=Trust(**_calibrated(seen, kind), usual_distance=float(usual), bank=bank,
                                           plausibility=Plausibility.fit(measured, shift_pixels),
                                           one_crystal=one_crystal))


def require_mixable(frame: Frame, *parts: StackSet) -> None:
    """Refuse (InputError) to learn what patterns of one crystal share from stacks that cannot show it."""
    size, recorded = frame.detector.size_pixels, [part.shortest_g for part in parts]
    known = all(lengths is not None and bool((lengths > 0).all()) for lengths in recorded)
    canonical = frame.pose == "canonical" and frame.detector.unit == "shortest_g"
    if not (canonical and known and size >= LEAST_PIXELS and len(parts[0]) >= FEWEST_TO_MIX):
        raise InputError(source="notice_mixed_up", remedy="Leave it out, or give such stacks.",
                         rule=f"needs {FEWEST_TO_MIX} training stacks of {LEAST_PIXELS} pixels in canonical pose, "
                         "shortest_g_inv_angstrom on record",
                         value=f"{len(parts[0])} stacks of {size} pixels, {frame.pose} pose, |g1| "
                         + ("on record" if known else "not on record"))


def _one_crystal(classifier: TrainedClassifier, training: StackSet, rows: np.ndarray, validation: StackSet,
                 validation_rows: np.ndarray, measurement: Measurement | None) -> OneCrystal:
    """What notices mixed-up crystals, taught by the given rows of training and validation."""
    require_mixable(classifier.frame, training, validation)
    pixels = 1 / classifier.frame.detector.pixel_size
    patterns = []
    for samples, some in ((training, rows), (validation, validation_rows)):
        start, parts, lengths = 0, [], np.asarray(samples.shortest_g)[some]
        for x, _ in _blocks(samples, some, measurement):
            recorded = torch.from_numpy(lengths[start:start + len(x)]).float()
            start += len(x)
            parts.extend(Patterns.of(*block, shortest_g_pixels=pixels) for block in zip(
                x.split(AT_ONCE), torch.as_tensor(classifier.intensity.denormalise(x)).split(AT_ONCE),
                recorded.split(AT_ONCE), strict=True))
        patterns.append(Patterns.concatenate(parts))
    return fit_one_crystal(patterns[0], training.class_idx.cpu().numpy()[rows], patterns[1], seed=0)


def recalibrated(classifier: TrainedClassifier, validation: StackSet, measurement: Measurement | None = None
                 ) -> TrainedClassifier:
    """The same classifier, of which only the head was changed, calibrated anew; measurement: as in with_trust."""
    if classifier.trust is None:
        return classifier
    rows, before = bank_rows(validation.material, seed=0), classifier.trust.calibration
    logits = np.concatenate([predict_logits(classifier.model, *seen)
                             for seen in _blocks(validation, rows, measurement)])
    kind = "temperature" if before is None else before.map.kind
    fitted = _calibrated(_answered(logits, validation, rows), kind)
    return replace(classifier, trust=replace(classifier.trust, **fitted))


def _answered(logits: np.ndarray, samples: StackSet, rows: np.ndarray) -> Answered:
    """Logits [V, K] of the `rows` of samples with their labels."""
    return Answered(logits, samples.class_idx.cpu().numpy()[rows], samples.material[rows], samples.structure_type[rows])


def _calibrated(seen: Answered, kind: str) -> dict[str, Any]:
    """What a Trust keeps of its calibration, fitted on answered samples.

    Every group weighs the same, and in it every material: how often a user's crystals have which, nobody knows.
    """
    weight = material_weights(seen.material)
    weight = weight / np.bincount(seen.class_idx, weight)[seen.class_idx]
    weight *= len(weight) / weight.sum()
    given = seen.logits, seen.class_idx, weight
    # Where structure types are not known, nothing but the material tells what belongs together.
    unit = np.where(seen.structure_type == "", seen.material, seen.structure_type)
    return {"temperature": fit_temperature(*given), "logits": seen.logits, "class_idx": seen.class_idx,
            "weight": weight, "calibration": None if kind == "temperature" else fit_map(kind, *given, unit)}


def _blocks(samples: StackSet, rows: np.ndarray, measurement: Measurement | None = None
            ) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Stacks and poses of some samples, of so many at a time as memory has room for; measured ones where given."""
    at_once = stacks_at_once(samples.x.shape[1:])
    for start in range(0, len(rows), at_once):
        part = rows[start:start + at_once]
        x = samples.x[part].cpu()
        yield x if measurement is None else measurement.of(x, samples.sample_id[part]), (
            None if samples.pose is None else samples.pose[part].cpu())
