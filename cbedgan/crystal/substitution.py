"""Hypothetical compositions on real structure types: exchange of elements within a family, then a small distortion."""

from typing import TYPE_CHECKING

import gemmi
import numpy as np

from cbedgan.crystal.crystals import Lattice, Numbers, Positions
from cbedgan.crystal.real.families import FAMILY_OF

if TYPE_CHECKING:
    import moyopy

def draw_substitution(numbers: Numbers, generator: np.random.Generator) -> dict[int, int]:
    """Draw for every element in `numbers` one of its family, never the same for two of them.

    Elements outside the families stay as they are.
    """
    chosen: dict[int, int] = {}
    for number in np.unique(numbers).tolist():
        free = [other for other in FAMILY_OF.get(number, (number,)) if other not in chosen.values()]
        chosen[number] = int(generator.choice(free))
    return chosen


def linear_scale(numbers: Numbers, substitution: dict[int, int]) -> float:
    """Return the factor on all lengths: the ratio of the summed covalent radii, so that volumes go with its cube."""
    radius = {number: gemmi.Element(number).covalent_r for number in {*substitution, *substitution.values()}}
    return sum(radius[substitution[n]] for n in numbers.tolist()) / sum(radius[n] for n in numbers.tolist())


def distort(lattice: Lattice, positions: Positions, symmetry: "moyopy.MoyoDataset", generator: np.random.Generator, *,
            strain: float, displacement_angstrom: float) -> tuple[Lattice, Positions]:
    """Return lattice and positions after a small change of every parameter that the symmetry leaves free.

    Parameters
    ----------
    lattice, positions, symmetry : of the cell, and what `measure_symmetry` says of this very one
    generator : of the change
    strain : standard deviation of each component of the symmetric strain before it is averaged over the point group
        (a cubic lattice only swells, a tetragonal one also changes c/a); cut at two standard deviations
    displacement_angstrom : standard deviation of each free coordinate of an orbit; cut likewise
    """
    rotations = np.array(symmetry.operations.rotations, dtype=np.float64)
    translations = np.array(symmetry.operations.translations)
    cartesian = lattice.T @ rotations @ np.linalg.inv(lattice.T)  # acts on column vectors in angstrom

    drawn = strain * np.clip(generator.standard_normal((3, 3)), -2, 2)
    symmetric = (np.triu(drawn) + np.triu(drawn, 1).T)[None]
    mean_strain = (cartesian @ symmetric @ cartesian.transpose(0, 2, 1)).mean(axis=0)

    moved = positions @ rotations.transpose(0, 2, 1) + translations[:, None, :]
    apart = moved[:, :, None, :] - positions
    apart -= np.round(apart)
    image = np.linalg.norm(apart @ lattice, axis=-1).argmin(axis=2)  # [operation, atom] -> atom
    shift = np.zeros_like(positions)
    done = np.zeros(len(shift), dtype=bool)
    for atom in range(len(shift)):
        if done[atom]:
            continue
        allowed = cartesian[image[:, atom] == atom].mean(axis=0)  # projects on what the site symmetry leaves free
        free = allowed @ (displacement_angstrom * np.clip(generator.standard_normal(3), -2, 2))
        shift[image[:, atom]] = cartesian @ free
        done[image[:, atom]] = True
    return lattice @ (np.eye(3) + mean_strain), positions + shift @ np.linalg.inv(lattice)
