"""What a network may want of its samples beside the stacks: pose features as an input, targets of added tasks."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from classifier.network.pose_input import load_pose_features
from classifier.network.stack_classifier import NetworkKind, StackClassifier
from classifier.network.task_heads import TaskHeads
from classifier.network.tasks import check_training_targets, targets
from classifier.prediction.predict import PREDICT_AT_ONCE, TrainedClassifier, predict_features
from classifier.prediction.task_answers import named_answers
from classifier.prediction.task_scores import score_tasks
from classifier.samples.dataset import StackSet
from classifier.samples.measured_samples import Measurement
from classifier.samples.stackfile import StackFile, opened
from classifier.samples.viewed import rows_of
from classifier.statistics.metrics import material_weights

FITTED = 4096  # measured stacks that scales are taken from


def with_side_data(samples: StackSet, stacks: Path | StackFile, model: NetworkKind, cache: Path | None = None
                   ) -> StackSet:
    """The same samples of a stack file with what a network of this kind wants beside them; InputError if unknown.

    cache: folder that keeps pose features, see load_pose_features.
    """
    sample_ids, pose, wanted = samples.sample_id.tolist(), None, None
    with opened(stacks) as file:
        if model.pose_input:
            pose = load_pose_features(file, sample_ids, cache)
        if model.tasks is not None:
            table = file.table.take(rows_of(file, sample_ids))
            wanted = torch.from_numpy(targets(table, tuple(model.tasks.weights), source=file.path))
    return replace(samples, pose=pose, task_target=wanted)


def fit_side_data(network: StackClassifier, training: StackSet, *, source: object,
                  measurement: Measurement | None = None) -> None:
    """Give a new network the scales of the training part's stacks and pose features, and of its task targets.

    Parameters
    ----------
    network, training : the samples that it will see
    source : named in errors
    measurement : that the training draws copies of; the scales are those of measured stacks then, FITTED at most
    """
    device = next(network.parameters()).device
    if measurement is None:
        network.fit(training.x)
    else:
        rows = np.arange(min(len(training), FITTED)) * len(training) // min(len(training), FITTED)
        network.fit(measurement.samples(training, rows).x)
    if network.pose is not None and training.pose is not None:
        network.pose.fit(training.pose.to(device))
    if network.tasks is not None and training.task_target is not None:
        check_training_targets(training.task_target.cpu().numpy(), tuple(network.tasks.columns), source=source)
        network.tasks.fit(training.task_target.to(device))


def task_answers(heads: TaskHeads, features: Float[np.ndarray, "N F"]) -> Float[np.ndarray, "N T"]:
    """Answers to the added tasks, columns as in tasks.columns_of, from the network's features."""
    device = next(heads.parameters()).device
    with torch.inference_mode():
        return torch.cat([heads.answers(heads(part.to(device))).cpu()
                          for part in torch.from_numpy(features).split(PREDICT_AT_ONCE)]).numpy()


def properties(classifiers: Sequence[TrainedClassifier], told: Sequence[np.ndarray | None]) -> list[dict[str, Any]]:
    """What the heads of added tasks say of each stack in words and units; [] where no classifier has any.

    told: task_answers [N, T] of each classifier, None of one without tasks; the mean counts, over those with the same
    tasks as the first that has some.
    """
    tasks = [tuple(classifier.model.tasks.columns) if classifier.model.tasks is not None else ()
             for classifier in classifiers]
    first = next(filter(None, tasks), ())
    alike = [answers for columns, answers in zip(tasks, told, strict=True) if columns == first and answers is not None]
    return named_answers(np.mean(alike, axis=0), first) if first else []


def scores_of_tasks(network: StackClassifier, samples: StackSet) -> dict[str, Any]:
    """{"tasks": scores of the added tasks, each beside what the training mean scores}; {} where there are none."""
    if network.tasks is None or samples.task_target is None or not len(samples):
        return {}
    answers = task_answers(network.tasks, predict_features(network, samples.x, samples.pose))
    has_types = (samples.structure_type != "").all()
    group = np.char.add(samples.class_idx.cpu().numpy().astype(str), " ")
    unit = np.char.add(group, samples.structure_type if has_types else samples.material)
    return {"tasks": score_tasks(
        answers, samples.task_target.cpu().numpy(), network.tasks.mean.cpu().numpy(), tuple(network.tasks.columns),
        weight=material_weights(samples.material), unit=unit)}
