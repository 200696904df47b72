"""Scores of resampled test parts that are no plain recall: measured with each seed, then averaged over drawn seeds."""

from __future__ import annotations

import numpy as np

from cbedgan.comparison.paired import Resample, Trials
from classifier.statistics.bootstrap import Bootstrap
from classifier.statistics.calibration import Reliability
from classifier.statistics.metrics import ratio
from classifier.statistics.subgroup_errors import direct_edge_shares

BINS = 15  # of confidence
ENRICHMENT_REPLICATES = 1000  # its null is fitted to each replicate, which takes long


def macro_f1(predicted: np.ndarray, class_idx: np.ndarray, trials: Trials, resample: Resample) -> np.ndarray:
    """Macro-F1 of each replicate, [R+1], of answers class_idx [S, N]; always over the whole test part of a seed."""
    drawn = bootstrap(trials, resample)
    return over_seeds([drawn.macro_f1(class_idx, row, trials.n_classes) for row in predicted], resample)


def calibration_error(logits: np.ndarray, class_idx: np.ndarray, trials: Trials, resample: Resample) -> np.ndarray:
    """Expected calibration error of each replicate, [R+1], of logits [S, N, K]."""
    drawn = bootstrap(trials, resample)
    return over_seeds([Reliability.of(class_idx, row, drawn, BINS).calibration_error() for row in logits], resample)


def reflected(replicates: np.ndarray) -> np.ndarray:
    """Replicates [R+1] of a number >= 0 that resampling raises, reflected at the estimate in row 0, at least 0.

    Basic bootstrap (Davison and Hinkley 1997): resampling adds noise to |accuracy - confidence|, as the sample did.
    """
    return np.concatenate([replicates[:1], np.maximum(0, 2 * replicates[0] - replicates[1:])])


def direct_edge_enrichment(predicted: np.ndarray, class_idx: np.ndarray, edges: np.ndarray, trials: Trials,
                           resample: Resample) -> np.ndarray:
    """Share of errors between direct neighbours, edges bool [K, K], over the same share by chance; [R'+1], R' <= R."""
    rows = slice(ENRICHMENT_REPLICATES + 1)
    resample = Resample(resample.unit[rows], resample.seed[rows])
    drawn = bootstrap(trials, resample)
    return over_seeds([ratio(*direct_edge_shares(class_idx, row, edges, drawn)) for row in predicted], resample)


def bootstrap(trials: Trials, resample: Resample) -> Bootstrap:
    """The same units, weights and draws as classifier has them."""
    return Bootstrap(trials.cell_unit[trials.cell], trials.weight, resample.unit)


def over_seeds(values: list[np.ndarray], resample: Resample) -> np.ndarray:
    """Mean over the drawn seeds, [R+1], of what was found with each, [S] of [R+1]; what is undefined is left out."""
    found = np.stack(values, axis=1)
    times = resample.seed * ~np.isnan(found)
    return ratio((times * np.nan_to_num(found)).sum(axis=1), times.sum(axis=1))
