"""Small crystals for tests of symmetry: one of each of the 32 point groups, and others."""

import gemmi
import numpy as np

from cbedgan.crystal.crystals import Crystal, standard_crystal

# The first space group of each point group, and others with screws, glides and centrings.
GROUPS = [1, 2, 3, 6, 10, 16, 25, 47, 75, 81, 83, 89, 99, 111, 123, 143, 147, 149, 156, 162, 168, 174, 175, 177, 183,
          187, 191, 195, 200, 207, 215, 221]
OTHERS = [4, 9, 15, 36, 62, 88, 122, 141, 148, 160, 161, 167, 176, 186, 194, 205, 216, 227]


def crystal_of(space_group: int) -> Crystal:
    """A general position and one on the origin's orbit, in a cell of the group's own shape."""
    a, b, c, angles = 3.9, 4.7, 5.6, [83.0, 97.0, 104.0]
    if space_group > 2:
        angles[0] = angles[2] = 90.0
    if space_group > 15:
        angles[1] = 90.0
    if space_group > 74:
        b = a
    if 142 < space_group < 195:
        angles[2] = 120.0
    if space_group > 194:
        c = a = b = 5.2
    lattice = np.array(gemmi.UnitCell(a, b, c, *angles).orth.mat.tolist()).T
    positions, numbers = [], []
    for number, place in ((26, (0.11, 0.23, 0.36)), (8, (0.05, 0.41, 0.17))):
        for operation in gemmi.find_spacegroup_by_number(space_group).operations():
            new = np.array(operation.apply_to_xyz(list(place))) % 1
            if all(np.abs((new - old + 0.5) % 1 - 0.5).max() > 1e-3 for old in positions):
                positions.append(new)
                numbers.append(number)
    crystal = standard_crystal(lattice, np.array(positions), np.array(numbers), source="test")
    assert crystal.space_group == space_group
    return crystal
