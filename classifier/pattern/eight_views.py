"""The views of a stack that its symmetry label cannot tell apart, and the exact average of a prediction over them."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Views = Literal["one", "mirror", "canonical", "all"]
QUARTERS: dict[Views, tuple[int, ...]] = {"one": (0,), "mirror": (0,), "canonical": (0, 2), "all": (0, 1, 2, 3)}


def average_over_views(logits: Callable[[Tensor], Tensor], x: Tensor, views: Views, partner: Tensor) -> Tensor:
    """Mean of logits(view of x) [B, K] over the views of stacks x [B, C, H, W], classes permuted where mirrored.

    The views are a group: up to rounding the mean of a turned stack is the same, that of a mirrored one permuted.

    Parameters
    ----------
    logits, x : what gives those of one view, and float [B, C, H, W]
    views : "mirror" is the mirror in the x axis; "canonical" that and the half turn, which keep the canonical pose;
        "all" the eight of the square (D4), for square stacks in the raw pose
    partner : int64 [K], the class of each class's mirror image; where one lacks it (-1), no view is mirrored
    """
    hands = (x,) if views == "one" or bool((partner < 0).any()) else (x, x.flip(-2))
    total = torch.zeros((), device=x.device)
    for mirrored, stacks in enumerate(hands):
        first, *others = (logits(torch.rot90(stacks, quarter, (-2, -1))) for quarter in QUARTERS[views])
        seen = sum(others, start=first)
        total = total + (seen[:, partner] if mirrored else seen)
    return total / (len(hands) * len(QUARTERS[views]))
