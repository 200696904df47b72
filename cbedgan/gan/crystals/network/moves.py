"""What may move in a crystal of a group: free coordinates, the cell as its system allows, elements for their like.

A step of a site goes through the site's symmetry and then to its orbit, a strain is averaged over the point group: the
group stays, exactly, whatever the moves are.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.real.families import FAMILY_OF
from cbedgan.gan.crystals.network.described import covalent_radius
from cbedgan.gan.crystals.network.movable import Movable


class Moves(NamedTuple):
    """Of one crystal. step: of each site, angstrom; strain: symmetric, the logarithm of the cell's growth;
    element_steps: of each element, places along its family."""

    step: Float[Tensor, "S 3"]
    strain: Float[Tensor, "3 3"]
    element_steps: Float[Tensor, " K"]


class Moved(NamedTuple):
    """A moved primitive cell, float64, with gradients. number: of each of K elements; low, high, part: the two of its
    family between which its mean lies, and how near to the second."""

    origin: Movable
    lattice: Float[Tensor, "3 3"]
    sites: Float[Tensor, "n 3"]
    number: Int[np.ndarray, " K"]
    low: Int[np.ndarray, " K"]
    high: Int[np.ndarray, " K"]
    part: Float[Tensor, " K"]

    def crystal(self, name: str) -> Crystal:
        """As plain numbers, not measured anew; `name` becomes its material."""
        basis = self.origin.basis.numpy()
        lattice, sites = (part.detach().numpy() for part in (self.lattice, self.sites))
        return Crystal.from_record(self.origin.crystal.record() | {
            "lattice": np.linalg.inv(basis) @ lattice, "sites": sites @ basis,
            "numbers": self.number[self.origin.kind.numpy()], "material": name})


def moved(origin: Movable, moves: Moves, chance: Float[np.ndarray, " K"]) -> Moved:
    """Move a crystal; gradients in the moves pass.

    chance: 0..1 for each element, so that it is one of its family in the mean over chances where the element steps say.
    All stay as they are where two would become one.
    """
    turned = origin.rotations.mT @ moves.strain.double() @ origin.rotations
    lattice = origin.lattice @ torch.linalg.matrix_exp(turned.mean(0))
    steps = torch.einsum("ni,nij->nj", moves.step.double()[origin.site], origin.turn)
    sites = origin.sites + steps @ torch.linalg.inv(origin.lattice)
    families = [FAMILY_OF.get(int(number), (int(number),)) for number in origin.elements]
    places = torch.tensor([family.index(int(number)) for family, number in zip(families, origin.elements, strict=True)])
    last = torch.tensor([len(family) - 1 for family in families])
    place = torch.minimum((places + moves.element_steps.double()).clamp(min=0), last)
    low = torch.minimum(place.detach().floor().long(), (last - 1).clamp(min=0))
    high = torch.minimum(low + 1, last)
    taken = torch.where(torch.from_numpy(chance) < (place - low).detach(), high, low)
    number, lower, higher = (np.array([family[int(k)] for family, k in zip(families, rank, strict=True)])
                             for rank in (taken, low, high))
    if len(np.unique(number)) < len(number):
        number = lower = higher = origin.elements
    return Moved(origin, lattice, sites, number, lower, higher, place - low)


def nearness(one: Moved, least: float) -> Float[Tensor, ""]:
    """Sum of squares of how much nearer than `least` (in summed covalent radii), and nearer than drawn, atoms came."""
    origin = one.origin
    apart = one.sites[origin.whither] + origin.beyond - one.sites[origin.first[origin.whence]]
    radii = torch.tensor([covalent_radius(int(number)) for number in one.number])[origin.kind].double()
    reach = (apart @ one.lattice).norm(dim=1) / (radii[origin.whither] + radii[origin.first[origin.whence]])
    return (origin.reach.clamp(max=least) - reach).clamp(min=0).square().sum()
