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

from cbedgan.fidelity.features import Features, judge_features
from cbedgan.fidelity.halves import Halvings
from cbedgan.fidelity.kernel import floor_values, kid_values
from cbedgan.fidelity.measured import Measured
from classifier.dataset import Frame
from classifier.folds import FoldsConfig, folds
from classifier.intensity import IntensityTransform
from classifier.metrics import SHOT_CLASSES, interval
from classifier.split import load_split
from classifier.train import TrainClassifierConfig, train_classifier

JUDGES = 2
HALVINGS, REPLICATES = 200, 400


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
    kinds = shot[real.class_idx.numpy()]
    found = _compared(real, made, [np.isin(sample_ids, judge.unseen) for judge in judges], judges, seed)
    shots = {name: _compared(real, made, [np.isin(sample_ids, judge.unseen) & (kinds == name) for judge in judges],
                             judges, seed) for name in SHOT_CLASSES}
    return found and found | {"shots": {name: figures for name, figures in shots.items() if figures}}


def _compared(real: Measured, made: Measured, shares: Sequence[np.ndarray], judges: Sequence[Judge], seed: int
              ) -> dict[str, Any]:
    distances, floors = [], []
    for number, (judge, share) in enumerate(zip(judges, shares, strict=True)):
        rows = torch.from_numpy(np.flatnonzero(share))
        unit = np.unique(real.unit[share], return_inverse=True)[1]
        if len(rows) < 2:
            return {}
        theirs, ours = judge.features(real.x[rows]), judge.features(made.x[rows])
        halvings = Halvings.draw(real.class_idx[rows].numpy(), unit, HALVINGS, seed + number)
        distances.append(kid_values(ours, unit, theirs, unit, replicates=REPLICATES, seed=seed + number))
        floors.append(floor_values(theirs, unit, halvings))
    if any(values is None for values in (*distances, *floors)):
        return {}
    distance, floor = np.mean(distances, axis=0), np.mean(floors, axis=0)
    return {"samples": int(np.sum(shares)),
            "generated": {"kid": float(distance[0]), "kid_interval": list(interval(distance[1:]))},
            "real": {"kid_mean": float(floor.mean()), "kid_high": float(np.quantile(floor, 0.95))}}
