"""Memorisation: how near generated stacks lie to the training stacks, whichever way they are flipped."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

COPY_QUANTILE = 0.01
SIDE_PIXELS = 32  # patterns are compared at no finer scale: a copy is one at any, and the distances cost a quarter


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Nearest other stack of each of n stacks: distance float32 [n], row int64 [n]; inf where there is none."""

    distance: Tensor
    row: Tensor


def nearest(x: Tensor, others: Tensor, apart: Tensor | None = None) -> Neighbours:
    """The nearest of others [m, C, *spatial] to each x [n, C, *spatial], the least over all flips of whole stacks.

    The flips are those under which a stack keeps its group or becomes one of the enantiomorph: mirrors and half turn.
    apart: bool [n, m], pairs that do not count. The distance is Euclidean, over the compared pixels of all patterns.
    """
    x, others = _comparable(x), _comparable(others)
    squares = torch.full((len(x), len(others)), torch.inf)
    for axes in ((), (-1,), (-2,), (-2, -1)) if x.ndim == 4 else ((), (-1,)):
        squares = torch.minimum(squares, torch.cdist(x.flip(axes).flatten(1), others.flatten(1)))
    if apart is not None:
        squares[apart] = torch.inf
    found = squares.min(1) if len(others) else (torch.full((len(x),), torch.inf), torch.zeros(len(x)).long())
    return Neighbours(*found)


@dataclass(frozen=True, eq=False)
class Training:
    """Training stacks x [m, C, *spatial] with class_idx [m] and material codes [m], and how far they lie apart.

    own: nearest stack of another material; threshold: below it lies one in a hundred distances from a training stack
    to the nearest of another material of its own group.
    """

    x: Tensor
    class_idx: Tensor
    own: Neighbours
    threshold: float

    @classmethod
    def of(cls, x: Tensor, class_idx: Tensor, material: Tensor) -> Training:
        """Measure the training stacks among themselves."""
        same = material[:, None] == material[None]
        own = nearest(x, x, same)
        within = nearest(x, x, same | (class_idx[:, None] != class_idx[None])).distance
        within = within[within < torch.inf]
        return cls(x, class_idx, own, float(within.quantile(COPY_QUANTILE)) if len(within) else float("nan"))

    def judge(self, x: Tensor) -> tuple[Neighbours, dict[str, float]]:
        """Nearest training stack of each of the stacks x [n, C, *spatial], and the figures of all of them.

        distance_ratio: median nearest distance over that between training materials; share: of copies, nearer than the
        threshold (0.01 for stacks as independent as materials are); authenticity: share of stacks farther from their
        nearest training stack than that is from its own nearest (Alaa et al. 2022, arXiv 2102.08921).
        """
        found = nearest(x, self.x)
        between = self.own.distance[self.own.distance < torch.inf]
        if not len(between) or not len(x):
            return found, {}
        return found, {"distance_ratio": float(found.distance.median() / between.median()),
                       "share": float((found.distance < self.threshold).float().mean()),
                       "authenticity": float((found.distance > self.own.distance[found.row]).float().mean())}


def _comparable(x: Tensor) -> Tensor:
    """Patterns of SIDE_PIXELS or fewer pixels a side, means of blocks of the finer ones."""
    block = x.shape[-1] // SIDE_PIXELS
    return F.avg_pool2d(x, block) if x.ndim == 4 and block > 1 else x
