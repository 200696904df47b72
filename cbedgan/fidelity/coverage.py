"""Density and coverage (Naeem et al. 2020, arXiv 2002.09797): do generated samples lie where real ones lie, and how
much of what is real do they reach?"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

NEIGHBOURS = 5


@dataclass(frozen=True, eq=False)
class Balls:
    """Each reference sample [m, F] with a ball up to its k-th neighbour of another material, k = 5 or all there are.

    Of another material, since energies of one material would fill the k neighbours of each other.
    """

    reference: Tensor
    radius: Tensor
    neighbours: int

    @classmethod
    def around(cls, reference: Float[Tensor, "m F"], material: Int[Tensor, " m"]) -> "Balls | None":
        """Balls of features with codes of their materials; None for a single material."""
        distance = torch.cdist(reference, reference)
        distance[material[:, None] == material[None]] = torch.inf
        k = min(NEIGHBOURS, int((distance < torch.inf).sum(1).min())) if len(reference) else 0
        return cls(reference, distance.kthvalue(k, 1).values, k) if k else None

    def holding(self, f: Float[Tensor, "n F"]) -> Bool[Tensor, "n m"]:
        """Whether features lie in each ball."""
        return torch.cdist(f, self.reference) <= self.radius

    def density(self, inside: Bool[Tensor, "n m"]) -> float:
        """Samples that a ball holds over what it would hold of as many real ones, 1 where alike."""
        return float(inside.sum(1).float().mean() / self.neighbours)

    def coverage(self, inside: Bool[Tensor, "n m"]) -> float:
        """Share of balls that hold any of the samples, from what `holding` gives."""
        return float(inside.any(0).float().mean())
