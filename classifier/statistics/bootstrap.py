"""Resampling of whole units, of all classes together, crossed with seeds: how else a number could have come out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.sparse import csr_array

from classifier.statistics.metrics import mean_present, ratio


def draw_times(count: int, replicates: int, random: np.random.Generator) -> Float[np.ndarray, "R1 {count}"]:
    """How often each replicate holds each of `count` things, drawn with replacement; row 0 has everything once."""
    drawn = random.multinomial(count, np.full(count, 1 / count), size=replicates)
    return np.concatenate([np.ones((1, count)), drawn])


def over_seeds(values: Sequence[np.ndarray], seed_times: np.ndarray, weight: Sequence[np.ndarray] | None = None
               ) -> np.ndarray:
    """Mean over drawn seeds, [R+1, ...], of what was measured with each, [S] of [R+1, ...].

    seed_times: [R+1, S]; weight: [S] of [R+1, ...], of each value; what is undefined for a seed is left out.
    """
    stacked = np.stack(values)
    times = seed_times.T.reshape(*seed_times.T.shape, *[1] * (stacked.ndim - 2)) * ~np.isnan(stacked)
    times = times if weight is None else times * np.stack(weight)
    return ratio((times * np.nan_to_num(stacked)).sum(axis=0), times.sum(axis=0))


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Which units and seeds each of R replicates holds; row 0 of R1 = R + 1 has everything once, the estimate.

    code: int64 [N], unit of each sample; weight: float64 [N], of each sample; times: float64 [R+1, U], of each unit;
    seed_times: float64 [R+1, S], of each seed of what is compared. Units (materials, or structure types) are drawn over
    all classes together, so that a class of one unit does not look certain. Units and seeds drawn at once make the
    pigeonhole bootstrap (Owen 2007, Annals of Applied Statistics 1, 386).
    """

    code: np.ndarray
    weight: np.ndarray
    times: np.ndarray
    seed_times: np.ndarray

    @classmethod
    def draw(cls, unit: Shaped[np.ndarray, " N"], *, replicates: int, seed: int,
             weight: Float[np.ndarray, " N"] | None = None, seeds: int = 1) -> "Bootstrap":
        """Draw as many units, and as many seeds, as there are, independently and with replacement.

        Parameters
        ----------
        unit : label of the unit of each sample
        replicates : R
        seed : of the draw
        weight : of each sample, 1 by default
        seeds : S, number of trainings that differ in their seed alone
        """
        names, code = np.unique(unit, return_inverse=True)
        random = np.random.default_rng(seed)
        weight = np.ones(len(code)) if weight is None else np.asarray(weight, dtype=np.float64)
        times = draw_times(len(names), replicates, random)
        return cls(code.ravel(), weight, times, draw_times(seeds, replicates, random))

    def each_seed(self) -> "Bootstrap":
        """Every seed alone with every unit once: S rows and no replicates."""
        seeds = self.seed_times.shape[1]
        return replace(self, times=np.ones((seeds, self.times.shape[1])), seed_times=np.eye(seeds))

    def first(self, replicates: int) -> "Bootstrap":
        """The estimate and the first of the replicates, for what takes long."""
        return replace(self, times=self.times[:replicates + 1], seed_times=self.seed_times[:replicates + 1])

    def sums(self, values: Shaped[np.ndarray, "N ..."]) -> Float[np.ndarray, "R1 ..."]:
        """Weighted sums of values over the samples that each replicate holds."""
        gather = csr_array((self.weight, (self.code, np.arange(len(self.code)))), (self.times.shape[1], len(self.code)))
        return self.times @ (gather @ np.asarray(values, dtype=np.float64))

    def means(self, values: Shaped[np.ndarray, "N ..."]) -> Float[np.ndarray, "R1 ..."]:
        """Weighted means, of the shape of `sums`."""
        total = self.sums(np.ones(len(self.code)))
        return self.sums(values) / total.reshape(-1, *[1] * (np.ndim(values) - 1))

    def tally(self, column: Int[np.ndarray, " N"], width: int, value: Shaped[np.ndarray, " N"] | None = None
              ) -> Float[np.ndarray, "R1 width"]:
        """Weight of the samples whose column is 0, 1, ..; times a value where one is given."""
        weight = self.weight if value is None else self.weight * value
        gathered = csr_array((weight, (self.code, np.asarray(column))), (self.times.shape[1], width))
        return (gathered.T @ self.times.T).T

    def recall(self, truth: Int[np.ndarray, " N"], predicted: Int[np.ndarray, " N"], classes: int
               ) -> Float[np.ndarray, "R1 K"]:
        """Recall per class of one training; NaN where a replicate holds nothing of a class."""
        hits = self.tally(truth, classes, np.asarray(predicted) == np.asarray(truth))
        return ratio(hits, self.tally(truth, classes))

    def macro_f1(self, truth: Int[np.ndarray, " N"], predicted: Int[np.ndarray, " N"], classes: int
                 ) -> Float[np.ndarray, " R1"]:
        """Macro-F1 of the samples that each replicate holds, as `metrics.macro_f1` has it."""
        hits = self.tally(truth, classes, np.asarray(predicted) == np.asarray(truth))
        return mean_present(ratio(2 * hits, self.tally(truth, classes) + self.tally(predicted, classes)))
