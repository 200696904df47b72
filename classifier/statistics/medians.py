"""Medians of what may be infinitely far, with intervals over units and seeds drawn at once."""

from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from classifier.statistics.bootstrap import draw_times


def weighted_median(values: Float[np.ndarray, " N"], weights: Float[np.ndarray, "R N"]) -> Float[np.ndarray, " R"]:
    """The least value with at least half of the weight at or below it, nan where there is no weight; inf is a value."""
    order = np.argsort(values)
    below = np.cumsum(weights[:, order], axis=1)
    place = (below < below[:, -1:] / 2).sum(axis=1)
    found = values[order][np.minimum(place, len(values) - 1)]
    return np.where(below[:, -1] > 0, found, np.nan)


def medians(values: Float[np.ndarray, "P C"], unit: Shaped[np.ndarray, " P"], *, replicates: int, seed: int
            ) -> Float[np.ndarray, " R1"]:
    """Medians over paths and classifiers, the first of everything once, then of crystals and seeds drawn at once.

    Parameters
    ----------
    values : angstrom, inf where a path never crosses, nan where it does not count
    unit : the crystal of each path
    replicates, seed : of the draw
    """
    names, code = np.unique(unit, return_inverse=True)
    random = np.random.default_rng(seed)
    times = draw_times(len(names), replicates, random)[:, code]  # [R1, P]
    seeds = draw_times(values.shape[1], replicates, random)
    weights = times[:, :, None] * seeds[:, None] * ~np.isnan(values)
    counted = np.where(np.isnan(values), np.inf, values)
    return weighted_median(counted.ravel(), weights.reshape(len(weights), -1))


def interval(replicated: Float[np.ndarray, " R1"]) -> dict[str, Any]:
    """Estimate and 95 % interval as JSON content; what is undefined or infinite is None."""
    drawn = replicated[1:][~np.isnan(replicated[1:])]
    low, high = np.quantile(drawn, [0.025, 0.975], method="inverted_cdf") if len(drawn) else (np.nan, np.nan)
    return {name: float(value) if np.isfinite(value) else None
            for name, value in (("estimate", replicated[0]), ("low", low), ("high", high))}
