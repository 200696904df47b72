"""Paired statistics of two arms on the same test samples: bootstrap over units crossed with seeds, McNemar, Holm.

A unit is what counts as independent (a material, or a structure type in simulated sets).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from scipy.stats import binom

from classifier.prediction.predict import Predictions
from classifier.statistics.metrics import interval, material_weights

Verdict = Literal["helped", "hurt", "no difference", "cannot tell"]


@dataclass(frozen=True)
class Trials:
    """What every arm is judged on: N test samples gathered into M cells, a cell being a unit within one class.

    cell int64 [N] and weight float64 [N] belong to the samples; cell_class and cell_unit, int64 [M], and cell_weight,
    the sum of its samples' weights, float64 [M], to the cells; units are numbered 0..n_units-1.
    """

    cell: np.ndarray
    weight: np.ndarray
    cell_class: np.ndarray
    cell_unit: np.ndarray
    cell_weight: np.ndarray
    n_units: int
    n_classes: int

    @classmethod
    def from_labels(cls, class_idx: np.ndarray, unit_name: np.ndarray, n_classes: int,
                    weight: np.ndarray | None = None) -> Trials:
        """Gather samples by class_idx [N] and the name of their unit [N]; weight [N] defaults to 1 each."""
        names, unit = np.unique(unit_name, return_inverse=True)
        pairs, cell = np.unique(np.stack([class_idx, unit.ravel()]), axis=1, return_inverse=True)
        cell = cell.ravel()
        weight = np.ones(len(cell)) if weight is None else np.asarray(weight, float)
        return cls(cell, weight, pairs[0], pairs[1], np.bincount(cell, weight), len(names), n_classes)

    @classmethod
    def of(cls, found: Predictions, unit: Literal["material", "structure_type"]) -> Trials:
        """Gather predictions of known truth; every material counts once, and is the unit where its type is unknown."""
        by_type = (unit == "structure_type") & (found.structure_type != "")
        return cls.from_labels(found.class_map.indices(found.space_group),
                               np.where(by_type, found.structure_type, found.material), len(found.class_map),
                               material_weights(found.material))

    def units_per_class(self) -> np.ndarray:
        """Number of units that test each class, int64 [K]."""
        return np.bincount(self.cell_class, minlength=self.n_classes)

    def per_cell(self, hits: np.ndarray) -> np.ndarray:
        """Weight of the right samples of each cell, [S, M], of hits bool [S, N]."""
        return np.stack([np.bincount(self.cell, row * self.weight, len(self.cell_weight)) for row in hits])


@dataclass(frozen=True)
class Resample:
    """How often each unit [R+1, U] and each seed [R+1, S] is drawn in each replicate; row 0 draws everything once."""

    unit: np.ndarray
    seed: np.ndarray

    @classmethod
    def draw(cls, n_units: int, n_seeds: int, *, replicates: int, seed: int) -> Resample:
        """Draw units and seeds independently with replacement, so that every statistic shares the same replicates.

        Resampling both ways at once is the pigeonhole bootstrap (Owen 2007, Annals of Applied Statistics 1, 386).
        Units are drawn from all classes together: within a class of one unit there is nothing to draw from.
        """
        rng = np.random.default_rng(seed)

        def counts(n: int) -> np.ndarray:
            drawn = rng.multinomial(n, np.full(n, 1 / n), size=replicates)
            return np.concatenate([np.ones((1, n)), drawn])

        return cls(counts(n_units), counts(n_seeds))


def _weighed(hits: np.ndarray, trials: Trials, resample: Resample) -> tuple[np.ndarray, np.ndarray]:
    """Right and drawn weight of each cell in each replicate, both [R+1, M], averaged over the drawn seeds."""
    share = resample.seed / resample.seed.sum(axis=1, keepdims=True)
    weight = resample.unit[:, trials.cell_unit]
    return weight * (share @ trials.per_cell(hits)), weight * trials.cell_weight


def class_recall(hits: np.ndarray, trials: Trials, resample: Resample) -> np.ndarray:
    """Recall of each class in each replicate, [R+1, K], of hits bool [S, N]; NaN where no unit of it was drawn."""
    right, drawn = (part @ np.eye(trials.n_classes)[trials.cell_class] for part in _weighed(hits, trials, resample))
    return np.divide(right, drawn, out=np.full_like(right, np.nan), where=drawn > 0)


def accuracy(hits: np.ndarray, trials: Trials, resample: Resample) -> np.ndarray:
    """Weighted share of samples that are right in each replicate, [R+1], of hits bool [S, N]."""
    right, drawn = _weighed(hits, trials, resample)
    return right.sum(axis=1) / drawn.sum(axis=1)


def mean_recall(recall: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Mean recall [R+1] over the classes members bool [K] that a replicate holds; NaN where it holds none."""
    chosen = recall[:, members]
    present = ~np.isnan(chosen)
    total = np.where(present, chosen, 0.0).sum(axis=1)
    held = present.sum(axis=1)
    return np.divide(total, held, out=np.full(len(total), np.nan), where=held > 0)


