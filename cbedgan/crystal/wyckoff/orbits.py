"""Orbits as weighted sums over all operations, batched over groups: x_o = R_o (P u + t) + t_o.

An atom on a special position comes once for each operation of its site symmetry, and each time with one over that
order as its weight. So no duplicate has to be found and removed, and all sums are differentiable in u.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cbedgan.crystal.wyckoff.table import centring, wyckoff_positions
from classifier.crystal.spacegroup import NUMBERS

MOST_OPERATIONS, MOST_POSITIONS, MOST_CENTRINGS = 48, 27, 4


class GroupTable(NamedTuple):
    """What orbits are made of. Rows are International Tables numbers, row 0 is empty; what a group has not is zero.

    rotations, translations: one operation of each coset of the centring, thus of one primitive cell; present: 1 where
    there is one; centrings: fractional, the zero vector first; n_centrings: their number. Of each Wyckoff position, the
    general one first: projectors P and offsets t; freedom: free coordinates; shares: one over the order of the site
    symmetry.
    """

    rotations: Float[Tensor, "groups 48 3 3"]
    translations: Float[Tensor, "groups 48 3"]
    present: Float[Tensor, "groups 48"]
    centrings: Float[Tensor, "groups 4 3"]
    n_centrings: Int[Tensor, " groups"]
    projectors: Float[Tensor, "groups 27 3 3"]
    offsets: Float[Tensor, "groups 27 3"]
    freedom: Int[Tensor, "groups 27"]
    shares: Float[Tensor, "groups 27"]

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "GroupTable":
        """Return the table on a device, with its real numbers in a precision."""
        return GroupTable(*(entry.to(device, dtype if entry.is_floating_point() else None) for entry in self))


class Orbits(NamedTuple):
    """The images of sites in one primitive cell, in fractions of the conventional one, as the operations give them.

    weights: they sum to the atoms in the primitive cell, and are 0 where the group has no operation. Each centring
    translation gives as many atoms again.
    """

    positions: Float[Tensor, "*sites 48 3"]
    weights: Float[Tensor, "*sites 48"]


@cache
def group_table() -> GroupTable:
    """Return the table of all 230 groups, in double precision on the CPU."""
    columns = list(zip(*map(_row, NUMBERS), strict=True))
    return GroupTable(*(torch.from_numpy(np.stack([np.zeros_like(column[0]), *column])) for column in columns))


def orbits(table: GroupTable, space_group: Int[Tensor, "*sites"], position: Int[Tensor, "*sites"],
           free: Float[Tensor, "*sites 3"]) -> Orbits:
    """Return the images of each site under its group, differentiable in the free coordinates.

    Parameters
    ----------
    table : of `group_table`, on the device and in the precision of `free`
    space_group : 1..230, of each site
    position : index of its Wyckoff position, the general one is 0; what the group has not gets no weight
    free : x, y, z, of which those that the position leaves free count
    """
    projectors, offsets = table.projectors[space_group, position], table.offsets[space_group, position]
    sites = torch.einsum("...ij,...j->...i", projectors, free) + offsets
    images = torch.einsum("...oij,...j->...oi", table.rotations[space_group], sites) + table.translations[space_group]
    return Orbits(images, table.present[space_group] * table.shares[space_group, position][..., None])


def _row(space_group: int) -> tuple[np.ndarray, ...]:
    """The fields of `GroupTable` for one group."""
    positions, centrings = wyckoff_positions(space_group), centring(space_group)
    n_operations = positions[0].multiplicity // len(centrings)
    return (_padded(positions[0].rotations[:n_operations], MOST_OPERATIONS),
            _padded(positions[0].translations[:n_operations], MOST_OPERATIONS),
            _padded(np.ones(n_operations), MOST_OPERATIONS),
            _padded(centrings, MOST_CENTRINGS),
            np.array(len(centrings)),
            _padded(np.stack([one.projector for one in positions]), MOST_POSITIONS),
            _padded(np.stack([one.offset for one in positions]), MOST_POSITIONS),
            _padded(np.array([one.freedom for one in positions]), MOST_POSITIONS),
            _padded(1 / np.array([one.site_symmetry_order for one in positions]), MOST_POSITIONS))


def _padded(rows: np.ndarray, length: int) -> np.ndarray:
    return np.concatenate([rows, np.zeros((length - len(rows), *rows.shape[1:]), rows.dtype)])
