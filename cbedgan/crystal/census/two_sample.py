"""Whether crystals of two sources can be told apart by ten descriptors: a cross-validated classifier tries it.

An area under the ROC curve of 0.5 means that it cannot, 1 that it always can (Lopez-Paz and Oquab 2017).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from cbedgan.crystal.census.descriptors import Descriptors, descriptors
from cbedgan.crystal.crystals import Crystal
from classifier.foundation.errors import InputError
from classifier.statistics.bootstrap import Bootstrap

FOLDS, TREES, LEAST_LEAF = 5, 400, 3
REPLICATES = 1000


class TwoSampleTest(NamedTuple):
    """auc: of the classifier on structure types that it did not see; interval: 95 %, over structure types;

    by_descriptor: {name: area of that number alone, above 0.5 where `b` has the larger}; medians: {name: (a, b)}.
    """

    n_a: int
    n_b: int
    auc: float
    interval: tuple[float, float]
    by_descriptor: dict[str, float]
    medians: dict[str, tuple[float, float]]


def two_sample_test(a: Sequence[Crystal], b: Sequence[Crystal], *, seed: int) -> TwoSampleTest:
    """Tell crystals of `a` from those of `b`; both should have the same space groups, or these tell them."""
    types = np.array([crystal.structure_type for crystal in [*a, *b]])
    if len(set(types[: len(a)])) < FOLDS or len(set(types[len(a):])) < FOLDS:
        raise InputError(source="two-sample test", rule=f"each sample needs crystals of {FOLDS} structure types",
                         value=f"{len(set(types[:len(a)]))} and {len(set(types[len(a):]))}",
                         remedy="Draw more crystals, or compare with more structures.")
    numbers = np.array([descriptors(crystal) for crystal in [*a, *b]])
    is_b = np.repeat([0, 1], [len(a), len(b)])
    score = _unseen_scores(numbers, is_b, types, seed)
    times = Bootstrap.draw(types, replicates=REPLICATES, seed=seed)
    weights = times.times[:, times.code]
    areas = [area_under_curve(score, is_b, weight) for weight in weights]
    low, high = np.nanpercentile(areas[1:], [2.5, 97.5])
    names = Descriptors._fields
    return TwoSampleTest(len(a), len(b), areas[0], (float(low), float(high)),
                         {name: area_under_curve(numbers[:, i], is_b) for i, name in enumerate(names)},
                         {name: (float(np.median(numbers[is_b == 0, i])), float(np.median(numbers[is_b == 1, i])))
                          for i, name in enumerate(names)})


def area_under_curve(score: Float[np.ndarray, " n"], is_b: Shaped[np.ndarray, " n"],
                     weight: Shaped[np.ndarray, " n"] | None = None) -> float:
    """Return the chance that a b scores above an a, ties half; nan where a weighted sample has only one of them."""
    weight = np.ones(len(score)) if weight is None else weight
    _, rank = np.unique(score, return_inverse=True)
    n_a, n_b = (np.bincount(rank, weight * (is_b == side)) for side in (0, 1))
    below = np.cumsum(n_a) - n_a / 2
    total = n_a.sum() * n_b.sum()
    return float((n_b * below).sum() / total) if total else float("nan")


def _unseen_scores(numbers: Float[np.ndarray, "n d"], is_b: Shaped[np.ndarray, " n"], types: Shaped[np.ndarray, " n"],
                   seed: int) -> Float[np.ndarray, " n"]:
    """Return the chance of b that a forest gives each crystal, grown on the folds without its structure type."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import StratifiedGroupKFold

    score = np.zeros(len(numbers))
    for grow, look in StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(numbers, is_b, types):
        forest = RandomForestClassifier(TREES, min_samples_leaf=LEAST_LEAF, class_weight="balanced", random_state=seed)
        score[look] = forest.fit(numbers[grow], is_b[grow]).predict_proba(numbers[look])[:, 1]
    return score
