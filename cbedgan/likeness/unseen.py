"""The KID by classifiers that have not seen the real stacks: each has learned other materials of the train part.

A classifier knows what it was trained on by heart, so that its features set generated stacks and unseen real ones alike
apart from training stacks. Of two classifiers each compares what only the other has learned.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from cbedgan.fidelity.features import Features, classifier_features
from cbedgan.fidelity.halves import HALVINGS, Halvings
from cbedgan.fidelity.kernel import UnitFeatures, chance, floor_values, kid_values
from cbedgan.likeness.distances import REPLICATES
from cbedgan.likeness.measured_stacks import MeasuredStacks, Ruler
from classifier.samples.folds import FoldsConfig, folds
from classifier.samples.plan import SetIdentity
from classifier.samples.split import load_split
from classifier.statistics.metrics import SHOT_CLASSES
from classifier.statistics.significance import Interval
from classifier.training.train import TrainClassifierConfig, train_classifier

CLASSIFIERS = 2


class UnseenFeatures(NamedTuple):
    """features: x -> [M, F], of a classifier; sample_ids: of the real stacks that it has not learned."""

    features: Features
    sample_ids: tuple[str, ...]


def train_unseen(config: TrainClassifierConfig, ruler: Ruler, *, stacks: Path, split: Path, identity: SetIdentity,
                 out: Path, seed: int) -> list[UnseenFeatures]:
    """Train CLASSIFIERS classifiers, each without its share of the materials of every group; finished ones stay.

    Parameters
    ----------
    config : of each training
    ruler : frame and scale of the x that features are wanted for
    stacks, split : files
    identity : of the stacks
    out : folder
    seed : of the shares
    """
    cut = folds(FoldsConfig(folds=CLASSIFIERS, group_by="material", seed=seed), stacks=stacks, split=split, out=out)
    unseen = []
    for number in range(1, CLASSIFIERS + 1):
        part = cut / f"fold-{number}.json"
        classifier = train_classifier(config, stacks=stacks, split=part, out=out / f"judge-{number}")
        fold = load_split(part, stack_digest=identity)
        features = classifier_features(classifier, fold.names, ruler.frame, ruler.transform)
        unseen.append(UnseenFeatures(features, fold.parts["validation"]))
    return unseen


def unseen_kid(real: MeasuredStacks, made: MeasuredStacks, sample_ids: Shaped[np.ndarray, " N"],
               unseen: Sequence[UnseenFeatures], shot: Shaped[np.ndarray, " K"], seed: int) -> dict[str, Any]:
    """KID of made stacks beside what real halves show by chance; {} where a classifier has too few real stacks.

    Of all groups, and in "shots" of each shot group; means over the classifiers, with intervals over materials.

    Parameters
    ----------
    real, made : N stacks each, one for one
    sample_ids : of the real ones
    unseen : one of each classifier
    shot : few, medium or many, of each class
    seed : of halvings and intervals
    """
    compared = [_compared(one, real, made, sample_ids) for one in unseen]
    kid = _figures(compared, seed)
    shots = {name: _figures([one.take(shot[one.class_idx] == name) for one in compared], seed) for name in SHOT_CLASSES}
    return kid and kid | {"shots": {name: figures for name, figures in shots.items() if figures}}


class _Compared(NamedTuple):
    """What one classifier compares: class_idx and material int64 [N], features of real and of made stacks [N, F]."""

    class_idx: np.ndarray
    unit: np.ndarray
    real: Tensor
    made: Tensor

    def take(self, rows: np.ndarray) -> "_Compared":
        return _Compared(self.class_idx[rows], self.unit[rows], self.real[rows], self.made[rows])


def _compared(unseen: UnseenFeatures, real: MeasuredStacks, made: MeasuredStacks, sample_ids: np.ndarray) -> _Compared:
    own = np.isin(sample_ids, unseen.sample_ids)
    rows = torch.from_numpy(np.flatnonzero(own))
    return _Compared(real.class_idx[rows].numpy(), real.unit[own], unseen.features(real.x[rows]),
                     unseen.features(made.x[rows]))


def _figures(compared: Sequence[_Compared], seed: int) -> dict[str, Any]:
    distances, floors = [], []
    for number, one in enumerate(compared):
        unit = np.unique(one.unit, return_inverse=True)[1]
        if len(unit) < 2:
            return {}
        halvings = Halvings.draw(one.class_idx, unit, HALVINGS, seed + number)
        made, real = UnitFeatures(one.made, unit), UnitFeatures(one.real, unit)
        distances.append(kid_values(made, real, replicates=REPLICATES, seed=seed + number))
        floors.append(floor_values(real, halvings))
    if any(values is None for values in (*distances, *floors)):
        return {}
    distance, floor = Interval.of(np.mean(distances, axis=0)), chance(np.mean(floors, axis=0))
    return {"samples": sum(len(one.unit) for one in compared),
            "generated": {"kid": distance.estimate, "kid_interval": [distance.low, distance.high]},
            "real": {"kid_mean": floor["mean"], "kid_high": floor["high"]}}
