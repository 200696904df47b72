"""Symmetry that a slab has as it stands, with its entry plane: it saves incident directions.

Rotations about the beam and mirrors along it, with any shift across the beam, turn the pattern with the direction.
"""

from itertools import product

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from cbedgan.simulate.cbed.multislice import BeamIntensities, Multislice
from cbedgan.simulate.cbed.zone_axis import Slab

SAME_PLACE_ANGSTROM = 1e-5  # only exact symmetry counts, up to the rounding of coordinates
SAME_DIRECTION = 1e-6  # of the widest incident direction


def intensities_by_symmetry(propagation: Multislice, directions: Float[np.ndarray, "D 2"],
                            thickness_angstrom: ArrayLike) -> BeamIntensities:
    """Do what `Multislice.intensities` does, sending one wave for each symmetry orbit of directions."""
    slab = propagation.slab
    plane = slab.cell[:2, :2]
    operations = plane_operations(slab)
    source, by = _orbits(directions, [np.linalg.inv(plane) @ operation @ plane for operation in operations])
    sent = np.unique(source)
    leaving = propagation.intensities(directions[sent], thickness_angstrom)
    place = np.full(propagation.shape, -1)
    place[tuple(leaving.beam.T)] = np.arange(len(leaving.beam))
    intensity = leaving.intensity[:, np.searchsorted(sent, source)]
    for k in np.unique(by[by > 0]):
        # The operation takes beam h of the wave that was sent to beam h inverse(operation)^T.
        origin = place[tuple((leaving.beam @ operations[k].T).T)]
        intensity[:, by == k] = np.where(origin < 0, 0, intensity[:, by == k][..., origin])
    return BeamIntensities(intensity, leaving.beam, leaving.thickness_angstrom)


def plane_operations(slab: Slab) -> list[Int[np.ndarray, "2 2"]]:
    """Return the operations on rows of in-plane fractional coordinates, the identity first.

    Each leaves every height along the beam as it is; none but the identity where the entry surface is inclined.
    """
    identity = np.eye(2, dtype=np.int64)
    if np.abs(slab.slope).max() > 1e-9:
        return [identity]
    metric = slab.cell[:2, :2] @ slab.cell[:2, :2].T
    operations = [identity]
    for entries in product((-1, 0, 1), repeat=4):
        operation = np.array(entries).reshape(2, 2)
        keeps_lengths = np.abs(operation @ metric @ operation.T - metric).max() < 1e-7 * metric.max()
        if keeps_lengths and (operation != identity).any() and _keeps(slab, operation):
            operations.append(operation)
    return operations


def _keeps(slab: Slab, operation: Int[np.ndarray, "2 2"]) -> bool:
    """Whether the operation with some shift across the beam takes every atom to one of its kind and height."""
    kinds, counts = np.unique(slab.numbers, return_counts=True)
    rarest = np.flatnonzero(slab.numbers == kinds[counts.argmin()])
    moved = slab.positions.copy()
    moved[:, :2] = moved[:, :2] @ operation
    same_kind = slab.numbers[:, None] == slab.numbers
    for target in rarest:
        shift = np.append(slab.positions[target, :2] - moved[rarest[0], :2], 0)
        apart = moved[:, None] + shift - slab.positions
        close = np.linalg.norm((apart - np.round(apart)) @ slab.cell, axis=-1) < SAME_PLACE_ANGSTROM
        if (close & same_kind).any(axis=1).all():
            return True
    return False


def _orbits(directions: Float[np.ndarray, "D 2"], rotations: list[Float[np.ndarray, "2 2"]]
            ) -> tuple[Int[np.ndarray, " D"], Int[np.ndarray, " D"]]:
    """For each direction the one from which the rotation of this number makes it."""
    tolerance = SAME_DIRECTION * max(float(np.abs(directions).max()), 1e-12)
    source, by = np.full(len(directions), -1), np.zeros(len(directions), dtype=np.int64)
    for one in range(len(directions)):
        if source[one] < 0:
            for k, rotation in enumerate(rotations):
                same = np.abs(directions - directions[one] @ rotation).max(axis=1) < tolerance
                for image in np.flatnonzero(same & (source < 0)):
                    source[image], by[image] = one, k
    return source, by
