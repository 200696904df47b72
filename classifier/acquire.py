"""Which materials of a pool to label or simulate next: what a strategy may look at, and the ranking it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from classifier.acquisition import BoundaryPoints, bald, boundary_proximity, by_material, entropy, k_centre, margin
from classifier.errors import InputError
from classifier.metrics import softmax
from classifier.predict import PREDICT_AT_ONCE, TrainedClassifier, predict_logits

Strategy = Literal["random", "entropy", "margin", "bald", "core_set", "boundary"]


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
    def of(cls, members: Sequence[TrainedClassifier], stacks: Sequence[Tensor], material: np.ndarray,
           labelled: Tensor | None) -> Pool:
        """See the pool through members of one class map; stacks: x [N, 3, H, W] as each of them normalises it.

        labelled: x [L, 3, H, W] as the first of them normalises it, or None.
        """
        probability = np.stack([softmax(predict_logits(member.model, x))
                                for member, x in zip(members, stacks, strict=True)])
        features = features_of(members[0], stacks[0])
        return cls(material, probability, features,
                   features[:0] if labelled is None else features_of(members[0], labelled))


@dataclass(frozen=True, eq=False)
class Ranking:
    """Materials str [m] in the order in which to label them, each once, with their scores float64 [m]."""

    material: np.ndarray
    score: np.ndarray


def features_of(classifier: TrainedClassifier, x: Tensor) -> np.ndarray:
    """Features float32 [N, F] of normalised stacks x [N, 3, H, W], batch by batch, as numpy."""
    with torch.inference_mode():
        parts = [classifier.model.features(part).cpu() for part in x.split(PREDICT_AT_ONCE)]
    return torch.cat(parts).numpy()


def rank(strategy: Strategy, pool: Pool, *, count: int, rng: np.random.Generator,
         boundary: BoundaryPoints | None = None) -> Ranking:
    """Rank at most `count` materials of the pool; all stacks of a material come together.

    Entropy, margin and boundary judge by the members' mean probability. bald needs two members, boundary its points.
    """
    if strategy == "bald" and len(pool.probability) < 2:
        raise InputError(source="bald", rule="needs an ensemble of two classifiers or more",
                         value=len(pool.probability), remedy="Give classifiers that differ in their seed.")
    if strategy == "boundary" and (boundary is None or not len(boundary.features)):
        raise InputError(source="boundary", rule="needs stacks on the boundary", value="none",
                         remedy="Give a probe.h5 in which paths have crossed it, with its generator.")
    mean = pool.probability.mean(axis=0)
    if strategy == "core_set":
        return Ranking(*k_centre(pool.features, pool.material, pool.labelled_features, count))
    if strategy == "random":
        names = np.unique(pool.material)
        return Ranking(rng.permutation(names)[:count], np.zeros(min(count, len(names))))
    if strategy == "boundary":
        score = boundary_proximity(pool.features, mean.argmax(axis=1), boundary)
    else:
        score = {"entropy": lambda: entropy(mean), "margin": lambda: margin(mean),
                 "bald": lambda: bald(pool.probability)}[strategy]()
    names, scores = by_material(score, pool.material)
    return Ranking(names[:count], scores[:count])
