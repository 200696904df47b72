"""The points of lattices within a sphere, for a batch: reflections of reciprocal lattices, translations of direct ones.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class LatticePoints(NamedTuple):
    """index: whole numbers along the three vectors, 0 where a lattice has fewer; there: which are meant."""

    index: Float[Tensor, "B P 3"]
    there: Bool[Tensor, "B P"]


@torch.no_grad()
def half_sphere(lattice: Float[Tensor, "B 3 3"], radius: Float[Tensor, " B"]) -> LatticePoints:
    """One point of each pair that the origin's inversion maps on each other, without the origin itself.

    Parameters
    ----------
    lattice : rows are its vectors
    radius : of the spheres, in the vectors' unit
    """
    # |index| is |point . reciprocal vector|, at most the product of both lengths; a little more, against rounding.
    reach = (radius[:, None] * torch.linalg.inv(lattice).norm(dim=1) * (1 + 1e-6)).floor().long()
    sides = 2 * reach + 1
    counts = (reach[:, 0] + 1) * sides[:, 1] * sides[:, 2]  # of the first index only 0 and above
    of = torch.arange(len(counts)).repeat_interleave(counts)
    place = torch.arange(len(of)) - (counts.cumsum(0) - counts)[of]
    third = place % sides[of, 2] - reach[of, 2]
    second = torch.div(place, sides[of, 2], rounding_mode="floor")
    first, second = torch.div(second, sides[of, 1], rounding_mode="floor"), second % sides[of, 1] - reach[of, 1]
    points = torch.stack((first, second, third), -1).to(lattice)
    half = (first > 0) | ((second > 0) | ((second == 0) & (third > 0)))
    length = torch.einsum("pi,pij->pj", points, lattice[of]).norm(dim=1)
    kept = half & (length <= radius[of])
    of, points = of[kept], points[kept]
    counts = torch.bincount(of, minlength=len(lattice))
    rank = torch.arange(len(of)) - (counts.cumsum(0) - counts)[of]
    index = lattice.new_zeros(len(lattice), max(int(counts.max()), 1), 3)
    index[of, rank] = points
    return LatticePoints(index, torch.arange(index.shape[1]) < counts[:, None])
