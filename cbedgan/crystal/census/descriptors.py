"""Ten numbers that say how a crystal is built: density, contacts, coordination, cell, positions and composition."""

from typing import NamedTuple

import gemmi
import numpy as np
from jaxtyping import Float, Int

from cbedgan.crystal.crystals import Crystal, Lattice, Numbers, Positions, measure_symmetry
from cbedgan.crystal.natural.charges import imbalance

SHELL = 1.2  # an atom's neighbours are those up to this times the distance of its nearest one
FARTHEST = 6.0  # angstrom, of the neighbours looked at


class Descriptors(NamedTuple):
    """Distances are over summed covalent radii; means are over atoms."""

    volume_an_atom: float  # cubic angstrom
    shortest_distance: float
    nearest_distance: float  # mean of each atom's own shortest
    coordination: float  # mean number of neighbours, see SHELL
    axis_ratio: float  # longest over shortest axis of the reduced cell
    freedom: float  # mean number of free coordinates of an atom's position, 0 to 3
    orbits_an_atom: float  # of the primitive cell
    elements: float
    number_spread: float  # standard deviation of the atomic numbers over their mean
    charge_imbalance: float  # see charges.imbalance


def descriptors(crystal: Crystal) -> Descriptors:
    """Describe a crystal; nothing depends on the choice of its cell."""
    lattice, positions, numbers = crystal.primitive()
    nearest, coordination = _contacts(lattice, positions, numbers)
    symmetry = measure_symmetry(lattice, positions, numbers)
    free = freedom(positions, np.array(symmetry.operations.rotations), np.array(symmetry.operations.translations),
                   lattice)
    axes = _reduced_axes(lattice)
    elements, counts = np.unique(numbers, return_counts=True)
    return Descriptors(
        volume_an_atom=float(np.linalg.det(lattice) / len(numbers)), shortest_distance=float(nearest.min()),
        nearest_distance=float(nearest.mean()), coordination=float(coordination.mean()),
        axis_ratio=float(axes.max() / axes.min()), freedom=float(free.mean()),
        orbits_an_atom=len(set(symmetry.orbits)) / len(numbers), elements=float(len(elements)),
        number_spread=float(numbers.std() / numbers.mean()),
        charge_imbalance=imbalance(dict(zip(elements.tolist(), counts.tolist(), strict=True))))


def _reduced_axes(lattice: Lattice) -> Float[np.ndarray, " 3"]:
    """Return the lengths of the Niggli-reduced axes."""
    lengths = np.linalg.norm(lattice, axis=1)
    cosines = [lattice[i] @ lattice[j] / lengths[i] / lengths[j] for i, j in ((1, 2), (0, 2), (0, 1))]
    vector = gemmi.GruberVector(gemmi.UnitCell(*lengths, *np.degrees(np.arccos(cosines))), "P")
    vector.niggli_reduce()
    return np.array(vector.get_cell().parameters[:3])


def _contacts(lattice: Lattice, positions: Positions, numbers: Numbers) -> tuple[np.ndarray, np.ndarray]:
    """Return each atom's shortest distance over summed radii, and how many neighbours lie in its first shell."""
    radii = np.array([gemmi.Element(int(number)).covalent_r for number in numbers])
    spacing = 1 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    reach = np.ceil(FARTHEST / spacing).astype(int)
    shifts = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij"), -1).reshape(-1, 3)
    apart = positions[None, :] - positions[:, None]
    apart -= np.round(apart)
    distance = np.linalg.norm((apart[:, :, None] + shifts) @ lattice, axis=-1)
    distance[np.arange(len(numbers)), np.arange(len(numbers)), len(shifts) // 2] = np.inf  # an atom and itself
    nearest = (distance.min(axis=2) / (radii[:, None] + radii)).min(axis=1)
    distance = distance.reshape(len(numbers), -1)
    return nearest, (distance <= SHELL * distance.min(axis=1, keepdims=True)).sum(axis=1)


def freedom(positions: Positions, rotations: Int[np.ndarray, "o 3 3"], translations: Float[np.ndarray, "o 3"],
            lattice: Lattice) -> Float[np.ndarray, " n"]:
    """Return how many coordinates of each atom its site symmetry leaves free: the trace of the mean operation.

    Parameters
    ----------
    positions, lattice : of a cell
    rotations, translations : all operations of its group
    """
    moved = positions @ rotations.transpose(0, 2, 1) + translations[:, None, :] - positions
    moved -= np.round(moved)
    stays = np.linalg.norm(moved @ lattice, axis=-1) < 0.05
    traces = np.trace(rotations, axis1=1, axis2=2)
    return (traces[:, None] * stays).sum(axis=0) / stays.sum(axis=0)
