"""Cells by crystal system: any volume and any real numbers for the shape give a valid lattice in the standard setting.

A shape is five numbers, the same for every system: the logarithms of b/a and c/a, then one each for alpha, beta and
gamma, 0 at 90 degrees. Those that the system fixes are not read.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from classifier.crystal.spacegroup import NUMBERS, crystal_system
from classifier.foundation.errors import InputError

# Which of b/a, c/a, alpha, beta, gamma are free.
FREEDOM = {"triclinic": (1, 1, 1, 1, 1), "monoclinic": (1, 1, 0, 1, 0), "orthorhombic": (1, 1, 0, 0, 0),
           "tetragonal": (0, 1, 0, 0, 0), "trigonal": (0, 1, 0, 0, 0), "hexagonal": (0, 1, 0, 0, 0),
           "cubic": (0, 0, 0, 0, 0)}
# Of beta, gamma, and of the angle between the planes (a, b) and (a, c) that stands for alpha. None is nearer to 0 or
# 180 degrees than 8, so that no cell is flat.
LARGEST_COSINE = 0.99

_FREE = torch.tensor([(0,) * 5] + [FREEDOM[crystal_system(group)] for group in NUMBERS], dtype=torch.bool)
_HEXAGONAL = torch.tensor([False] + [crystal_system(group) in ("trigonal", "hexagonal") for group in NUMBERS])


def free_shape(space_group: Int[Tensor, "*cells"]) -> Bool[Tensor, "*cells 5"]:
    """Return which of the five numbers of a shape are free in the crystal system of each group 1..230."""
    return _FREE.to(space_group.device)[space_group]


def lattices(space_group: Int[Tensor, "*cells"], volume: Float[Tensor, "*cells"], shape: Float[Tensor, "*cells 5"]
             ) -> Float[Tensor, "*cells 3 3"]:
    """Return right-handed lattices: rows a, b, c in angstrom, a along x and b in the plane of x and y.

    Parameters
    ----------
    space_group : 1..230, of each cell
    volume : of the conventional cell in cubic angstrom
    shape : any real numbers, see above
    """
    numbers = torch.where(free_shape(space_group), shape, 0.0)
    b, c = numbers[..., 0].exp(), numbers[..., 1].exp()
    between_planes, beta, gamma = (LARGEST_COSINE * numbers[..., 2:].tanh()).unbind(-1)
    gamma = torch.where(_HEXAGONAL.to(space_group.device)[space_group], -0.5, gamma)
    sine = (1 - beta**2).sqrt()
    zero, one = torch.zeros_like(b), torch.ones_like(b)
    unit = torch.stack([torch.stack([one, zero, zero], -1),
                        torch.stack([b * gamma, b * (1 - gamma**2).sqrt(), zero], -1),
                        torch.stack([c * beta, c * sine * between_planes,
                                     c * sine * (1 - between_planes**2).sqrt()], -1)], -2)
    size = unit.diagonal(dim1=-2, dim2=-1).prod(-1)
    return unit * (volume / size).pow(1 / 3)[..., None, None]


def volume_and_shape(space_group: Int[Tensor, "*cells"], lattice: Float[Tensor, "*cells 3 3"]
                     ) -> tuple[Float[Tensor, "*cells"], Float[Tensor, "*cells 5"]]:
    """Return what `lattices` makes such cells of, turned as it turns them; fixed numbers are 0.

    InputError for a lattice that is left-handed or nearly flat. What breaks the crystal system is left out.
    """
    lengths = lattice.norm(dim=-1)
    unit = lattice / lengths[..., None]
    alpha, beta, gamma = ((unit[..., i, :] * unit[..., j, :]).sum(-1) for i, j in ((1, 2), (0, 2), (0, 1)))
    between_planes = (alpha - beta * gamma) / ((1 - beta**2) * (1 - gamma**2)).sqrt()
    cosines = torch.stack([between_planes, beta, gamma], -1)
    volume = torch.linalg.det(lattice)
    if not ((cosines.abs() < LARGEST_COSINE).all() and (volume > 0).all()):
        raise InputError(source="lattice", rule="a cell must be right-handed, and far from flat",
                         value=f"cosines up to {float(cosines.abs().max()):.3f}, volume {float(volume.min()):.3f}",
                         remedy="Choose another setting of the axes, such as the reduced cell.")
    ratios = (lengths[..., 1:] / lengths[..., :1]).log()
    shape = torch.cat([ratios, (cosines / LARGEST_COSINE).atanh()], -1)
    return volume, torch.where(free_shape(space_group), shape, 0.0)
