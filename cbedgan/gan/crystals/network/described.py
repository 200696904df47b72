"""Groups and sites in numbers that no choice of origin or axes changes: what the network knows of a crystal."""

from functools import cache
from itertools import product

import gemmi
import numpy as np
from jaxtyping import Float

from cbedgan.crystal.crystals import centring_type
from cbedgan.crystal.electron import scattering_factor
from cbedgan.crystal.natural.nature import nature
from cbedgan.crystal.wyckoff.table import wyckoff_positions
from classifier.crystal.spacegroup import crystal_system, operations

SYSTEMS = ("triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic")
CENTRINGS = "PCIFR"
TRACES = (-1, 0, 1, 2, 3)  # of a rotation, times its determinant: two-, three-, four-, sixfold, identity
NO_ELECTRONEGATIVITY = 2.0
GROUP_NUMBERS, ELEMENT_NUMBERS = len(SYSTEMS) + len(CENTRINGS) + 4 * len(TRACES) + 8, 5


@cache
def group_description(space_group: int) -> Float[np.ndarray, " GROUP_NUMBERS"]:
    """Crystal system, centring, kinds of operations, how many are screws or glides, and the Wyckoff positions."""
    positions, (turns, shifts, cells) = wyckoff_positions(space_group), operations(space_group)
    system = [float(crystal_system(space_group) == name) for name in SYSTEMS]
    letter = centring_type(space_group).replace("A", "C")
    kinds = np.zeros((2, len(TRACES), 2))
    for turn, shift in zip(turns, shifts, strict=True):
        hand = round(np.linalg.det(turn))
        kind = TRACES.index(round(hand * np.trace(turn)))
        kinds[int(hand < 0), kind, int(_shifts(turn, shift, cells))] += 1 / len(turns)
    freedom = np.array([one.freedom for one in positions])
    polar = np.linalg.matrix_rank(turns.mean(axis=0), tol=1e-6)
    highest = max(one.site_symmetry_order for one in positions)
    others = [np.log(len(turns)) / 4, polar / 3, len(positions) / 10, np.log(highest) / 4,
              *(float((freedom == k).mean()) for k in range(4))]
    return np.array([*system, *(float(letter == one) for one in CENTRINGS), *kinds.ravel(), *others])


@cache
def element_description(number: int) -> Float[np.ndarray, " ELEMENT_NUMBERS"]:
    """Number, size, electronegativity, scattering and whether it is a metal."""
    known = nature().species.get(number)
    return np.array([number / 50 - 1, np.log(covalent_radius(number)) * 2,
                     (known.electronegativity if known is not None else NO_ELECTRONEGATIVITY) - NO_ELECTRONEGATIVITY,
                     np.log(scattering_factor(number, np.zeros(1))[0]) - 1.5,
                     float(known is not None and known.metal)])


@cache
def covalent_radius(number: int) -> float:
    """Of an element, angstrom."""
    return float(gemmi.Element(int(number)).covalent_r)


def _shifts(turn: Float[np.ndarray, "3 3"], shift: Float[np.ndarray, " 3"], cells: Float[np.ndarray, "k 3"]) -> bool:
    """Whether the operation is a screw or a glide, whatever lattice vector follows it."""
    power, powers = np.eye(3), []
    while not powers or not np.allclose(power, np.eye(3)):
        powers.append(power)
        power = power @ turn
    along = np.mean(powers, axis=0)
    whole = np.array(list(product((-1, 0, 1), repeat=3)))
    every = (cells[:, None] + whole).reshape(-1, 3)
    return bool(np.abs((shift + every) @ along.T).max(axis=1).min() > 1e-6)
