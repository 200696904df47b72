"""Modes that break a symmetry: displacements of the atoms, and a strain of the cell, that keep a subgroup and no more.

What keeps the subgroup is a random field averaged over its operations; what of that keeps the whole group is taken
away, and so is a common shift of all atoms. Along the mode the group is exact at 0 and the subgroup everywhere else.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from cbedgan.crystal.crystals import (
    Crystal,
    Lattice,
    Numbers,
    Positions,
    measure_symmetry,
    shortest_distance_ratio,
    standard_crystal,
)
from cbedgan.crystal.supergroup import quiet_moyo
from cbedgan.distortion.symmetry.subgroups import CellOperations

NOTHING = 1e-6  # a mode below this is none
GENERIC_ANGSTROM = 0.1  # where the group of a distorted crystal is measured, or as far as it goes
PRECISION = 0.01  # of that measurement, in units of the distortion
STEPS = 40  # in which a path is looked along for atoms that come too near


@dataclass(frozen=True, eq=False)
class Mode:
    """A mode of a crystal's primitive cell, for each angstrom of distortion.

    steps: of the atoms in angstrom, beside the strain, the longest 1; strain: symmetric, the logarithm of the cell's
    growth; all zero steps where the atoms have no freedom: the distortion is then the strain's, times the mean spacing
    of atoms.
    """

    steps: Float[np.ndarray, "n 3"]
    strain: Float[np.ndarray, "3 3"]

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Mode":
        """The mode whose `record` this is."""
        return cls(np.array(record["steps"]), np.array(record["strain"]))

    def record(self) -> dict[str, Any]:
        """As JSON content."""
        return {"steps": self.steps.tolist(), "strain": self.strain.tolist()}

    def cell(self, crystal: Crystal, distortion_angstrom: float) -> tuple[Lattice, Positions, Numbers]:
        """The primitive cell so far along the mode."""
        lattice, positions, numbers = crystal.primitive()
        values, vectors = np.linalg.eigh(distortion_angstrom * self.strain)
        strained = lattice @ (vectors * np.exp(values)) @ vectors.T
        return strained, positions + distortion_angstrom * self.steps @ np.linalg.inv(lattice), numbers

    def crystal(self, crystal: Crystal, distortion_angstrom: float, source: str) -> Crystal:
        """The distorted crystal, measured anew, however small the distortion is: it has the subgroup."""
        with quiet_moyo():
            return standard_crystal(*self.cell(crystal, distortion_angstrom), source=source,
                                    precision_angstrom=PRECISION * min(distortion_angstrom, 1.0))


def random_mode(crystal: Crystal, operations: CellOperations, subgroup: tuple[int, ...], strain_share: float,
                stream: np.random.Generator) -> Mode | None:
    """Draw a mode that keeps the subgroup alone; None where neither atoms nor cell have the freedom for one.

    Parameters
    ----------
    crystal, operations, subgroup : the crystal, its operations, and the numbers of those that stay
    strain_share : of the strain's size in the distortion: its Frobenius norm times the mean spacing of atoms
    stream : on which it depends
    """
    lattice, _, numbers = crystal.primitive()
    field, growth = stream.standard_normal((len(numbers), 3)), stream.standard_normal((3, 3))
    growth = growth + growth.T
    every = tuple(range(len(operations.turned)))
    steps = _averaged(field, operations, subgroup) - _averaged(field, operations, every)
    steps -= steps.mean(axis=0)
    strain = _turned(growth, operations, subgroup) - _turned(growth, operations, every)
    longest, size = np.linalg.norm(steps, axis=1).max(), np.linalg.norm(strain)
    spacing = np.cbrt(abs(np.linalg.det(lattice)) / len(numbers))
    moves, strains = longest > NOTHING, size > NOTHING
    if not moves and not strains:
        return None
    share = strain_share if moves else 1.0
    return Mode(steps / longest if moves else np.zeros_like(steps),
                strain * share / (size * spacing) if strains else np.zeros((3, 3)))


def kept_group(crystal: Crystal, mode: Mode, order: int, most: float) -> int | None:
    """The space group that the mode leaves, as moyopy measures it; None where it has not `order` operations there.

    Parameters
    ----------
    crystal, mode : at 0, and the way from it
    order : of the subgroup's point group
    most : angstrom, where the path ends
    """
    distortion = min(GENERIC_ANGSTROM, most)
    lattice, positions, numbers = mode.cell(crystal, distortion)
    try:
        with quiet_moyo():
            found = measure_symmetry(lattice, positions, numbers, precision_angstrom=PRECISION * distortion)
    except ValueError:  # moyopy's
        return None
    return int(found.number) if len(found.operations.rotations) == order else None


def farthest(crystal: Crystal, mode: Mode, most: float, least_ratio: float) -> float:
    """How far the mode goes, at most `most` angstrom, until two atoms are nearer than so many summed covalent radii."""
    end = 0.0
    for distortion in np.linspace(most / STEPS, most, STEPS).tolist():
        if shortest_distance_ratio(*mode.cell(crystal, distortion)) < least_ratio:
            break
        end = distortion
    return end


def _averaged(field: Float[np.ndarray, "n 3"], operations: CellOperations, some: tuple[int, ...]
              ) -> Float[np.ndarray, "n 3"]:
    """The field of row vectors in angstrom that some operations leave as it is, nearest to the given one."""
    mean = np.zeros_like(field)
    for k in some:
        mean[operations.image[k]] += field @ operations.turned[k]
    return mean / len(some)


def _turned(strain: Float[np.ndarray, "3 3"], operations: CellOperations, some: tuple[int, ...]
            ) -> Float[np.ndarray, "3 3"]:
    """The strain that some operations leave as it is."""
    turns = operations.turned[list(some)]
    return (turns.transpose(0, 2, 1) @ strain @ turns).mean(axis=0)
