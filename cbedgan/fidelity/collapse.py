"""Collapse within a group: are two generated stacks of it as unlike each other as two real ones are?"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

SPREAD_ALARM = 0.5


def spread_ratio(x: Tensor, class_idx: Tensor, real: Tensor, real_class: Tensor) -> dict[int, float]:
    """Mean distance between two generated samples of a class over that of two real ones, by class that has both.

    x [n, ...], real [m, ...]: features or pixels.
    """
    ratio = {}
    for k in real_class.unique().tolist():
        mine, theirs = (mean_distance(x[c == k].flatten(1)) for x, c in ((x, class_idx), (real, real_class)))
        if np.isfinite(mine) and np.isfinite(theirs) and theirs > 0:
            ratio[k] = mine / theirs
    return ratio


def collapsed(*ratios: dict[int, float]) -> list[int]:
    """Classes that any of the ratios, of features or of pixels, finds below one half: the sign of collapse."""
    return sorted({k for ratio in ratios for k, value in ratio.items() if value < SPREAD_ALARM})


def mean_distance(x: Tensor) -> float:
    """Mean distance between two of the vectors x [n, D]; NaN for fewer than two."""
    return float(torch.pdist(x).mean()) if len(x) > 1 else float("nan")
