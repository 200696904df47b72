"""Random crystals that nature could make: known stoichiometries on known kinds of sites, dense, neutral, not too near.

Each part is drawn from the frequencies of known crystals (natural/nature.json.gz); the group is measured twice.
"""

from functools import cache
from typing import Literal

import gemmi
import numpy as np

from cbedgan.crystal import crystals
from cbedgan.crystal.crystals import Crystal, shortest_distance_ratio
from cbedgan.crystal.natural.composition import Filling, draw_filling, radius, volume
from cbedgan.crystal.natural.nature import nature
from cbedgan.crystal.natural.occupation import Position, draw_occupation
from cbedgan.crystal.natural.packing import Bonds, Orbit, Packed, pack
from cbedgan.crystal.natural.shape import draw_shape
from cbedgan.crystal.random_crystals import spglib_group
from cbedgan.crystal.supergroup import hidden_supergroup, quiet_moyo
from cbedgan.crystal.wyckoff.table import wyckoff_positions
from classifier.foundation.config import Config
from classifier.foundation.errors import InputError

FILLINGS = 4  # choices of elements for the same sites, until one has room
CANDIDATES = 6  # cells and places that are relaxed together, of which one is taken
# Mean and spread of the logarithm of a crystal's mean nearest distance over the bond lengths.
IONIC_BONDS, NEUTRAL_BONDS = (-0.03, 0.04), (-0.035, 0.055)
LARGEST_SCALE = 0.08  # logarithm of the factor on all lengths that brings that about
BOND_LIMITS = (0.84, 1.25)  # of the nearest distance of each orbit over the bond length
LEAST_APART = 0.74  # of pairs that do not bind
SECOND_SHELL = 0.75  # of two ions of like sign, over the two bond lengths to an ion between them
ANIONS_APART = 1.1  # two anions, over their summed radii


class NaturalConfig(Config):
    """The source "natural": random crystals like known ones in density, contacts, charges, sites and cells."""

    kind: Literal["natural"]
    maximum_primitive_atoms: int = 24
    maximum_elements: int = 5
    minimum_distance_ratio: float = 0.6  # shortest distance between atoms over the sum of their covalent radii
    supergroup_tolerance_angstrom: float = 0.1  # a crystal that is nearer than this to a supergroup is rejected
    attempts: int = 200  # tries after which a space group counts as exhausted

    def draw(self, space_group: int, generator: np.random.Generator) -> Crystal | None:
        """Draw one crystal, see natural_crystal."""
        return natural_crystal(space_group, self, generator)

    def of_at_most(self, maximum_primitive_atoms: int) -> "NaturalConfig":
        """Return the same source with cells of that size."""
        return self.model_copy(update={"maximum_primitive_atoms": maximum_primitive_atoms})

    def inputs(self) -> dict[str, str]:
        """The table of known crystals is part of the package."""
        return {}


