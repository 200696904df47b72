"""The Wyckoff positions of International Tables A, from the frozen table positions.txt.gz that `freeze` writes.

The setting is the standard one: unique axis b, origin choice 2, hexagonal axes for R; moyopy and pyxtal use the same.
"""

import gzip
from functools import cache
from pathlib import Path
from typing import NamedTuple

import gemmi
import numpy as np
from jaxtyping import Float

from classifier.crystal.spacegroup import symbol

TABLE = Path(__file__).parent / "positions.txt.gz"


class WyckoffPosition(NamedTuple):
    """One Wyckoff position: a point x on it has the images rotations @ x + translations, x itself first.

    The first image, such as (x, 2x, z), also takes any point of space onto the position: it is a projector.
    """

    letter: str
    rotations: Float[np.ndarray, "multiplicity 3 3"]
    translations: Float[np.ndarray, "multiplicity 3"]
    freedom: int  # free coordinates
    site_symmetry_order: int  # operations that leave the point where it is

    @property
    def multiplicity(self) -> int:
        """Atoms in the conventional cell."""
        return len(self.rotations)

    @property
    def projector(self) -> Float[np.ndarray, "3 3"]:
        """P of P x + t, the point of the position that stands for x."""
        return self.rotations[0]

    @property
    def offset(self) -> Float[np.ndarray, " 3"]:
        """t of P x + t."""
        return self.translations[0]

    def atoms(self, free: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "multiplicity 3"]:
        """Return the distinct atoms of the conventional cell, fractional; free: x, y, z, of which those used count."""
        return (self.rotations @ free + self.translations) % 1.0


@cache
def wyckoff_positions(space_group: int) -> tuple[WyckoffPosition, ...]:
    """Return the Wyckoff positions of the group 1..230, the general one first.

    Images come as International Tables list them, and then again with each centring translation added.
    """
    symbol(space_group)  # refuses what is no space group
    centrings = np.array(standard_setting(space_group).operations().cen_ops)
    rows = [line.split() for line in _groups()[space_group]]
    general = int(rows[0][0])
    positions = []
    for multiplicity, letter, *coordinates in rows:
        images = [gemmi.Op(triplet.replace("2x", "2*x")) for triplet in coordinates]
        rotations = np.array([image.rot for image in images]) / gemmi.Op.DEN
        translations = (np.array([image.tran for image in images]) + centrings[:, None]).reshape(-1, 3) / gemmi.Op.DEN
        positions.append(WyckoffPosition(letter, np.tile(rotations, (len(centrings), 1, 1)), translations,
                                         int(np.linalg.matrix_rank(rotations[0])), general // int(multiplicity)))
    return tuple(positions)


def standard_setting(space_group: int) -> gemmi.SpaceGroup:
    """Return gemmi's description of the group in the setting of the table."""
    return gemmi.get_spacegroup_reference_setting(int(space_group))


@cache
def _groups() -> dict[int, list[str]]:
    """{space group: its lines "multiplicity letter coordinates"}; a line that begins with "group" opens each."""
    groups: dict[int, list[str]] = {}
    lines: list[str] = []
    for line in gzip.decompress(TABLE.read_bytes()).decode().splitlines():
        if line.startswith("group"):
            lines = groups[int(line.split()[1])] = []
        elif not line.startswith("#"):
            lines.append(line)
    return groups
