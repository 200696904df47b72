"""Random crystals of a given space group: Wyckoff positions filled at random, then the group measured twice.

The Wyckoff positions are those of the frozen table; moyopy and spglib must both find the group that was asked for.
"""

import warnings
from typing import Literal

import gemmi
import numpy as np
from jaxtyping import Float
from pydantic import Field

from cbedgan.crystal import crystals
from cbedgan.crystal.crystals import Crystal, Lattice, Numbers, Positions, shortest_distance_ratio
from cbedgan.crystal.supergroup import hidden_supergroup
from cbedgan.crystal.wyckoff.table import WyckoffPosition, wyckoff_positions
from classifier.foundation.config import Config
from classifier.foundation.errors import InputError

# Roughly in the order in which they occur in inorganic compounds; an element is drawn with a weight that falls with it.
ELEMENTS = tuple(gemmi.Element(name).atomic_number for name in (
    "O Si Al Fe S Na Ca Mg K Cu Ti Mn P Ba Ni F Sr Ge Se Li Pb Zn Co Bi La V Te Cl As Sb Y Zr In Nd Cr N Ga Nb Sn Cd "
    "Ag Ce Mo Ta W B Rb Br Cs I Pd Pt Au Hf Hg U Yb C").split())
ELEMENT_WEIGHT = 1 / (np.arange(len(ELEMENTS)) + 8)
NUMBER_RATIO = 1.3  # between the atomic numbers of two elements: closer ones look the same to the beam
FILL = 0.35  # at least this share of maximum_primitive_atoms is asked for
CROWDED = 0.8  # of maximum_primitive_atoms: a larger general position is occupied in every other draw
AXIS_RATIO, ANGLE_SPAN_DEG = 1.7, 20.0  # widest ratio of a free axis to a; free angles lie this far round 90 degrees
CELLS = 8  # draws of the cell, until one is filled well enough
CANDIDATES = 8  # random points for each orbit, of which the roomiest is taken
LONGEST_CONTACT = 1.05  # the shortest distance over the summed radii is drawn between the configured one and this
THINNEST = 0.12  # share of the volume inside the covalent spheres, below which a draw is no crystal


class RandomCrystalConfig(Config):
    """The source "random", also called "gas": random crystals, as thin as their roomiest draw makes them."""

    kind: Literal["random", "gas"] = Field("random", exclude_if=lambda kind: True)  # older sets are named without it
    maximum_primitive_atoms: int = 20
    maximum_elements: int = 3
    minimum_distance_ratio: float = 0.7  # shortest distance between atoms over the sum of their covalent radii
    supergroup_tolerance_angstrom: float = 0.1  # a crystal that is nearer than this to a supergroup is rejected
    attempts: int = 200  # tries after which a space group counts as exhausted

    def draw(self, space_group: int, generator: np.random.Generator) -> Crystal | None:
        """Draw one crystal, see random_crystal."""
        return random_crystal(space_group, self, generator)

    def of_at_most(self, maximum_primitive_atoms: int) -> "RandomCrystalConfig":
        """Return the same source with cells of that size."""
        return self.model_copy(update={"maximum_primitive_atoms": maximum_primitive_atoms})

    def inputs(self) -> dict[str, str]:
        """No file is read."""
        return {}


def random_crystal(space_group: int, config: RandomCrystalConfig, generator: np.random.Generator) -> Crystal | None:
    """Draw one crystal of the group 1..230; None when the draw has another group, or breaks a rule of `config`.

    The general position is occupied whenever `maximum_primitive_atoms` allows (every other time where it leaves little
    room), the others at random.
    """
    positions = draw_positions(space_group, config.maximum_primitive_atoms, generator)
    numbers = draw_numbers(len(positions), config.maximum_elements, generator)
    contact = generator.uniform(config.minimum_distance_ratio, max(LONGEST_CONTACT, config.minimum_distance_ratio))
    packed = _pack(space_group, positions, numbers, contact, generator)
    if packed is None:
        return None
    lattice, sites, kinds = packed
    letters = " ".join(position.letter for position in positions)
    try:
        source = f"random crystal (pyxtal), group {space_group}, sites {letters}"
        crystal = crystals.standard_crystal(lattice, sites, kinds, source=source)
    except InputError:
        return None
    if crystal.space_group != space_group or spglib_group(crystal) != space_group:
        return None
    lattice, sites, kinds = crystal.primitive()
    too_large = len(kinds) > config.maximum_primitive_atoms
    if too_large or shortest_distance_ratio(lattice, sites, kinds) < config.minimum_distance_ratio * (1 - 1e-6):
        return None
    return crystal if hidden_supergroup(crystal, config.supergroup_tolerance_angstrom) is None else None


