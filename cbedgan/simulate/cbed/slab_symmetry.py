"""Symmetry of a slab about the beam: it saves incident directions, and it makes the terraces of a surface.

Rotations about the beam and mirrors along it, with any shift across the beam, turn the pattern with the direction.
With a shift along the beam too (screws and glides) they make of the slab one that begins at another height: the
terraces that steps of a fraction of the period part on a real surface.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float, Int
from numpy.typing import ArrayLike

from cbedgan.crystal.crystals import Lattice, Positions
from cbedgan.simulate.cbed.multislice import BeamIntensities, Multislice
from cbedgan.simulate.cbed.zone_axis import Slab

SAME_PLACE_ANGSTROM = 1e-5  # only exact symmetry counts, up to the rounding of coordinates
SAME_HEIGHT = 1e-4  # of the repeat period: two heights along the beam are one
SAME_DIRECTION = 1e-6  # of the widest incident direction
IDENTITY = np.eye(2, dtype=np.int64)
SMALL_MATRICES = np.array(list(product((-1, 0, 1), repeat=4))).reshape(-1, 2, 2)


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


class Operation(NamedTuple):
    """Takes rows x of fractional coordinates in the slab's cell to x @ matrix + shift; matrix acts across the beam."""

    matrix: Int[np.ndarray, "2 2"]
    shift: Float[np.ndarray, " 3"]

    @property
    def along_beam(self) -> bool:
        """Whether it shifts along the beam."""
        return bool(np.abs(self.shift[2] - np.round(self.shift[2])) > SAME_HEIGHT)


class TerraceAmplitudes(NamedTuple):
    """amplitude: of V terraces with equal weight, else as multislice.BeamAmplitudes, up to one phase a beam."""

    amplitude: Complex[np.ndarray, "V T D B"]
    beam: Int[np.ndarray, "B 2"]
    thickness_angstrom: Float[np.ndarray, " T"]


def amplitudes_by_symmetry(propagation: Multislice, directions: Float[np.ndarray, "D 2"],
                           thickness_angstrom: ArrayLike, operations: list[Operation]) -> TerraceAmplitudes:
    """Do what `Multislice.amplitudes` does, one wave for each symmetry orbit, and turn the result to each terrace.

    Parameters
    ----------
    propagation, thickness_angstrom : as for `Multislice.amplitudes`
    directions : on which every operation maps them
    operations : of the slab; those along the beam make terraces
    """
    plane = propagation.slab.cell[:2, :2]
    turns = [np.linalg.inv(plane) @ operation.matrix @ plane for operation in operations]
    exact = [k for k, operation in enumerate(operations) if not operation.along_beam]
    source, by = _orbits(directions, [turns[k] for k in exact])
    sent = np.unique(source)
    leaving = propagation.amplitudes(directions[sent], thickness_angstrom)
    place = np.full(propagation.shape, -1)
    place[tuple(leaving.beam.T)] = np.arange(len(leaving.beam))

    def turned(amplitude: np.ndarray, operation: Operation) -> np.ndarray:
        """Beam h of the image is beam h matrix^T of the wave, with the phase of the shift."""
        origin = place[tuple((leaving.beam @ operation.matrix.T).T)]
        phase = np.exp(-2j * np.pi * (leaving.beam @ operation.shift[:2])).astype(np.complex64)
        return np.where(origin < 0, 0, amplitude[..., origin]) * phase

    first = leaving.amplitude[:, np.searchsorted(sent, source)]
    for k in np.unique(by[by > 0]):
        first[:, by == k] = turned(first[:, by == k], operations[exact[k]])
    terraces, seen = [first], {operations[k].matrix.tobytes() for k in exact}
    for operation, turn in zip(operations, turns, strict=True):
        if operation.matrix.tobytes() not in seen:
            seen |= {(operations[k].matrix @ operation.matrix).tobytes() for k in exact}
            whence = nearest_directions(directions, directions @ np.linalg.inv(turn))
            terraces.append(turned(first[:, whence], operation))
    return TerraceAmplitudes(np.stack(terraces), leaving.beam, leaving.thickness_angstrom)


def beam_operations(slab: Slab) -> list[Operation]:
    """Return all operations of the slab's crystal that keep the beam's direction and the entry surface, identity first.

    One for each rotation or mirror: without a shift along the beam where there is such a one.
    """
    metric = slab.cell @ slab.cell.T
    whole = np.zeros((len(SMALL_MATRICES), 3, 3))
    whole[:, :2, :2], whole[:, 2, 2] = SMALL_MATRICES, 1
    kept = np.abs(whole @ metric @ whole.transpose(0, 2, 1) - metric).max(axis=(1, 2)) < 1e-7 * metric.max()
    operations = [Operation(IDENTITY, np.zeros(3))]
    for matrix in SMALL_MATRICES[kept]:
        if (matrix != IDENTITY).any():
            shift = _least_shift(slab, matrix)
            if shift is not None:
                operations.append(Operation(matrix, shift))
    return operations


def mirror_azimuth(slab: Slab, operations: list[Operation]) -> float:
    """Angle in rad of a mirror line from the slab's x axis; 0 where there is none."""
    plane = slab.cell[:2, :2]
    for operation in operations:
        turn = np.linalg.inv(plane) @ operation.matrix @ plane
        if np.linalg.det(turn) < 0:
            return float(np.arctan2(turn[0, 1], turn[0, 0]) / 2)
    return 0.0


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


def _least_shift(slab: Slab, matrix: Int[np.ndarray, "2 2"]) -> Float[np.ndarray, " 3"] | None:
    """The shift, as little along the beam as can be, with which the operation takes every atom to one of its kind."""
    kinds, counts = np.unique(slab.numbers, return_counts=True)
    moved = slab.positions.copy()
    moved[:, :2] = moved[:, :2] @ matrix
    of_kind = [slab.numbers == kind for kind in kinds[counts.argsort()]]
    pairs = [(moved[rows], slab.positions[rows]) for rows in of_kind]
    rarest = np.flatnonzero(slab.numbers == kinds[counts.argmin()])
    shifts = slab.positions[rarest] - moved[rarest[0]]
    for shift in shifts[np.argsort(np.round(np.abs(shifts[:, 2] - np.round(shifts[:, 2])), 6), kind="stable")]:
        # Most shifts are wrong for the first few atoms already.
        if all(_is_among(some[:4] + shift, places, slab.cell) for some, places in pairs) and all(
                _is_among(some + shift, places, slab.cell) for some, places in pairs):
            return shift
    return None


def _is_among(moved: Float[np.ndarray, "k 3"], places: Positions, cell: Lattice) -> bool:
    """Whether every moved atom lies on one of the places."""
    apart = moved[:, None] - places
    apart -= np.round(apart)
    return bool((np.linalg.norm(apart @ cell, axis=-1) < SAME_PLACE_ANGSTROM).any(axis=1).all())


def nearest_directions(directions: Float[np.ndarray, "D 2"], wanted: Float[np.ndarray, "D 2"]) -> Int[np.ndarray, " D"]:
    """Which direction each wanted one is."""
    apart = np.abs(directions[None] - wanted[:, None]).max(-1)
    if apart.min(axis=1).max() > SAME_DIRECTION * max(float(np.abs(directions).max()), 1e-12):
        raise ValueError("the operation must map the directions on themselves")
    return apart.argmin(axis=1)


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
