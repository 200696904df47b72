"""How a slab is parted for the propagation: layers of atoms, whole periods, the band limit and the grid."""

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike

from cbedgan.simulate.cbed.zone_axis import Slab
from classifier.foundation.errors import InputError

ENTRY_TOLERANCE_ANGSTROM = 1e-2  # an atom this far before the entry plane still counts as lying on it


def atomic_layers(slab: Slab, *, merge_angstrom: float, entry_plane: float) -> tuple[list[np.ndarray], list[float]]:
    """Group atoms into layers by height along c', in the order in which the beam meets them.

    Returns the atoms of each layer and the gaps in angstrom behind each layer (the last to the first layer of the next
    period). A layer spans at most merge_angstrom and lies at the mean height of its atoms.
    """
    period = slab.period_angstrom
    slack = ENTRY_TOLERANCE_ANGSTROM / period
    height = ((slab.positions[:, 2] - entry_plane + slack) % 1.0 - slack) * period
    layers: list[list[int]] = []
    for atom in np.argsort(height, kind="stable"):
        if layers and height[atom] - height[layers[-1][0]] <= merge_angstrom + 1e-6:
            layers[-1].append(int(atom))
        else:
            layers.append([int(atom)])
    heights = np.array([height[layer].mean() for layer in layers])
    gaps = np.round(np.diff(heights, append=heights[0] + period), 6)
    return [np.array(layer) for layer in layers], gaps.tolist()


def whole_periods(thickness_angstrom: ArrayLike, period_angstrom: float) -> Int[np.ndarray, " T"]:
    """Round thicknesses [T] in angstrom to whole repeat periods, at least one; InputError unless > 0."""
    thickness = np.atleast_1d(np.asarray(thickness_angstrom, dtype=np.float64))
    if not (thickness.size and np.isfinite(thickness).all() and (thickness > 0).all()):
        raise InputError(source="thickness_angstrom", rule="must be positive and finite", value=thickness.tolist(),
                         remedy="Give each thickness in angstrom, for instance 600.")
    return np.maximum(np.round(thickness / period_angstrom), 1).astype(np.int64)


def fast_size(least: float) -> int:
    """Smallest even 2^a 3^b 5^c that is at least `least`: fast Fourier transforms."""
    size = 2 * int(np.ceil(least / 2))
    while (rest := size) and _without_small_primes(rest) != 1:
        size += 2
    return size


def _without_small_primes(size: int) -> int:
    """What is left of a whole number without its factors 2, 3 and 5."""
    for prime in (2, 3, 5):
        while size % prime == 0:
            size //= prime
    return size
