"""Scores of resampled test parts that are no plain recall: macro-F1 and calibration error, as paired.py has recalls."""

from __future__ import annotations

import numpy as np

from cbedgan.comparison.paired import Resample, Trials
from classifier.metrics import mean_present, softmax

BINS = 15  # of confidence, as in classifier.metrics.calibration_error


def macro_f1(predicted: np.ndarray, trials: Trials, resample: Resample) -> np.ndarray:
    """Macro-F1 of each replicate, [R+1], of class_idx [S, N]: of each seed's whole test part, mean over the seeds."""
    drawn = resample.unit[:, trials.cell_unit]
    own = np.eye(trials.n_classes)[trials.cell_class]
    total = drawn @ (own * trials.cell_weight[:, None])

    def of_seed(row: np.ndarray) -> np.ndarray:
        votes = votes_per_cell(row, trials)
        both = total + drawn @ votes
        return mean_present(np.divide(2 * drawn @ (votes * own), both, out=np.full_like(both, np.nan), where=both > 0))

    return _over_seeds([of_seed(row) for row in predicted], resample)


def calibration_error(logits: np.ndarray, class_idx: np.ndarray, trials: Trials, resample: Resample) -> np.ndarray:
    """Expected calibration error of each replicate, [R+1], of logits [S, N, K]; per seed, mean over the seeds.

    Guo et al. 2017, arXiv 1706.04599, eq. 3.
    """
    drawn = resample.unit[:, trials.cell_unit]
    total = drawn @ trials.cell_weight

    def of_seed(row: np.ndarray) -> np.ndarray:
        probability = softmax(row)
        confidence = probability.max(axis=1)
        gap = np.zeros((len(trials.cell_weight), BINS))
        place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
        np.add.at(gap, (trials.cell, place), trials.weight * ((probability.argmax(axis=1) == class_idx) - confidence))
        return np.abs(drawn @ gap).sum(axis=1) / total

    return _over_seeds([of_seed(row) for row in logits], resample)


def votes_per_cell(predicted: np.ndarray, trials: Trials) -> np.ndarray:
    """Weight of the samples of each cell that are judged to be of each class, [M, K], of class_idx [N]."""
    votes = np.zeros((len(trials.cell_weight), trials.n_classes))
    np.add.at(votes, (trials.cell, predicted), trials.weight)
    return votes


def _over_seeds(values: list[np.ndarray], resample: Resample) -> np.ndarray:
    """Mean over the drawn seeds, [R+1], of what was found with each, [S] of [R+1]."""
    return (resample.seed / resample.seed.sum(axis=1, keepdims=True) * np.stack(values, axis=1)).sum(axis=1)