def natural_crystal(space_group: int, config: NaturalConfig, generator: np.random.Generator) -> Crystal | None:
    """Draw one crystal of the group 1..230; None when the draw has another group, or breaks a rule of `config`."""
    orbits, positions = group_orbits(space_group)
    chosen = draw_occupation(space_group, list(positions), config.maximum_primitive_atoms, generator)
    if not chosen:
        return None
    atoms = [positions[i].atoms for i in chosen]
    for _ in range(FILLINGS):
        filling = draw_filling(atoms, config.maximum_elements, generator)
        if filling is None:
            return None
        size = volume(filling, atoms, generator) * len(crystals.centring_translations(space_group))
        cells = np.array([_cell(space_group, sum(atoms), size, generator) for _ in range(CANDIDATES)])
        basis = crystals.PRIMITIVE_BASIS[crystals.centring_type(space_group)]
        packed = pack([orbits[i] for i in chosen], bonds_of(filling), basis, point_group(space_group), cells, generator)
        best, scale = _best_candidate(packed, np.array(atoms), IONIC_BONDS if any(filling.charges) else NEUTRAL_BONDS,
                                      generator)
        if best is not None:
            break
    else:
        return None
    sites = np.concatenate([orbits[i].rotations @ point + orbits[i].translations
                            for i, point in zip(chosen, packed.points[best], strict=True)])
    sites = (sites + crystals.centring_translations(space_group)[:, None]).reshape(-1, 3) % 1.0
    numbers = np.tile(np.repeat(filling.numbers, atoms), len(sites) // sum(atoms))
    letters = " ".join(wyckoff_positions(space_group)[i].letter for i in chosen)
    try:
        with quiet_moyo():
            crystal = crystals.standard_crystal(packed.lattices[best] * scale, sites, numbers,
                                                source=f"natural random crystal, group {space_group}, sites {letters}",
                                                steady=True)
    except InputError:
        return None
    if crystal.space_group != space_group or spglib_group(crystal) != space_group:
        return None
    lattice, places, kinds = crystal.primitive()
    if (len(kinds) > config.maximum_primitive_atoms
            or shortest_distance_ratio(lattice, places, kinds) < config.minimum_distance_ratio):
        return None
    return crystal if hidden_supergroup(crystal, config.supergroup_tolerance_angstrom) is None else None


@cache
def group_orbits(space_group: int) -> tuple[tuple[Orbit, ...], tuple[Position, ...]]:
    """Return the Wyckoff positions of the group, of one primitive cell, the general one first."""
    n_centring = len(crystals.centring_translations(space_group))
    orbits, positions = [], []
    for position in wyckoff_positions(space_group):
        atoms = position.multiplicity // n_centring
        orbits.append(Orbit(position.rotations[:atoms], position.translations[:atoms]))
        positions.append(Position(atoms, position.freedom))
    return tuple(orbits), tuple(positions)


@cache
def point_group(space_group: int) -> np.ndarray:
    """Return the rotations [r, 3, 3] of the group in its standard setting."""
    return np.unique(wyckoff_positions(space_group)[0].rotations, axis=0)


def lattice_type(space_group: int) -> str:
    """Return crystal family and centring, such as "tI"; A and C centring count as one."""
    limits = (2, 15, 74, 142, 194, 230)
    family = "amothc"[next(rank for rank, last in enumerate(limits) if space_group <= last)]
    return family + crystals.centring_type(space_group).replace("A", "C")


def bonds_of(filling: Filling) -> Bonds:
    """Return the bond lengths between orbits; a neutral crystal binds all of its atoms."""
    species = nature().species
    numbers, states = filling
    radii = np.array([radius(species[number], state) for number, state in zip(numbers, states, strict=True)])
    sign = np.sign(states)
    lengths = radii[:, None] + radii
    if not sign.any():
        return Bonds(lengths, np.ones_like(lengths, dtype=bool))
    attract = sign[:, None] * sign < 0
    smallest_anion = radii[sign < 0].min()
    cations = (sign[:, None] > 0) & (sign > 0)
    apart = np.where(cations, SECOND_SHELL * (lengths + 2 * smallest_anion), ANIONS_APART * lengths)
    return Bonds(np.where(attract, lengths, apart), attract)


def _best_candidate(packed: Packed, atoms: np.ndarray, bonds: tuple[float, float], generator: np.random.Generator
                    ) -> tuple[int | None, float]:
    """Return the candidate whose atoms all have a neighbour nearest to the bond length, and a factor on its lengths."""
    logarithms = np.log(np.minimum(packed.nearest, 4.0))
    means = logarithms @ atoms / atoms.sum()
    target = bonds[0] + bonds[1] * np.clip(generator.standard_normal(), -2, 2)
    scales = np.clip(target - means, -LARGEST_SCALE, LARGEST_SCALE)
    scaled = logarithms + scales[:, None]
    low, high = np.log(BOND_LIMITS)
    allowed = ((scaled > low) & (scaled < high)).all(axis=1) & (packed.apart * np.exp(scales) > LEAST_APART)
    if not allowed.any():
        return None, 1.0
    misfit = np.where(allowed, (scaled - target) ** 2 @ atoms, np.inf)
    best = int(misfit.argmin())
    return best, float(np.exp(scales[best]))


def _cell(space_group: int, n_atoms: int, size: float, generator: np.random.Generator) -> np.ndarray:
    axes, cosines = draw_shape(lattice_type(space_group), n_atoms, generator)
    lattice = np.array(gemmi.UnitCell(*axes, *np.degrees(np.arccos(cosines))).orth.mat.tolist()).T
    determinant = np.linalg.det(lattice)
    if not determinant > 0.1:  # three angles that close on no cell
        return _cell(space_group, n_atoms, size, generator)
    return lattice * np.cbrt(size / determinant)
