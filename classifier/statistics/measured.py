"""What was measured on one set of samples, in replicates: estimates, intervals, and the mean over several seeds."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from classifier.statistics import metrics
from classifier.statistics.bootstrap import draw_times, over_seeds


@dataclass(frozen=True, eq=False)
class Measured:
    """Every quantity of one set of predictions in R replicates; row 0 is the set itself, so that its value comes first.

    values: {name: [R+1] or [R+1, M]}; unit: what was resampled. Quantities of one set of samples share the draws.
    """

    values: dict[str, np.ndarray]
    unit: str

    def estimate(self, name: str) -> Any:
        """The value of the set itself, a number or a list of them."""
        return self.values[name][0].tolist()

    def interval(self, name: str) -> tuple[float, float]:
        """95 % interval of a single number, by the percentiles of its replicates.

        Those of the calibration error lie above it, as it lies above the truth, because every resampling adds noise to
        |accuracy - confidence|: its interval is reflected at the value (basic bootstrap, Davison and Hinkley 1997).
        """
        low, high = metrics.interval(self.values[name][1:])
        if not name.endswith("calibration_error"):
            return low, high
        twice = 2 * float(self.values[name][0])
        return max(0.0, twice - high), max(0.0, twice - low)

    def content(self, name: str) -> dict[str, float]:
        """Estimate and interval of a single number as JSON content."""
        low, high = self.interval(name)
        return {"estimate": float(self.values[name][0]), "low": low, "high": high}

    def intervals(self, name: str) -> list[tuple[float, float]]:
        """95 % interval of each number of a row."""
        return [metrics.interval(column) for column in self.values[name][1:].T]

    @classmethod
    def mean(cls, several: "list[Measured]", *, seed: int) -> "Measured":
        """Mean over predictions of the same samples, one for each seed of a training; seeds are resampled too.

        Bins of confidence weigh by their share of the samples; what is undefined for a seed is left out.
        """
        share = [one.values["bin_share"] for one in several]
        times = draw_times(len(several), len(share[0]) - 1, np.random.default_rng(seed))
        return cls({name: over_seeds([one.values[name] for one in several], times,
                                     share if name in ("bin_confidence", "bin_accuracy") else None)
                    for name in several[0].values}, several[0].unit)
