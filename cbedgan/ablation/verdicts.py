"""From the figures of every variant and seed to means, and to differences from a reference, paired by seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from scipy.stats import ttest_1samp

from cbedgan.ablation.figures import FIGURES, FigureName
from classifier.foundation.atomic import plain
from classifier.foundation.config import Config
from classifier.statistics.significance import holm

Values = Mapping[str, Mapping[FigureName, np.ndarray]]
"""{variant: {figure: float [S], one a seed}}, NaN for what could not be measured."""
Verdict = Literal["better", "worse", "cannot tell"]


class AblationVerdicts(Config):
    """reference: the variant with which all others are compared; judged: figures of the verdicts, the first of which
    orders the table; alpha: error rate of the whole family of verdicts, variants x judged figures."""

    reference: str
    judged: Annotated[tuple[FigureName, ...], Field(min_length=1)]
    alpha: Annotated[float, Field(gt=0, lt=1)]


@dataclass(frozen=True)
class Mean:
    """The mean over seeds, its interval by Student's t, and p that it is zero; NaN where nothing can be said."""

    estimate: float
    low: float
    high: float
    p: float

    @classmethod
    def of(cls, values: np.ndarray, alpha: float) -> "Mean":
        """Mean of values [S]; seeds that all agree to the last bit say nothing of their spread: no interval, p = 1."""
        estimate = float(np.mean(values))
        if len(values) < 2 or np.isnan(estimate) or np.ptp(values) == 0:
            return cls(estimate, np.nan, np.nan, 1.0)
        test: Any = ttest_1samp(values, 0.0)
        low, high = test.confidence_interval(1 - alpha)
        return cls(estimate, float(low), float(high), float(test.pvalue))

    def content(self) -> dict[str, float | None]:
        """As JSON content."""
        return plain({name: getattr(self, name) for name in ("estimate", "low", "high")})


def means(values: Values, alpha: float) -> dict[str, dict[str, Any]]:
    """Mean over seeds of each figure of each variant, with an interval at 1 - alpha and the value of each seed."""
    return {variant: {name: {**Mean.of(of_seed, alpha).content(), "per_seed": plain(of_seed.tolist())}
                      for name, of_seed in figures.items()} for variant, figures in values.items()}


def differences(values: Values, config: AblationVerdicts) -> list[dict[str, Any]]:
    """Every variant minus the reference in every figure, paired by seed: interval, p, and, if judged, a verdict.

    The verdicts are one family under Holm's rule; a figure beyond it has the verdict None.
    """
    rows = []
    for variant in (name for name in values if name != config.reference):
        for name, of_seed in values[variant].items():
            paired = of_seed - values[config.reference][name]
            rows.append((variant, name, paired, Mean.of(paired, config.alpha)))
    judged = [row for row in rows if row[1] in config.judged]
    rejected, _ = holm(np.array([mean.p for *_, mean in judged]), config.alpha) if judged else ((), ())
    verdicts = {(variant, name): verdict(name, mean.estimate, bool(reject))
                for (variant, name, _, mean), reject in zip(judged, rejected, strict=True)}
    return [{"variant": variant, "figure": name, **mean.content(), "p": mean.p,
             "per_seed": plain(paired.tolist()), "verdict": verdicts.get((variant, name))}
            for variant, name, paired, mean in rows]


def verdict(name: FigureName, difference: float, rejected: bool) -> Verdict:
    """What a difference in a figure says of the variant."""
    if not rejected:
        return "cannot tell"
    return "better" if (difference > 0) == FIGURES[name].larger_is_better else "worse"
