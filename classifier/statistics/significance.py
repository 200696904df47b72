"""What a resampled number or difference says: interval, p, Holm's rule over a family, McNemar's test, verdict."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import binom

from classifier.foundation.atomic import plain
from classifier.statistics.metrics import interval

Verdict = Literal["helped", "hurt", "no difference", "cannot tell"]


class Interval(NamedTuple):
    """A percentile interval at level 1 - alpha; NaN ends mean that nothing could be resampled."""

    estimate: float
    low: float
    high: float

    @classmethod
    def of(cls, replicates: Float[np.ndarray, " R1"], alpha: float = 0.05) -> "Interval":
        """Interval of replicates whose row 0 is the estimate."""
        return cls(float(replicates[0]), *interval(replicates[1:], 1 - alpha))

    def content(self) -> dict[str, float]:
        """Estimate and ends by name; NaN for what is undefined."""
        return self._asdict()


class Difference(NamedTuple):
    """One of a family of differences: its own interval, its p, and the interval at the level that Holm's rule sets."""

    own: Interval
    p: float
    corrected: Interval
    alpha: float
    rejected: bool

    def content(self) -> dict[str, Any]:
        """As JSON content."""
        return plain({**self.own.content(), "p": self.p, "corrected": {
            "alpha": self.alpha, "low": self.corrected.low, "high": self.corrected.high}})

    def verdict(self, *, band: float, units: int, minimum_units: int) -> Verdict:
        """Helped or hurt if rejected, no difference if the corrected interval lies within +-band.

        Fewer than minimum_units units never give a verdict: a bootstrap over so few is too narrow to be believed.
        """
        if units < minimum_units or np.isnan(self.corrected.low):
            return "cannot tell"
        if self.rejected:
            return "helped" if self.corrected.estimate > 0 else "hurt"
        if -band <= self.corrected.low and self.corrected.high <= band:
            return "no difference"
        return "cannot tell"


def family(differences: Sequence[Float[np.ndarray, " R1"]], alpha: float) -> list[Difference]:
    """Differences, as replicates whose row 0 is the estimate, that are told apart from 0 as one family."""
    p_values = [bootstrap_p(replicates) for replicates in differences]
    return [Difference(Interval.of(replicates, alpha), p, Interval.of(replicates, level), float(level), bool(rejected))
            for replicates, p, rejected, level in zip(differences, p_values, *holm(np.array(p_values), alpha),
                                                      strict=True)]


def bootstrap_p(replicates: Float[np.ndarray, " R1"]) -> float:
    """Two-sided p of a difference: twice the smaller tail beyond 0, at least 1/(R+1), at most 1."""
    drawn = replicates[1:][~np.isnan(replicates[1:])]
    if not len(drawn):
        return 1.0
    tail = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return float(min(1.0, (2 * tail + 1) / (len(drawn) + 1)))


def holm(p_values: Float[np.ndarray, " M"], alpha: float) -> tuple[Bool[np.ndarray, " M"], Float[np.ndarray, " M"]]:
    """Holm's step-down rule: which p are rejected, and the level that each interval is drawn at.

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


def mcnemar(right_before: Bool[np.ndarray, " M"], right_after: Bool[np.ndarray, " M"]) -> tuple[int, int, float]:
    """Exact McNemar test on pairs: (only before right, only after right, two-sided p).

    p = 2 P(Bin(b + c, 1/2) <= min(b, c)), at most 1 (McNemar 1947, Psychometrika 12, 153).
    """
    lost = int((right_before & ~right_after).sum())
    won = int((~right_before & right_after).sum())
    return lost, won, float(min(1.0, 2 * binom.cdf(min(lost, won), lost + won, 0.5)))


def reflected(replicates: Float[np.ndarray, " R1"]) -> Float[np.ndarray, " R1"]:
    """Replicates of a number >= 0 that resampling raises, reflected at the estimate in row 0, at least 0.

    Basic bootstrap (Davison and Hinkley 1997): resampling adds noise to |accuracy - confidence|, as the sample did.
    """
    return np.concatenate([replicates[:1], np.maximum(0, 2 * replicates[0] - replicates[1:])])
