"""The frozen table of what is known of crystals (nature.json.gz); `census.freeze` writes it, and says from what."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).parent / "nature.json.gz"


class Species(NamedTuple):
    """What is known of an element; lengths in angstrom, volumes in cubic angstrom.

    weight: share of known compositions that hold it; cation, anion: lowest and highest common charge, None where it is
    never charged so; radii: ionic ones at those charges; volumes: of an atom in compounds, as cation, anion, neutral.
    """

    weight: float
    electronegativity: float
    metal: bool
    covalent_radius: float
    cation: tuple[float, float] | None
    cation_radii: tuple[float, float]
    anion: tuple[float, float] | None
    anion_radius: float
    volumes: tuple[float, float, float]


class Nature(NamedTuple):
    """sources: where the numbers come from; compositions: known ones {atomic number: atoms of the formula};

    occupations: {space group: {indices of Wyckoff positions, the general one is 0: known crystals}}; shapes: {lattice
    type such as "tI": [logarithms of b/a and c/a, cosines of the three angles, atoms]}; volume_spread: standard
    deviation of the logarithm of a volume against the sum over atoms, of neutral and of charged compounds.
    """

    sources: str
    species: dict[int, Species]
    compositions: list[dict[int, int]]
    occupations: dict[int, dict[tuple[int, ...], int]]
    shapes: dict[str, list[list[float]]]
    volume_spread: tuple[float, float]


@cache
def nature() -> Nature:
    """Read the table, once."""
    table = json.loads(gzip.decompress(TABLE.read_bytes()))

    def pair(value: list[float] | None) -> tuple[float, float] | None:
        return None if value is None else (value[0], value[1])

    species = {int(number): Species(one[0], one[1], one[2], one[3], pair(one[4]), tuple(one[5]), pair(one[6]), one[7],
                                    tuple(one[8])) for number, one in table["species"].items()}
    compositions = [{int(number): atoms for number, atoms in one.items()} for one in table["compositions"]]
    occupations = {int(group): {tuple(map(int, indices.split("-"))): count for indices, count in known.items()}
                   for group, known in table["occupations"].items()}
    return Nature(table["sources"], species, compositions, occupations, table["shapes"],
                  (table["volume_spread"][0], table["volume_spread"][1]))
