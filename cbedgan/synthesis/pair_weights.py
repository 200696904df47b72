"""How much of a group's boundary stacks lie beside each partner: all alike, or as classifiers confuse the two."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from cbedgan.boundary.pairs import soft_confusion
from classifier.prediction.predict import load_classifier, predict_logits
from classifier.prediction.side_data import with_side_data
from classifier.samples.dataset import load_stack_set
from classifier.samples.split import Split
from classifier.samples.stackfile import StackFile
from classifier.statistics.metrics import softmax

FLOOR = 0.01  # of a pair's confusion, so that no pair gets nothing for never having been confused on validation
Weight = Callable[[int, int], float]
"""Of a group and a partner."""


def even(space_group: int, partner: int) -> float:
    """All pairs alike."""
    return 1.0


def confused(classifiers: Sequence[Path], stacks: StackFile, split: Split) -> Weight:
    """The probability, in the mean over validation stacks, that either group is given by classifiers to the other's.

    Parameters
    ----------
    classifiers : whose probabilities are averaged, of this split
    stacks, split : real stacks; a group without validation stacks is confused with none
    """
    matrices = []
    for path in classifiers:
        trained = load_classifier(path)
        samples = with_side_data(load_stack_set(
            stacks, class_map=trained.class_map, view=trained.view, intensity=trained.intensity, frame=trained.frame,
            sample_ids=split.parts["validation"]), stacks, trained.model_config)
        probability = softmax(predict_logits(trained.model, samples.x, samples.pose))
        matrices.append(np.nan_to_num(soft_confusion(probability, samples.class_idx.numpy())))
    mean = np.mean(matrices, axis=0)
    place = {group: number for number, group in enumerate(split.space_groups)}

    def weight(space_group: int, partner: int) -> float:
        a, b = place[space_group], place[partner]
        return float(mean[a, b] + mean[b, a]) + FLOOR
    return weight
