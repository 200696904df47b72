"""Which Wyckoff positions of a group are occupied: as in known crystals of the group, else a few drawn at random."""

from typing import NamedTuple

import numpy as np

from cbedgan.crystal.natural.nature import nature

TEMPER = 0.6  # power of the number of known crystals: common sets of positions would leave no room for others
ENOUGH = 6  # a group of so many known sets of positions draws every other time from them
FEWEST = 2  # free coordinates of a random set that a group of few known ones gets


class Position(NamedTuple):
    """What is to be known of a Wyckoff position: its atoms in a primitive cell, and its free coordinates, 0 to 3."""

    atoms: int
    freedom: int


def draw_occupation(space_group: int, positions: list[Position], maximum_atoms: int,
                    generator: np.random.Generator) -> list[int]:
    """Draw indices into the positions, the general one first, with repeats; at most so many atoms together."""
    known = nature().occupations.get(space_group, {})
    fitting = {indices: count for indices, count in sorted(known.items())
               if sum(positions[i].atoms for i in indices) <= maximum_atoms}
    if fitting and generator.random() < len(fitting) / (len(fitting) + ENOUGH):
        weight = np.array(list(fitting.values()), dtype=np.float64) ** TEMPER
        return list(list(fitting)[int(generator.choice(len(fitting), p=weight / weight.sum()))])
    return _free_occupation(positions, maximum_atoms, generator)


def _free_occupation(positions: list[Position], maximum_atoms: int, generator: np.random.Generator) -> list[int]:
    """Draw positions until the cell holds about as many atoms as drawn; one of them the general one where it fits."""
    atoms = np.array([position.atoms for position in positions])
    freedom = np.array([position.freedom for position in positions])
    least = min(atoms.min(), maximum_atoms)
    wanted = int(np.clip(np.exp(generator.normal(np.log(0.5 * maximum_atoms), 0.4)), least, maximum_atoms))
    chosen: list[int] = []
    if atoms[0] <= maximum_atoms and generator.random() < 0.7:
        chosen.append(0)
    weight = (freedom + 0.5) / atoms**0.5
    while True:
        free = maximum_atoms - int(atoms[chosen].sum())
        allowed = atoms <= free
        allowed[[i for i in chosen if freedom[i] == 0]] = False
        if not allowed.any() or (chosen and atoms[chosen].sum() >= wanted):
            return sorted(chosen)
        chosen.append(int(generator.choice(len(atoms), p=weight * allowed / (weight * allowed).sum())))
