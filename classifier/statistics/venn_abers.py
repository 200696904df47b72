"""Venn-Abers calibration, one class against the rest: two isotonic regressions give a probability and its honesty."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import isotonic_regression

from classifier.statistics.metrics import softmax

MOST = 400  # distinct scores that are told apart; more are brought together, as many samples in each


@dataclass(frozen=True, eq=False)
class VennAbers:
    """Steps of a score float64 [M], ascending; low, high float64 [2 M + 1]: probabilities below, at and above each.

    Low is what isotonic regression says of a score whose label is 0, high where it is 1. One table serves all classes:
    with a handful of samples a class none could have its own. Vovk and Petej 2014, arXiv 1211.0025, section 4 and 5.
    """

    score: np.ndarray
    low: np.ndarray
    high: np.ndarray
    kind: str = "venn_abers"

    def probability(self, logits: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N K"]:
        """Calibrated probabilities float64: of each class high / (1 - low + high), and all brought to the sum 1."""
        scores = softmax(logits)
        place = np.searchsorted(self.score, scores) + np.searchsorted(self.score, scores, side="right")
        low, high = self.low[place], self.high[place]
        # Within one step the classifier's own order stays: its score moves a probability by less than any step.
        p = high / (1 - low + high) + 1e-9 * scores
        return p / p.sum(axis=1, keepdims=True)

    def state(self) -> dict[str, Any]:
        """Plain values and tensors for a checkpoint."""
        return {"kind": self.kind, **{name: torch.from_numpy(getattr(self, name)) for name in ("score", "low", "high")}}

    def require(self, classes: int) -> None:
        """Raise ValueError for tables that do not fit together; they serve any number of classes."""
        if not len(self.score) or not len(self.low) == len(self.high) == 2 * len(self.score) + 1:
            raise ValueError(f"tables of {len(self.low)} and {len(self.high)} for {len(self.score)} scores")
        if not (np.all(np.diff(self.score) > 0) and np.all(self.low >= 0) and np.all(self.high <= 1)
                and np.all(self.low <= self.high)):
            raise ValueError("scores that do not ascend, or probabilities that are none")


def fit_venn_abers(logits: Float[np.ndarray, "N K"], truth: Int[np.ndarray, " N"], weight: Float[np.ndarray, " N"]
                   ) -> VennAbers:
    """Fit the table on samples: every class of every sample is one score, with the label whether it is the true one."""
    p = softmax(logits)
    label = np.arange(p.shape[1]) == np.asarray(truth)[:, None]
    each = np.broadcast_to(np.asarray(weight, dtype=np.float64)[:, None], p.shape)
    score, share, heft = _steps(p.ravel(), label.ravel(), each.ravel() * (len(p) / np.sum(weight)))
    low, high = (np.array([_with_one_more(share, heft, place, label) for place in range(2 * len(score) + 1)])
                 for label in (0.0, 1.0))
    return VennAbers(score, low, high)


def _steps(score: np.ndarray, label: Bool[np.ndarray, " n"], weight: np.ndarray
           ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct scores, ascending, MOST of them at most, with the share of true labels and the weight of each."""
    distinct, code = np.unique(score, return_inverse=True)
    if len(distinct) > MOST:
        # A step for every so many true labels: where there are none nothing is to be told apart.
        reached = np.cumsum(np.bincount(code, weight * (label + 1e-3)))
        step = np.minimum((reached / reached[-1] * MOST).astype(np.int64), MOST - 1)
        _, step = np.unique(step, return_inverse=True)
        code = step[code]
        distinct = np.bincount(code, weight * score) / np.bincount(code, weight)
    heft = np.bincount(code, weight)
    return distinct, np.bincount(code, weight * label) / heft, heft


def _with_one_more(share: np.ndarray, heft: np.ndarray, place: int, label: float) -> float:
    """What isotonic regression says of one more sample with this label: at step place // 2, or between where even."""
    step = place // 2
    if place % 2:
        share, heft = share.copy(), heft.copy()
        share[step] = (share[step] * heft[step] + label) / (heft[step] + 1)
        heft[step] += 1
    else:
        share, heft = np.insert(share, step, label), np.insert(heft, step, 1.0)
    return float(np.clip(isotonic_regression(share, weights=heft).x[step], 0, 1))
