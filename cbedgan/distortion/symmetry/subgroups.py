"""Symmetry operations of a crystal in its own primitive cell, and the maximal subgroups of them that keep the cell.

A translationengleiche subgroup keeps all translations: it is a subgroup of the point group, whatever the shifts are.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from cbedgan.crystal.crystals import Crystal, measure_symmetry
from cbedgan.crystal.supergroup import quiet_moyo
from classifier.foundation.errors import InputError

SAME_PLACE_ANGSTROM = 2e-2  # an atom's image and an atom: twice the precision with which the symmetry is measured


class CellOperations(NamedTuple):
    """The o operations x -> R x + t of a primitive cell of n atoms, one for each rotation or mirror.

    rotations, shifts: on fractional coordinates (columns); turned: of row vectors in angstrom; image: of each atom, the
    atom that the operation takes it to; product: number of the operation "i after j" in row i, column j.
    """

    rotations: Int[np.ndarray, "o 3 3"]
    shifts: Float[np.ndarray, "o 3"]
    turned: Float[np.ndarray, "o 3 3"]
    image: Int[np.ndarray, "o n"]
    product: Int[np.ndarray, "o o"]


def operations_of(crystal: Crystal) -> CellOperations:
    """Measure the operations of the crystal's primitive cell; InputError where they do not map its atoms on atoms."""
    lattice, positions, numbers = crystal.primitive()
    with quiet_moyo():
        measured = measure_symmetry(lattice, positions, numbers).operations
    rotations, shifts = np.array(measured.rotations), np.array(measured.translations)
    moved = positions @ rotations.transpose(0, 2, 1) + shifts[:, None]
    apart = moved[:, :, None] - positions
    distance = np.linalg.norm((apart - np.round(apart)) @ lattice, axis=-1)
    distance[:, numbers[:, None] != numbers] = np.inf
    image = distance.argmin(axis=2)
    whole = [sorted(row) == list(range(len(numbers))) for row in image.tolist()]
    if distance.min(axis=2).max() > SAME_PLACE_ANGSTROM or not all(whole):
        raise InputError(source=crystal.material, rule="its operations must map its atoms on atoms",
                         value=f"{distance.min(axis=2).max():.2g} angstrom apart", remedy="Take another crystal.")
    code = {rotation.tobytes(): k for k, rotation in enumerate(rotations)}
    if len(code) < len(rotations):
        raise InputError(source=crystal.material, rule="its cell must be primitive",
                         value=f"{len(rotations)} operations", remedy="Take another crystal.")
    product = np.array([[code[(one @ other).tobytes()] for other in rotations] for one in rotations])
    turned = np.linalg.inv(lattice) @ rotations.transpose(0, 2, 1) @ lattice
    return CellOperations(rotations, shifts, turned, image, product)


def maximal_subgroups(product: Int[np.ndarray, "o o"]) -> list[tuple[int, ...]]:
    """One of each class of conjugate maximal subgroups of a group's multiplication table, the largest first.

    All subgroups are found by adding one operation after another: a point group has 98 at most.
    """
    return _maximal_subgroups(np.ascontiguousarray(product, dtype=np.int64).tobytes())


@lru_cache(maxsize=512)
def _maximal_subgroups(table: bytes) -> list[tuple[int, ...]]:
    product = np.frombuffer(table, dtype=np.int64)
    order = round(np.sqrt(len(product)))
    product = product.reshape(order, order)
    neutral = int(np.flatnonzero((product == np.arange(order)).all(axis=1))[0])
    inverse = (product == neutral).argmax(axis=1)
    whole = frozenset(range(order))
    found, new = {frozenset([neutral])}, [frozenset([neutral])]
    while new:
        larger = {_closed(product, group | {one}) for group in new for one in whole - group} - found
        found |= larger
        new = list(larger)
    proper = [group for group in found if group != whole]
    maximal = [group for group in proper if not any(group < other for other in proper)]
    chosen: list[tuple[int, ...]] = []
    seen: set[frozenset[int]] = set()
    for group in sorted(maximal, key=lambda group: (-len(group), sorted(group))):
        if group not in seen:
            chosen.append(tuple(sorted(group)))
            seen |= {frozenset(product[product[g, list(group)], inverse[g]].tolist()) for g in range(order)}
    return chosen


def _closed(product: Int[np.ndarray, "o o"], some: frozenset[int]) -> frozenset[int]:
    """The smallest group that holds the operations."""
    group, size = np.array(sorted(some)), 0
    while len(group) > size:
        size = len(group)
        group = np.unique(product[np.ix_(group, group)])
    return frozenset(group.tolist())
