"""The KID by judges that have not seen the real stacks: each has learned the other materials of the train part.

A classifier knows what it was trained on by heart, so that its features set generated stacks and unseen real ones alike
apart from training stacks. Of two judges each compares what only the other has learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cbedgan.fidelity.features import Features, judge_features
from cbedgan.fidelity.halves import HALVINGS, Halvings
from cbedgan.fidelity.kernel import chance, floor_values, kid_values
from cbedgan.likeness.comparison import REPLICATES
from cbedgan.likeness.measured import Measured
from classifier.pattern.intensity import IntensityTransform
from classifier.samples.dataset import Frame
from classifier.samples.folds import FoldsConfig, folds
from classifier.samples.split import load_split
from classifier.statistics.metrics import SHOT_CLASSES
from classifier.statistics.significance import Interval
from classifier.training.train import TrainClassifierConfig, train_classifier

JUDGES = 2


class Judge(NamedTuple):
    """features: x -> [M, F]; unseen: ids of the real stacks that it has not learned."""

    features: Features
    unseen: tuple[str, ...]


def train_judges(config: TrainClassifierConfig, *, stacks: Path, split: Path, stack_digest: str, out: Path,
                 frame: Frame, transform: IntensityTransform, seed: int) -> list[Judge]:
    """Train JUDGES classifiers, each without its share of the materials of every group; finished ones are kept.

    stack_digest: of the stacks; frame, transform: of the x that features are wanted for.
    """
    cut = folds(FoldsConfig(folds=JUDGES, group_by="material", seed=seed), stacks=stacks, split=split, out=out)
    found = []
    for number in range(1, JUDGES + 1):
        part = cut / f"fold-{number}.json"
        classifier = train_classifier(config, stacks=stacks, split=part, out=out / f"judge-{number}")
        held = load_split(part, stack_digest=stack_digest)
        found.append(Judge(judge_features(classifier, held.digest, frame, transform), held.parts["validation"]))
    return found


def unseen_kid(real: Measured, made: Measured, sample_ids: np.ndarray, judges: Sequence[Judge], shot: np.ndarray,
               seed: int) -> dict[str, Any]:
    """KID of made stacks, one for each of the real ones with these ids str [N], beside what real halves show by chance.

    Of all groups, and in "shots" of each shot group, shot str [K]; means over the judges, with intervals over
    materials. Empty where a judge has too few real stacks.
    """
    compared = [_Compared.by(judge, real, made, sample_ids) for judge in judges]
    found = _figures(compared, seed)
    shots = {name: _figures([one.take(shot[one.class_idx] == name) for one in compared], seed)
             for name in SHOT_CLASSES}
    return found and found | {"shots": {name: figures for name, figures in shots.items() if figures}}


class _Compared(NamedTuple):
    """What one judge compares: class_idx and material int64 [N], features of real and of made stacks [N, F]."""

    class_idx: np.ndarray
    unit: np.ndarray
    real: Tensor
    made: Tensor

    @classmethod
    def by(cls, judge: Judge, real: Measured, made: Measured, sample_ids: np.ndarray) -> _Compared:
        unseen = np.isin(sample_ids, judge.unseen)
        rows = torch.from_numpy(np.flatnonzero(unseen))
        return cls(real.class_idx[rows].numpy(), real.unit[unseen], judge.features(real.x[rows]),
                   judge.features(made.x[rows]))

    def take(self, rows: np.ndarray) -> _Compared:
        return _Compared(*(values[rows] for values in self))


def _figures(compared: Sequence[_Compared], seed: int) -> dict[str, Any]:
    distances, floors = [], []
    for number, one in enumerate(compared):
        unit = np.unique(one.unit, return_inverse=True)[1]
        if len(unit) < 2:
            return {}
        halvings = Halvings.draw(one.class_idx, unit, HALVINGS, seed + number)
        distances.append(kid_values(one.made, unit, one.real, unit, replicates=REPLICATES, seed=seed + number))
        floors.append(floor_values(one.real, unit, halvings))
    if any(values is None for values in (*distances, *floors)):
        return {}
    distance, floor = Interval.of(np.mean(distances, axis=0)), chance(np.mean(floors, axis=0))
    return {"samples": sum(len(one.unit) for one in compared),
            "generated": {"kid": distance.estimate, "kid_interval": [distance.low, distance.high]},
            "real": {"kid_mean": floor["mean"], "kid_high": floor["high"]}}
