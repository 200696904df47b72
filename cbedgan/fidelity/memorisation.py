"""Memorisation: how near generated stacks lie to the training stacks, whichever way they are flipped."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

COPY_QUANTILE = 0.01
FLIPS = ((), (-1,), (-2,), (-2, -1))  # axes; none, mirror lines along y and x, half turn
SIDE_PIXELS = 32  # patterns are compared at no finer scale: a copy is one at any, and the distances cost a quarter


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Nearest other stack of each of n stacks: its distance, inf where there is none, and its row.

    flip: which of the flips of the stack itself brings it so near.
    """

    distance: Float[Tensor, " n"]
    row: Int[Tensor, " n"]
    flip: Int[Tensor, " n"]

    def take(self, rows: Tensor) -> "Neighbours":
        """Those of some stacks."""
        return Neighbours(self.distance[rows], self.row[rows], self.flip[rows])


def nearest(x: Float[Tensor, "n C *spatial"], others: Float[Tensor, "m C *spatial"],
            apart: Bool[Tensor, "n m"] | None = None) -> Neighbours:
    """The nearest of the others to each x, the least over all flips of whole stacks.

    The flips are those under which a stack keeps its group or becomes one of the enantiomorph: mirrors and half turn.
    apart: pairs that do not count. The distance is Euclidean, over the compared pixels of all patterns.
    """
    x, others = _comparable(x), _comparable(others).flatten(1)
    best = Neighbours(torch.full((len(x),), torch.inf), *torch.zeros(2, len(x), dtype=torch.int64))
    for number in range(len(FLIPS) if len(others) else 0):
        distance = torch.cdist(flipped(x, number).flatten(1), others)
        if apart is not None:
            distance[apart] = torch.inf
        least, row = distance.min(1)
        nearer = least < best.distance
        best = Neighbours(torch.where(nearer, least, best.distance), torch.where(nearer, row, best.row),
                          torch.where(nearer, number, best.flip))
    return best


def flipped(x: Tensor, number: int) -> Tensor:
    """Stacks x [N, C, *spatial] after one of the FLIPS; of samples of one dimension the last three are one."""
    return x.flip([axis for axis in FLIPS[number] if axis >= 2 - x.ndim])


@dataclass(frozen=True, eq=False)
class Training:
    """Training stacks x [m, C, *spatial] and how far they lie apart.

    own: nearest stack of another material; scale [m]: of each stack's group, the median distance of its stacks to the
    nearest of another material of the group (of any group, where it has one material); threshold: below it lies one in
    a hundred of the distances `own`, each in units of the scale of the group it leads to.
    """

    x: Tensor
    own: Neighbours
    scale: Tensor
    threshold: float

    @classmethod
    def of(cls, x: Float[Tensor, "m C *spatial"], class_idx: Int[Tensor, " m"], material: Int[Tensor, " m"]
           ) -> "Training":
        """Measure the training stacks, of these classes and codes of materials, among themselves."""
        same = material[:, None] == material[None]
        own = nearest(x, x, same)
        within = nearest(x, x, same | (class_idx[:, None] != class_idx[None])).distance
        within = torch.where(within < torch.inf, within, own.distance)
        scale = torch.empty_like(within)
        for k in class_idx.unique().tolist():
            scale[class_idx == k] = within[class_idx == k].median()
        return cls(x, own, scale, float((own.distance / scale[own.row]).quantile(COPY_QUANTILE)))

    def nearest(self, x: Tensor) -> Neighbours:
        """Nearest training stack of each of the stacks x [n, C, *spatial]."""
        return nearest(x, self.x)

    def figures(self, neighbours: Neighbours) -> dict[str, float]:
        """What the nearest training stacks of some stacks say; {} where there is one training material, or no stack.

        share: of copies, nearer than the threshold (0.01 for stacks as independent as materials are); distance_ratio:
        median nearest distance over that between training materials; authenticity: share of stacks farther from their
        nearest training stack than that is from its own (Alaa et al. 2022, arXiv 2102.08921). A blurred stack is near
        to many training stacks: it lowers the authenticity, though it copies none.
        """
        between = self.own.distance[self.own.distance < torch.inf]
        if not len(between) or not len(neighbours.distance):
            return {}
        return {"share": float((self.nearness(neighbours) < self.threshold).float().mean()),
                "distance_ratio": float(neighbours.distance.median() / between.median()),
                "authenticity": float((neighbours.distance > self.own.distance[neighbours.row]).float().mean())}

    def nearness(self, neighbours: Neighbours) -> Tensor:
        """Distance to the nearest training stack in units of the scale of that stack's group, [n]: 0 for a copy."""
        return neighbours.distance / self.scale[neighbours.row]


def _comparable(x: Tensor) -> Tensor:
    """Patterns of SIDE_PIXELS or fewer pixels a side, means of blocks of the finer ones."""
    block = x.shape[-1] // SIDE_PIXELS
    return F.avg_pool2d(x, block) if x.ndim == 4 and block > 1 else x
