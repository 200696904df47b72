"""Resampling of whole units, of all classes together: how else a number could have come out with other crystals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from classifier.statistics.metrics import mean_present, ratio


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Which units each replicate holds. times: float64 [R+1, U], row 0 has every unit once and gives the estimate.

    code: int64 [N], unit of each sample; weight: float64 [N], of each sample. Units (materials, or structure types) are
    drawn over all classes together, so that a class of one unit does not look certain.
    """

    code: np.ndarray
    weight: np.ndarray
    times: np.ndarray

    @classmethod
    def draw(cls, unit: np.ndarray, *, replicates: int, seed: int, weight: np.ndarray | None = None) -> Bootstrap:
        """Draw as many units as there are, with replacement; unit: label [N], weight [N] defaults to 1 each."""
        names, code = np.unique(unit, return_inverse=True)
        drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)),
                                                        size=replicates)
        weight = np.ones(len(code)) if weight is None else np.asarray(weight, dtype=np.float64)
        return cls(code.ravel(), weight, np.concatenate([np.ones((1, len(names))), drawn]))

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Weighted sums [R+1, M] of values [N, M] over the samples that each replicate holds; [R+1] of values [N]."""
        gather = csr_array((self.weight, (self.code, np.arange(len(self.code)))), (self.times.shape[1], len(self.code)))
        return self.times @ (gather @ np.asarray(values, dtype=np.float64))

    def means(self, values: np.ndarray) -> np.ndarray:
        """Weighted means, of the shape of `sums`."""
        total = self.sums(np.ones(len(self.code)))
        return self.sums(values) / total.reshape(-1, *[1] * (np.ndim(values) - 1))

    def tally(self, column: np.ndarray, width: int, value: np.ndarray | None = None) -> np.ndarray:
        """Weight [R+1, width] of the samples whose column [N] is 0, 1, ..; times a value [N] where one is given."""
        weight = self.weight if value is None else self.weight * value
        gathered = csr_array((weight, (self.code, np.asarray(column))), (self.times.shape[1], width))
        return (gathered.T @ self.times.T).T

    def recall(self, truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
        """Recall per class [R+1, K]; NaN where a replicate holds nothing of a class."""
        hits = self.tally(truth, classes, np.asarray(predicted) == np.asarray(truth))
        return ratio(hits, self.tally(truth, classes))

    def macro_f1(self, truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
        """Macro-F1 [R+1] of the samples that each replicate holds, as `metrics.macro_f1` has it."""
        hits = self.tally(truth, classes, np.asarray(predicted) == np.asarray(truth))
        return mean_present(ratio(2 * hits, self.tally(truth, classes) + self.tally(predicted, classes)))
