"""Which materials of a pool to label or simulate next: what a strategy may look at, and the ranking it gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from classifier.foundation.errors import InputError
from classifier.network.pose_input import load_pose_features
from classifier.prediction import acquisition
from classifier.prediction.acquisition import BoundaryPoints
from classifier.prediction.predict import TrainedClassifier, predict_with_features
from classifier.prediction.strategy import Strategy
from classifier.samples.stackfile import StackFile
from classifier.samples.viewed import Viewed
from classifier.statistics.metrics import softmax


@dataclass(frozen=True, eq=False)
class Pool:
    """N unlabelled stacks as classifiers see them, and the features of what is labelled; there is no label in it.

    material: str [N]; probability: float64 [M, N, K] of M members; features: [N, F] and labelled_features: [L, F] of
    the first member.
    """

    material: np.ndarray
    probability: np.ndarray
    features: np.ndarray
    labelled_features: np.ndarray

    @classmethod
    def of(cls, members: Sequence[TrainedClassifier], stacks: Path, *, sample_ids: Sequence[str], material: np.ndarray,
           labelled: np.ndarray | None) -> "Pool":
        """See samples of a stack file through members of one class map.

        Parameters
        ----------
        members, stacks : classifiers, and a sample file
        sample_ids, material : of the N samples
        labelled : features [L, F] that the first member gives to what is labelled, or None
        """
        seen = [see(member, stacks, sample_ids) for member in members]
        probability = np.stack([softmax(each.logits) for each in seen])
        return cls(material, probability, seen[0].features, seen[0].features[:0] if labelled is None else labelled)


@dataclass(frozen=True, eq=False)
class Ranking:
    """Materials str [m] in the order in which to label them, each once, with their scores float64 [m]."""

    material: np.ndarray
    score: np.ndarray


@dataclass(frozen=True, eq=False)
class Seen:
    """What a classifier makes of N samples: logits float32 [N, K] and features float32 [N, F]."""

    logits: np.ndarray
    features: np.ndarray


def see(classifier: TrainedClassifier, stacks: Path, sample_ids: Sequence[str]) -> Seen:
    """Look at samples of a stack file, block by block; no label is read, and another frame is an InputError."""
    parts, start = [], 0
    with StackFile(stacks) as file:
        pose = load_pose_features(file, sample_ids) if classifier.model_config.pose_input else None
        viewed = Viewed.of(file, classifier.view, sample_ids)
        classifier.frame.require(viewed.frame, stacks)
        for block in viewed.blocks():
            seen = (torch.from_numpy(classifier.intensity.normalise(block)),
                    None if pose is None else pose[start:start + len(block)])
            parts.append(predict_with_features(classifier.model, *seen))
            start += len(block)
    return Seen(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def rank(strategy: Strategy, pool: Pool, *, count: int, rng: np.random.Generator,
         boundary: BoundaryPoints | None = None) -> Ranking:
    """Rank at most `count` materials of the pool; all stacks of a material come together.

    Entropy, margin and boundary go by the members' mean probability. bald needs two members, boundary its points.

    Parameters
    ----------
    strategy, count : see Strategy; of materials
    pool : stacks not labelled yet, as the members see them
    rng, boundary : of the strategy random; points where paths have crossed it
    """
    if strategy == "bald" and len(pool.probability) < 2:
        raise InputError(source="bald", rule="needs an ensemble of two classifiers or more",
                         value=len(pool.probability), remedy="Give classifiers that differ in their seed.")
    mean = pool.probability.mean(axis=0)
    if strategy == "core_set":
        return Ranking(*acquisition.k_centre(pool.features, pool.material, pool.labelled_features, count))
    if strategy == "random":
        names = np.unique(pool.material)
        return Ranking(rng.permutation(names)[:count], np.zeros(min(count, len(names))))
    if strategy == "boundary":
        if boundary is None or not len(boundary.features):
            raise InputError(source="boundary", rule="needs stacks on the boundary", value="none",
                             remedy="Give a probe.h5 in which paths have crossed it, with its generator.")
        score = acquisition.boundary_proximity(pool.features, mean.argmax(axis=1), boundary)
    else:
        score = (acquisition.bald(pool.probability) if strategy == "bald" else
                 acquisition.entropy(mean) if strategy == "entropy" else acquisition.margin(mean))
    names, scores = acquisition.by_material(score, pool.material)
    return Ranking(names[:count], scores[:count])
