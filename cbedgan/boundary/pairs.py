"""Which groups to probe against each other: the most confused partners of every rare group, and random controls."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Pairs:
    """Ordered pairs of class indices: a [M] the rare group, b [M] its partner, int64; control bool [M]: b was drawn at
    random."""

    a: np.ndarray
    b: np.ndarray
    control: np.ndarray

    def __len__(self) -> int:
        return len(self.a)


def soft_confusion(probability: Float[np.ndarray, "N K"], class_idx: Int[np.ndarray, " N"]) -> Float[np.ndarray, "K K"]:
    """Mean probability that samples of class i (rows) give to class j.

    Rows of classes without a sample are NaN.
    """
    classes = probability.shape[1]
    membership = np.zeros((classes, len(class_idx)))
    membership[class_idx, np.arange(len(class_idx))] = 1
    with np.errstate(invalid="ignore"):
        return membership @ probability / membership.sum(1, keepdims=True)


def first_measured(*confusions: np.ndarray) -> tuple[Float[np.ndarray, "K K"], Int[np.ndarray, " K"]]:
    """Take each row from the first of the matrices [K, K] that has it; also the place of that matrix, -1 for none.

    Used with validation before training samples: a group without validation data ranks its partners on its training
    samples, whose probabilities are too sure of themselves but are ordered alike.
    """
    measured = np.stack([np.isfinite(matrix).all(1) for matrix in confusions])
    place = np.where(measured.any(0), measured.argmax(0), -1)
    rows = np.stack(confusions)[np.maximum(place, 0), np.arange(len(place))]
    return np.where(place[:, None] >= 0, rows, 0.0), place


def choose_pairs(confusion: Float[np.ndarray, "K K"], rare: Int[np.ndarray, " R"], *, partners: int,
                 seed: int) -> Pairs:
    """Pair each rare class with its most confused classes and with as many random controls.

    Controls are drawn without replacement from the remaining classes, so that a small class map has fewer of them.

    Parameters
    ----------
    confusion : as from `soft_confusion`
    rare : class indices
    partners : most confused classes for each, and controls
    seed : of the controls
    """
    rows = []
    for a in np.asarray(rare, dtype=np.int64).tolist():
        others = np.setdiff1d(np.arange(len(confusion)), [a])
        # A stable sort, so that ties go to the smaller class_idx on every machine.
        ranked = others[np.argsort(-confusion[a, others], kind="stable")]
        controls = np.random.default_rng([seed, a]).permutation(ranked[partners:])[:partners]
        rows += [(a, b, False) for b in ranked[:partners]] + [(a, b, True) for b in controls]
    a, b, control = zip(*rows, strict=True) if rows else ((), (), ())
    return Pairs(np.array(a, dtype=np.int64), np.array(b, dtype=np.int64), np.array(control, dtype=bool))