def draw_positions(space_group: int, maximum_primitive_atoms: int,
                   generator: np.random.Generator) -> list[WyckoffPosition]:
    """Draw Wyckoff positions that together hold at most so many atoms in the primitive cell, with repeats."""
    n_centring = len(crystals.centring_translations(space_group))
    wyckoff = wyckoff_positions(space_group)
    atoms = np.array([len(position.rotations) // n_centring for position in wyckoff])
    weight = np.array([position.freedom + 0.3 for position in wyckoff]) ** 2  # the freer, the less like a supergroup
    crowded = atoms[0] > CROWDED * maximum_primitive_atoms  # little room beside it: always, it would be one type only
    general = atoms[0] <= maximum_primitive_atoms and not (crowded and generator.random() < 0.5)
    chosen = [0] if general else []
    least = max(1, round(FILL * maximum_primitive_atoms))
    wanted = generator.integers(least, maximum_primitive_atoms, endpoint=True)
    while (free := wanted - atoms[chosen].sum()) > 0:
        used_up = [i for i in chosen if wyckoff[i].freedom == 0]
        allowed = atoms <= (free if chosen else maximum_primitive_atoms)
        allowed[used_up] = False
        if not allowed.any():
            break
        chosen.append(int(generator.choice(len(wyckoff), p=weight * allowed / (weight * allowed).sum())))
    return [wyckoff[i] for i in chosen]


def draw_numbers(n_orbits: int, maximum_elements: int, generator: np.random.Generator) -> list[int]:
    """Draw an atomic number for every orbit; each of the elements drawn is used."""
    n_elements = int(generator.integers(1, min(n_orbits, maximum_elements), endpoint=True))
    elements: list[int] = []
    weight = ELEMENT_WEIGHT.copy()
    while len(elements) < n_elements and weight.any():
        drawn = ELEMENTS[generator.choice(len(ELEMENTS), p=weight / weight.sum())]
        elements.append(drawn)
        weight[[max(drawn, other) < NUMBER_RATIO * min(drawn, other) for other in ELEMENTS]] = 0
    more = generator.choice(elements, n_orbits - len(elements)).tolist()
    return [int(number) for number in generator.permutation(elements + more)]


def draw_cell(space_group: int, generator: np.random.Generator) -> Lattice:
    """Draw a lattice of unit volume of the group's crystal system in the standard setting."""
    a, b, c = np.exp(generator.uniform(-1, 1, 3) * np.log(AXIS_RATIO) / 2)
    angles = 90 + generator.uniform(-1, 1, 3) * ANGLE_SPAN_DEG
    if space_group > 2:
        angles[[0, 2]] = 90
    if space_group > 15:
        angles[1] = 90
    if space_group > 74:
        b = a
    if 142 < space_group < 195:
        angles[2] = 120
    if space_group > 194:
        c = a
    lattice = np.array(gemmi.UnitCell(a, b, c, *angles).orth.mat.tolist()).T
    return lattice / np.linalg.det(lattice) ** (1 / 3)


def spglib_group(crystal: Crystal) -> int | None:
    """Return the space group that spglib finds, None when it finds none."""
    import spglib

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lattice, sites, kinds = crystal.primitive()
        symmetry = spglib.get_symmetry_dataset((lattice.tolist(), sites.tolist(), kinds.tolist()),
                                               symprec=crystals.SYMMETRY_PRECISION_ANGSTROM)
    return None if symmetry is None else int(symmetry.number)


def _pack(space_group: int, positions: list[WyckoffPosition], numbers: list[int], contact: float,
          generator: np.random.Generator) -> tuple[Lattice, Positions, Numbers] | None:
    """Draw cells until the orbits fill enough of one, None if none do; contact: shortest distance over summed radii."""
    for _ in range(CELLS):
        lattice = draw_cell(space_group, generator)
        sites, kinds, ratio = _place(lattice, positions, numbers, generator)
        if ratio > 0 and _filled_share(lattice * contact / ratio, kinds) >= THINNEST:
            return lattice * contact / ratio, sites, kinds
    return None


def _place(lattice: Lattice, positions: list[WyckoffPosition], numbers: list[int],
           generator: np.random.Generator) -> tuple[Positions, Numbers, float]:
    """Place one orbit after the other, each at the roomiest of several random points of its position.

    Returns positions, numbers and the shortest distance between two atoms over their summed radii.
    """
    sites, kinds, ratio = np.zeros((0, 3)), np.zeros(0, dtype=np.int64), np.inf
    for position, number in zip(positions, numbers, strict=True):
        points = generator.uniform(0, 1, (CANDIDATES, 3))
        orbits = np.einsum("mij,kj->kmi", position.rotations, points) + position.translations
        kinds = np.concatenate([np.full(orbits.shape[1], number), kinds])
        everything = np.concatenate([orbits, np.broadcast_to(sites, (CANDIDATES, *sites.shape))], axis=1)
        room = _contact(lattice, everything, kinds)
        sites, ratio = everything[room.argmax()], min(ratio, float(room.max()))
    return sites % 1.0, kinds, ratio


def _contact(lattice: Lattice, positions: Float[np.ndarray, "k n 3"], numbers: Numbers) -> Float[np.ndarray, " k"]:
    """Return the smallest distance of the first atom to any, over the summed radii."""
    radii = np.array([gemmi.Element(int(number)).covalent_r for number in numbers])
    apart = positions - positions[:, :1]
    apart -= np.round(apart)
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3)
    distance = np.linalg.norm((apart[:, :, None] + shifts) @ lattice, axis=-1)
    distance[:, 0, len(shifts) // 2] = np.inf  # an atom and itself
    return (distance.min(axis=2) / (radii[0] + radii)).min(axis=1)


def _filled_share(lattice: Lattice, numbers: Numbers) -> float:
    radii = np.array([gemmi.Element(int(number)).covalent_r for number in numbers])
    return float(4 / 3 * np.pi * (radii**3).sum() / np.linalg.det(lattice))