@dataclass(frozen=True)
class Interval:
    """A percentile interval at level 1 - alpha; NaN ends mean that nothing could be resampled."""

    estimate: float
    low: float
    high: float

    @classmethod
    def of(cls, replicates: np.ndarray, alpha: float) -> Interval:
        """Interval of replicates [R+1] whose row 0 is the estimate."""
        return cls(float(replicates[0]), *interval(replicates[1:], 1 - alpha))

    def to_json(self) -> dict[str, float | None]:
        """Estimate and ends as JSON content."""
        return {name: number(value) for name, value in asdict(self).items()}


def number(value: float) -> float | None:
    """A number as JSON content, which knows no NaN: null for what is undefined."""
    return float(value) if np.isfinite(value) else None


def bootstrap_p(replicates: np.ndarray) -> float:
    """Two-sided p of a difference, replicates [R+1]: twice the smaller tail beyond 0, at least 1/(R+1), at most 1."""
    drawn = replicates[1:][~np.isnan(replicates[1:])]
    if not len(drawn):
        return 1.0
    tail = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return float(min(1.0, (2 * tail + 1) / (len(drawn) + 1)))


def holm(p_values: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Holm's step-down rule on p [M]: which are rejected, bool [M], and the level each interval is drawn at, [M].

    Sorted p_(i) is compared with alpha / (M - i + 1) until the first that fails; it and all later ones keep its level.
    """
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values, kind="stable")
    level = alpha / (len(p_values) - np.arange(len(p_values)))
    passed = np.cumprod(p_values[order] <= level).astype(bool)
    if not passed.all():
        level[~passed] = level[np.argmin(passed)]
    rejected, levels = np.empty(len(order), bool), np.empty(len(order))
    rejected[order], levels[order] = passed, level
    return rejected, levels


def majority_right(predicted: np.ndarray, trials: Trials) -> np.ndarray:
    """Whether most (by weight) samples and seeds of a cell vote for its class, bool [M]; a tie is wrong.

    predicted: class_idx [S, N].
    """
    votes = np.zeros((len(trials.cell_weight), trials.n_classes))
    np.add.at(votes, (np.broadcast_to(trials.cell, predicted.shape), predicted), trials.weight)
    own = np.arange(len(votes)), trials.cell_class
    right = votes[own]
    votes[own] = -1
    return right > votes.max(axis=1)


def mcnemar(right_before: np.ndarray, right_after: np.ndarray) -> tuple[int, int, float]:
    """Exact McNemar test on paired booleans [M]: (only before right, only after right, two-sided p).

    p = 2 P(Bin(b + c, 1/2) <= min(b, c)), at most 1 (McNemar 1947, Psychometrika 12, 153).
    """
    lost = int((right_before & ~right_after).sum())
    won = int((~right_before & right_after).sum())
    return lost, won, float(min(1.0, 2 * binom.cdf(min(lost, won), lost + won, 0.5)))


def verdict(corrected: Interval, *, rejected: bool, band: float, units: int, minimum_units: int) -> Verdict:
    """Judge a difference: helped or hurt if rejected, no difference if the corrected interval lies within +-band.

    Fewer than minimum_units units never give a verdict: a bootstrap over so few is too narrow to be believed.
    """
    if units < minimum_units or np.isnan(corrected.low):
        return "cannot tell"
    if rejected:
        return "helped" if corrected.estimate > 0 else "hurt"
    if -band <= corrected.low and corrected.high <= band:
        return "no difference"
    return "cannot tell"
