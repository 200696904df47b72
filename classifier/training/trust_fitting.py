"""Fit at the end of a training what tells a user how far to trust the classifier: on validation, never on test."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from torch import Tensor

from classifier.pattern.intensity import stacks_at_once
from classifier.pattern.plausibility import Plausibility, measure
from classifier.prediction.feature_bank import FeatureBank, bank_rows
from classifier.prediction.predict import TrainedClassifier, predict_features, predict_logits, predict_with_features
from classifier.prediction.trust import USUAL_DISTANCE, Trust, fit_temperature
from classifier.samples.dataset import StackSet
from classifier.samples.measured_samples import Measurement
from classifier.statistics.metrics import material_weights

FEWEST = 10  # validation stacks from which on it is worth fitting
MEASURED = 1024  # training stacks that the plausible ranges are taken over, at most


def with_trust(classifier: TrainedClassifier, *, training: StackSet, validation: StackSet,
               shift_pixels: int, measurement: Measurement | None = None) -> TrainedClassifier:
    """The same classifier with its trust fitted on normalised samples; without any, where validation is too small.

    Parameters
    ----------
    classifier, training, validation : trained, and parts of its split
    shift_pixels : the largest shift among the augmentations of training, which it bears
    measurement : that the training drew copies of; trust is in measured stacks then
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
        measure(transform.denormalise(x).numpy(), transform, classifier.frame.detector, shift_pixels=shift_pixels)
        for x, _ in _blocks(training, rows[::-(-len(rows) // MEASURED)], measurement)])
    logits, features = (np.concatenate(column) for column in zip(*(
        predict_with_features(model, *seen) for seen in _blocks(validation, validation_rows, measurement)),
        strict=True))
    distance = np.sort(bank.distance(features))
    usual = distance[min(len(distance), int(np.ceil((len(distance) + 1) * USUAL_DISTANCE))) - 1]
    return replace(classifier, trust=Trust(*_calibration(logits, validation, validation_rows), float(usual), bank,
                                           Plausibility.fit(measured, shift_pixels)))


def recalibrated(classifier: TrainedClassifier, validation: StackSet, measurement: Measurement | None = None
                 ) -> TrainedClassifier:
    """The same classifier, of which only the head was changed, with its temperature fitted anew; as in with_trust."""
    if classifier.trust is None:
        return classifier
    rows = bank_rows(validation.material, seed=0)
    logits = np.concatenate([predict_logits(classifier.model, *seen)
                             for seen in _blocks(validation, rows, measurement)])
    temperature, logits, class_idx, weight = _calibration(logits, validation, rows)
    return replace(classifier, trust=replace(classifier.trust, temperature=temperature, logits=logits,
                                             class_idx=class_idx, weight=weight))


def _calibration(logits: np.ndarray, validation: StackSet, rows: np.ndarray
                 ) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Temperature, and the logits [V, K], class_idx [V] and weights [V] of the `rows` that it was fitted on.

    Every group weighs the same, and in it every material: how often a user's crystals have which, nobody knows.
    """
    class_idx, weight = validation.class_idx.cpu().numpy()[rows], material_weights(validation.material[rows])
    weight = weight / np.bincount(class_idx, weight)[class_idx]
    weight *= len(weight) / weight.sum()
    return fit_temperature(logits, class_idx, weight), logits, class_idx, weight


def _blocks(samples: StackSet, rows: np.ndarray, measurement: Measurement | None = None
            ) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Stacks and poses of some samples, of so many at a time as memory has room for; measured ones where given."""
    at_once = stacks_at_once(samples.x.shape[1:])
    for start in range(0, len(rows), at_once):
        part = rows[start:start + at_once]
        x = samples.x[part].cpu()
        yield x if measurement is None else measurement.of(x, samples.sample_id[part]), (
            None if samples.pose is None else samples.pose[part].cpu())
