"""Crystals whose diffraction looks like that of a higher group: an atom near a special place, or too faint to tell.

A candidate operation nearly maps the atoms on themselves, or exactly those of all elements but one, or exactly all
atoms with no regard to their elements. It hides when the structure factors, moduli and phases (all that an elastic
pattern is made of), hardly change under it.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Complex, Float, Int

from cbedgan.crystal.crystals import SYMMETRY_PRECISION_ANGSTROM, Crystal, Lattice, Numbers, Positions, measure_symmetry
from cbedgan.crystal.electron import scattering_factor

if TYPE_CHECKING:
    import moyopy

HIDDEN_BELOW = 0.1  # relative change of the structure factors, sum |F - F'| / sum |F|
LARGEST_G = 1.0  # of the reflections compared, in 1/angstrom: they carry nearly all scattering of a pattern
DEBYE_WALLER_SQ_ANGSTROM = 0.5


@dataclass(frozen=True, eq=False)
class Image:
    """What the crystal, in its primitive cell, becomes under an operation of a higher group: x -> rotation x + shift.

    space_group: the higher one; shift: fractional. The rotation is the identity where it would be one of the crystal's
    own: the image is then the crystal itself, shifted.
    """

    space_group: int
    rotation: Int[np.ndarray, "3 3"]
    shift: Float[np.ndarray, " 3"]

    @property
    def only_shifted(self) -> bool:
        return bool((self.rotation == np.eye(3)).all())


def hidden_supergroup(crystal: Crystal, tolerance_angstrom: float) -> int | None:
    """Return a higher group that the structure factors of the crystal hardly tell from its own, None without one.

    tolerance_angstrom: how far atoms may be from the places that the higher group would give them. A crystal so near to
    one that its own symmetry cannot be measured again is hidden too; its own group stands for the other then.
    """
    hkl, factors = structure_factors(*crystal.primitive())
    try:
        return next((image.space_group for image in images(crystal, tolerance_angstrom)
                     if _change(hkl, factors, image.rotation, image.shift) < HIDDEN_BELOW), None)
    except ValueError:  # moyopy's
        return crystal.space_group


def images(crystal: Crystal, tolerance_angstrom: float) -> Iterator[Image]:
    """Yield the different images of the crystal under the candidate operations of its higher groups."""
    lattice, positions, numbers = crystal.primitive()
    own = measure_symmetry(lattice, positions, numbers)
    every = np.ones(len(numbers), dtype=bool)
    views = [(every, numbers, tolerance_angstrom)]
    if len(elements := np.unique(numbers)) > 1:
        views += [(numbers != element, numbers, SYMMETRY_PRECISION_ANGSTROM) for element in elements]
        views += [(every, np.ones_like(numbers), SYMMETRY_PRECISION_ANGSTROM)]
    for atoms, labels, precision in views:
        with quiet_moyo():
            try:
                higher = measure_symmetry(lattice, positions[atoms], labels[atoms], precision_angstrom=precision)
            except ValueError:
                continue
        for rotation, shift in _additional(own, higher, lattice, 2 * precision):
            yield Image(int(higher.number), rotation, shift)


def structure_factors(lattice: Lattice, positions: Positions, numbers: Numbers
                      ) -> tuple[Int[np.ndarray, "m 3"], Complex[np.ndarray, " m"]]:
    """Return all reflections hkl up to `LARGEST_G`, without 000, and their structure factors in angstrom."""
    limit = np.floor(LARGEST_G * np.linalg.norm(lattice, axis=1)).astype(int)
    hkl = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in limit], indexing="ij"), -1).reshape(-1, 3)
    length = np.linalg.norm(hkl @ np.linalg.inv(lattice).T, axis=1)
    within = (length > 0) & (length <= LARGEST_G)
    hkl = hkl[within]
    damping = np.exp(-DEBYE_WALLER_SQ_ANGSTROM * length[within] ** 2 / 4)
    amplitude = {number: scattering_factor(number, length[within]) * damping for number in np.unique(numbers).tolist()}
    waves = np.exp(-2j * np.pi * hkl @ positions.T)
    return hkl, (waves * np.stack([amplitude[number] for number in numbers.tolist()], axis=1)).sum(axis=1)


def _change(hkl: Int[np.ndarray, "m 3"], factors: Complex[np.ndarray, " m"], rotation: Int[np.ndarray, "3 3"],
            shift: Float[np.ndarray, " 3"]) -> float:
    """Return sum |F - F'| / sum |F|; F'(h) = F(h R) exp(-2 pi i h t) is of the crystal that the operation has moved."""
    limit = np.abs(hkl).max(axis=0)
    by_index = np.full(2 * limit + 1, np.nan, dtype=np.complex128)
    by_index[tuple((hkl + limit).T)] = factors
    turned = hkl @ rotation + limit
    inside = ((turned >= 0) & (turned <= 2 * limit)).all(axis=1)
    moved = np.full(len(hkl), np.nan, dtype=np.complex128)
    moved[inside] = by_index[tuple(turned[inside].T)] * np.exp(-2j * np.pi * hkl[inside] @ shift)
    both = ~np.isnan(moved)  # the cell has the higher symmetry but nearly, so that some reflections leave the sphere
    return float(np.abs(moved - factors)[both].sum() / np.abs(factors[both]).sum())


def _additional(own: "moyopy.MoyoDataset", higher: "moyopy.MoyoDataset", lattice: Lattice,
                tolerance_angstrom: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield operations of `higher` (rotation [3, 3], translation [3], fractional) that `own` has not.

    One of each coset: what follows an operation of the crystal's own group makes the same image.
    """
    rotations, shifts = np.array(own.operations.rotations), np.array(own.operations.translations)
    all_rotations, all_shifts = rotations, shifts  # of the cosets that have come
    for rotation, shift in zip(higher.operations.rotations, higher.operations.translations, strict=True):
        rotation, shift = np.array(rotation), np.array(shift)
        apart = all_shifts[(all_rotations == rotation).all(axis=(1, 2))] - shift
        if (np.linalg.norm((apart - np.round(apart)) @ lattice, axis=1) > tolerance_angstrom).all():
            all_rotations = np.concatenate([all_rotations, rotation @ rotations])
            all_shifts = np.concatenate([all_shifts, shifts @ rotation.T + shift])
            same = np.flatnonzero((rotations == rotation).all(axis=(1, 2)))
            yield (np.eye(3, dtype=np.int64), shift - shifts[same[0]]) if len(same) else (rotation, shift)


@contextmanager
def quiet_moyo() -> Iterator[None]:
    """Keep moyopy from logging that a looser look finds a smaller cell."""
    logger = logging.getLogger("moyo")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
