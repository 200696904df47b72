"""The distances of all pairs of atoms of crystals up to a radius, batched and differentiable."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cbedgan.simulate.powder.lattice_points import half_sphere
from cbedgan.simulate.powder.scatterers import Scatterers


@dataclass(frozen=True, eq=False)
class AtomPairs:
    """distance_angstrom: of each pair; weight: how often it occurs, times what both atoms scatter; crystal: of the
    batch; kinds: index of both kinds of atoms, kind of the one times K plus that of the other."""

    distance_angstrom: Float[Tensor, " P"]
    weight: Float[Tensor, " P"]
    crystal: Int[Tensor, " P"]
    kinds: Int[Tensor, " P"]


def pairs_within(atoms: Scatterers, strength: Float[Tensor, "B n"], radius_angstrom: float) -> AtomPairs:
    """Pairs of an atom of the cell and any other one; a pair and its reverse are one, of twice the weight.

    Parameters
    ----------
    atoms : B crystals
    strength : what each site scatters, 0 for none
    radius_angstrom : up to which distance
    """
    apart = atoms.positions[:, None] - atoms.positions[:, :, None]  # [B, n, n, 3]
    apart = ((apart - apart.detach().round()) @ atoms.lattice[:, None]).flatten(1, 2)
    both = (strength[:, :, None] * strength[:, None]).flatten(1)  # [B, n n]
    square = apart.square().sum(-1)
    reach = radius_angstrom + (square.detach() * (both != 0)).amax(1).sqrt()
    translations = half_sphere(atoms.lattice.detach(), reach)
    by = translations.index @ atoms.lattice
    squares = square[:, None] + by.square().sum(-1, keepdim=True) + 2 * by @ apart.mT  # [B, P, n n]
    near = (squares.detach() < radius_angstrom**2) & translations.there[..., None] & (both != 0)[:, None]
    crystal, which, pair = near.nonzero(as_tuple=True)
    # Within the cell: each pair of two sites once.
    n = atoms.positions.shape[1]
    inside = torch.ones(n, n, dtype=torch.bool, device=square.device).triu(1).flatten()
    own, own_pair = (inside & (both != 0) & (square.detach() < radius_angstrom**2)).nonzero(as_tuple=True)
    distance = torch.cat((squares[crystal, which, pair], square[own, own_pair])).sqrt()
    crystal, pair = torch.cat((crystal, own)), torch.cat((pair, own_pair))
    kind = atoms.kind[:, :, None] * atoms.elements.shape[1] + atoms.kind[:, None]
    return AtomPairs(distance, 2 * both[crystal, pair], crystal, kind.flatten(1)[crystal, pair])
