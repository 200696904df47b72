"""How a crystal's atoms fill the positions of its group: what structure types differ in, as counts."""

from typing import NamedTuple

import numpy as np

from cbedgan.crystal.census.descriptors import freedom
from cbedgan.crystal.crystals import Crystal, measure_symmetry


class SiteCounts(NamedTuple):
    """Of one crystal."""

    atoms: int  # in the primitive cell
    sites: int  # independent ones: orbits
    free_coordinates: int  # of all sites
    general_sites: float  # share of the sites on the general position


def site_counts(crystal: Crystal) -> SiteCounts:
    """Count the sites of a crystal; nothing depends on the choice of its cell."""
    lattice, positions, numbers = crystal.primitive()
    symmetry = measure_symmetry(lattice, positions, numbers)
    first = np.unique(symmetry.orbits, return_index=True)[1]
    free = np.rint(freedom(positions, np.array(symmetry.operations.rotations),
                           np.array(symmetry.operations.translations), lattice)[first]).astype(int)
    return SiteCounts(len(numbers), len(first), int(free.sum()), float((free == 3).mean()))
