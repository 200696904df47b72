"""Collapse within a group: are two generated stacks of it as unlike each other as two real ones are?"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

SPREAD_ALARM = 0.5


def spread_ratio(f: Tensor, class_idx: Tensor, real: Tensor, real_class: Tensor) -> dict[str, Any]:
    """Mean distance between two generated samples of a class over that of two real ones, per class with both.

    f [n, F], real [m, F]: features, or pixels. "alarm" lists the classes below one half: the sign of collapse.
    """
    ratio = {}
    for k in real_class.unique().tolist():
        mine, theirs = (mean_distance(x[c == k]) for x, c in ((f, class_idx), (real, real_class)))
        if np.isfinite(mine) and np.isfinite(theirs) and theirs > 0:
            ratio[k] = mine / theirs
    return {"ratio": ratio, "median": float(np.median(list(ratio.values()))) if ratio else None,
            "alarm": [k for k, value in ratio.items() if value < SPREAD_ALARM]}


def mean_distance(x: Tensor) -> float:
    """Mean distance between two of the vectors x [n, D]; NaN for fewer than two."""
    return float(torch.pdist(x).mean()) if len(x) > 1 else float("nan")
