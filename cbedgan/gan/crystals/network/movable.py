"""A drawn crystal with all that a move of it needs: orbits, site symmetry, neighbours, and what they are in numbers."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cbedgan.crystal.cif import SAME_PLACE, independent_atoms
from cbedgan.crystal.crystals import PRIMITIVE_BASIS, Crystal, centring_type
from cbedgan.crystal.wyckoff.table import wyckoff_positions
from cbedgan.gan.crystals.network.described import (
    ELEMENT_NUMBERS,
    GROUP_NUMBERS,
    covalent_radius,
    element_description,
    group_description,
)

REACH = 1.8  # of neighbours, in summed covalent radii
SITE_NUMBERS, CRYSTAL_NUMBERS = ELEMENT_NUMBERS + 8, GROUP_NUMBERS + 5


@dataclass(frozen=True, eq=False)
class Movable:
    """A crystal of n atoms in the primitive cell on S sites, of K elements, with e neighbours and r rotations.

    lattice, sites: of the primitive cell, float64; site, kind: of each atom; elements: atomic numbers in ascending
    order; turn: a step of the site, angstrom, times this is the atom's, as far as the site's symmetry allows the step;
    rotations: of row vectors in angstrom; whence: the site, and whither, beyond: the atom and its cell of each
    neighbour; reach: its distance over the summed radii; of_sites, of_crystal: described in numbers.
    """

    crystal: Crystal
    lattice: Float[Tensor, "3 3"]
    sites: Float[Tensor, "n 3"]
    site: Int[Tensor, " n"]
    kind: Int[Tensor, " n"]
    elements: Int[np.ndarray, " K"]
    turn: Float[Tensor, "n 3 3"]
    rotations: Float[Tensor, "r 3 3"]
    first: Int[Tensor, " S"]
    whence: Int[Tensor, " e"]
    whither: Int[Tensor, " e"]
    beyond: Float[Tensor, "e 3"]
    reach: Float[Tensor, " e"]
    of_sites: Float[Tensor, "S SITE_NUMBERS"]
    of_crystal: Float[Tensor, " CRYSTAL_NUMBERS"]

    @property
    def basis(self) -> Float[Tensor, "3 3"]:
        """Rows are the primitive vectors in units of the conventional ones."""
        return torch.from_numpy(PRIMITIVE_BASIS[centring_type(self.crystal.space_group)])


def movable(crystal: Crystal) -> Movable:
    """Find orbits, site symmetry and neighbours of a crystal in its standard setting."""
    general = wyckoff_positions(crystal.space_group)[0]
    lattice, sites, numbers = crystal.primitive()
    places = crystal.positions[:crystal.n_primitive]
    first = [atom for atom in independent_atoms(crystal) if atom < len(places)]
    site, turn, orders = np.full(len(places), -1), np.zeros((len(places), 3, 3)), []
    inverse = np.linalg.inv(crystal.lattice)
    for rank, atom in enumerate(first):
        images = general.atoms(places[atom])
        apart = images[:, None] - places
        same = np.abs(apart - np.round(apart)).max(axis=2) < SAME_PLACE  # [operations, atoms]
        projector = general.rotations[same[:, atom]].mean(axis=0)
        orders.append(int(same[:, atom].sum()))
        for other in np.flatnonzero(same.any(axis=0)):
            site[other] = rank
            turn[other] = inverse @ (general.rotations[same[:, other].argmax()] @ projector).T @ crystal.lattice
    turns = np.unique(general.rotations, axis=0)
    elements, kind = np.unique(numbers, return_inverse=True)
    radii = np.array([covalent_radius(int(number)) for number in numbers])
    whence, whither, beyond, reach = _neighbours(lattice, sites, radii, first)
    of_sites = _sites_described(numbers, site, turn, first, orders, whence, reach)
    n, volume = len(numbers), abs(float(np.linalg.det(lattice)))
    filling = 4 / 3 * np.pi * (radii**3).sum() / volume
    whole = np.array([np.log(volume / n) - 3, np.log(n) / 4, len(elements) / 5, np.log(filling), len(first) / 5])
    return Movable(crystal, torch.from_numpy(lattice), torch.from_numpy(sites), torch.from_numpy(site),
                   torch.from_numpy(kind), elements, torch.from_numpy(turn),
                   torch.from_numpy(inverse @ turns.transpose(0, 2, 1) @ crystal.lattice), torch.tensor(first),
                   torch.from_numpy(whence), torch.from_numpy(whither), torch.from_numpy(beyond),
                   torch.from_numpy(reach), torch.from_numpy(of_sites).float(),
                   torch.from_numpy(np.concatenate([group_description(crystal.space_group), whole])).float())


def _neighbours(lattice: np.ndarray, sites: np.ndarray, radii: np.ndarray, first: list[int]) -> tuple[np.ndarray, ...]:
    """Site, atom, its cell and the distance over summed radii of all neighbours of the sites."""
    spacing = 1 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    counts = np.ceil(REACH * 2 * radii.max() / spacing).astype(int)
    cells = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in counts], indexing="ij"), -1).reshape(-1, 3)
    apart = sites[None] - sites[first][:, None]
    wrap = -np.round(apart)
    beyond = wrap[:, :, None] + cells
    ratio = np.linalg.norm((apart[:, :, None] + beyond) @ lattice, axis=-1) / (radii[first][:, None] + radii)[..., None]
    whence, whither, cell = np.nonzero((ratio < REACH) & (ratio > 1e-3))
    return whence, whither, beyond[whence, whither, cell], ratio[whence, whither, cell]


def _sites_described(numbers: np.ndarray, site: np.ndarray, turn: np.ndarray, first: list[int], orders: list[int],
                     whence: np.ndarray, reach: np.ndarray) -> Float[np.ndarray, "S SITE_NUMBERS"]:
    rows = []
    for rank, atom in enumerate(first):
        near = np.append(reach[whence == rank], REACH)
        freedom = np.linalg.matrix_rank(turn[atom], tol=1e-6)
        shell = (near < 1.2 * near.min()).sum()
        rows.append(np.concatenate([element_description(int(numbers[atom])), np.eye(4)[freedom],
                                    [np.log((site == rank).mean()), np.log(orders[rank]) / 4, near.min() - 1,
                                     np.log(shell) / 2]]))
    return np.array(rows)
