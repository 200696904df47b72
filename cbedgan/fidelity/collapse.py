"""Collapse within a group: are two generated stacks of it as unlike each other as two real ones are?"""

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

SPREAD_ALARM = 0.5


def spread_ratio(x: Shaped[Tensor, "n ..."], class_idx: Int[Tensor, " n"], real: Shaped[Tensor, "m ..."],
                 real_class: Int[Tensor, " m"]) -> dict[int, float]:
    """Mean distance between two generated samples of a class over that of two real ones, by class that has both.

    Parameters
    ----------
    x, real : features or pixels
    class_idx, real_class : of each
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


def mean_distance(x: Float[Tensor, "n D"]) -> float:
    """Mean distance between two of the vectors; NaN for fewer than two."""
    return float(torch.pdist(x).mean()) if len(x) > 1 else float("nan")
