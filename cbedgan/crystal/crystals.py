"""A crystal in its standard conventional cell, with the space group and the structure type that moyopy measures.

Nothing is taken from a label: a file or a prototype that is tagged with another group counts by what is measured.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import gcd
from typing import TYPE_CHECKING, Any

import gemmi
import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from cbedgan.crystal.wyckoff.table import wyckoff_positions
from classifier.foundation.config import digest
from classifier.foundation.errors import InputError

if TYPE_CHECKING:
    import moyopy

SYMMETRY_PRECISION_ANGSTROM = 1e-2
Lattice = Float[np.ndarray, "3 3"]  # rows a, b, c in angstrom
Positions = Float[np.ndarray, "n 3"]  # fractional
Numbers = Int[np.ndarray, " n"]  # atomic numbers
DECIMALS = 8  # of lattices and positions, so that a crystal read back from its record is the same to the last bit
# Of a drawn cell before it is measured. Its last bits differ between processors, and between settings that are as good
# they would decide. Rounded so, but two places finer than a record, they decide nothing.
DRAWN_DECIMALS = 10

# Rows are primitive vectors in units of the conventional ones; all are right-handed, R is the obverse setting.
PRIMITIVE_BASIS = {
    "P": np.eye(3),
    "A": np.array([[1, 0, 0], [0, 0.5, 0.5], [0, -0.5, 0.5]]),
    "C": np.array([[0.5, 0.5, 0], [-0.5, 0.5, 0], [0, 0, 1]]),
    "I": np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]]),
    "F": np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]),
    "R": np.array([[2, 1, 1], [-1, 1, 1], [-1, -2, 1]]) / 3,
}


@dataclass(frozen=True, eq=False)
class Crystal:
    """One crystal in moyopy's standard conventional cell.

    positions: first the atoms of one primitive cell, then their copies by each centring translation.
    space_group: measured, 1..230; structure_type: group, anonymous formula and Wyckoff letters (`structure_type_of`);
    formula: reduced, elements in alphabetical order; material: group, formula and a hash of the geometry;
    source: where it came from, in words.
    """

    lattice: Lattice
    positions: Positions
    numbers: Numbers
    space_group: int
    structure_type: str
    material: str
    formula: str
    source: str

    @property
    def n_primitive(self) -> int:
        """Number of atoms in the primitive cell."""
        return len(self.numbers) // len(centring_translations(self.space_group))

    def primitive(self) -> tuple[Lattice, Positions, Numbers]:
        """Return lattice, positions and numbers of the primitive cell."""
        basis = PRIMITIVE_BASIS[centring_type(self.space_group)]
        sites = self.positions[: self.n_primitive] @ np.linalg.inv(basis)
        return basis @ self.lattice, sites % 1.0, self.numbers[: self.n_primitive]

    def cell_parameters(self) -> tuple[Float[np.ndarray, " 3"], Float[np.ndarray, " 3"]]:
        """Return the lengths in angstrom and the angles in degrees of the conventional cell."""
        lengths = np.linalg.norm(self.lattice, axis=1)
        unit = self.lattice / lengths[:, None]
        cosines = np.array([unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]])
        return lengths, np.degrees(np.arccos(np.clip(cosines, -1, 1)))

    def record(self) -> dict[str, Any]:
        """Return what JSON needs to rebuild the crystal exactly: one primitive cell of sites and the names."""
        return {"lattice": self.lattice.tolist(), "sites": self.positions[: self.n_primitive].tolist(),
                "numbers": self.numbers[: self.n_primitive].tolist(), "space_group": self.space_group,
                "structure_type": self.structure_type, "material": self.material, "formula": self.formula,
                "source": self.source}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Crystal":
        """Rebuild the crystal whose `record` this is."""
        positions, numbers = _fill(np.array(record["sites"]), np.array(record["numbers"]), record["space_group"])
        return cls(np.array(record["lattice"], dtype=np.float64), positions, numbers, record["space_group"],
                   record["structure_type"], record["material"], record["formula"], record["source"])


def measure_symmetry(lattice: ArrayLike, positions: ArrayLike, numbers: ArrayLike, *,
                     precision_angstrom: float = SYMMETRY_PRECISION_ANGSTROM) -> "moyopy.MoyoDataset":
    """Measure the symmetry of a cell with moyopy.

    Parameters
    ----------
    lattice : [3, 3], rows in angstrom
    positions : [n, 3], fractional
    numbers : int [n], atomic numbers
    precision_angstrom : how far an atom may be from its symmetric place
    """
    try:
        import moyopy
    except ImportError:
        raise InputError(source="moyopy", rule="crystals are measured with moyopy", value="not installed",
                         remedy="Install it, in the clone: pip install '.[simulate]'.") from None
    cell = moyopy.Cell(np.asarray(lattice).tolist(), np.asarray(positions).tolist(), np.asarray(numbers).tolist())
    return moyopy.MoyoDataset(cell, symprec=precision_angstrom, setting=moyopy.Setting.standard())


def rounded_cell(lattice: ArrayLike, positions: ArrayLike) -> tuple[Lattice, Positions]:
    """A drawn cell as every processor has it: to DRAWN_DECIMALS, no zero with a sign, positions in [0, 1)."""
    return (np.round(np.asarray(lattice, dtype=np.float64), DRAWN_DECIMALS) + 0.0,
            np.round(np.asarray(positions, dtype=np.float64), DRAWN_DECIMALS) % 1.0)


def standard_crystal(lattice: ArrayLike, positions: ArrayLike, numbers: ArrayLike, *, source: str,
                     steady: bool = False, precision_angstrom: float = SYMMETRY_PRECISION_ANGSTROM) -> Crystal:
    """Build a Crystal from any cell: measure its group and structure type and standardise its setting.

    Parameters
    ----------
    lattice, positions, numbers, precision_angstrom : as for `measure_symmetry`; InputError where that fails
    source : of the crystal, in words
    steady : whether it is a `rounded_cell` first, so that the crystal has the same setting and name on every processor
    """
    if steady:
        lattice, positions = rounded_cell(lattice, positions)
    try:
        symmetry = measure_symmetry(lattice, positions, numbers, precision_angstrom=precision_angstrom)
        structure_type = structure_type_of(symmetry)
    except ValueError as error:
        raise InputError(source=source, rule="the symmetry of a crystal must be measurable", value=error,
                         remedy="Look for atoms on top of each other and for a degenerate cell.") from None
    cell = symmetry.std_cell
    standard_lattice = np.round(np.array(cell.basis), DECIMALS)
    if steady:
        standard_lattice += 0.0
    every_number = np.array(cell.numbers)
    sites, kinds = _one_primitive_cell(np.array(cell.positions), every_number, symmetry.number)
    filled, filled_numbers = _fill(sites, kinds, symmetry.number)
    geometry = digest({"lattice": standard_lattice.tolist(), "sites": sites.tolist(), "numbers": kinds.tolist()})
    formula = formula_of(kinds)
    return Crystal(standard_lattice, filled, filled_numbers, symmetry.number, structure_type,
                   f"{symmetry.number}-{formula}-{geometry[:8]}", formula, source)


def crystal_of_sites(space_group: int, lattice: ArrayLike, positions: Sequence[int], free: ArrayLike,
                     numbers: Sequence[int], *, source: str) -> Crystal:
    """Build a Crystal from sites on Wyckoff positions, the same on every processor; it has the group that is measured.

    Atoms near a special place, or unlucky distances, may give another group than the one that was meant.

    Parameters
    ----------
    space_group : 1..230, whose operations make the atoms
    lattice : [3, 3], rows in angstrom of the conventional cell in the standard setting
    positions : int [n], index of each site's Wyckoff position, the general one is 0
    free : [n, 3], x, y, z of each site, fractional, of which those that its position leaves free count
    numbers : int [n], atomic numbers
    source : of the crystal, in words
    """
    wyckoff = wyckoff_positions(space_group)
    atoms = [wyckoff[position].atoms(point) for position, point in zip(positions, np.asarray(free), strict=True)]
    every_number = np.repeat(np.asarray(numbers), [len(images) for images in atoms])
    return standard_crystal(lattice, np.concatenate(atoms), every_number, source=source, steady=True)


def formula_of(numbers: Sequence[int] | Numbers) -> str:
    """Return the reduced formula of a list of atomic numbers, elements in alphabetical order."""
    counts = Counter(gemmi.Element(int(number)).name for number in numbers)
    divisor = reduce(gcd, counts.values())
    return "".join(f"{name}{count // divisor if count > divisor else ''}" for name, count in sorted(counts.items()))


def structure_type_of(symmetry: "moyopy.MoyoDataset") -> str:
    """Return the canonical key of a structure type, e.g. "194_AB2_c_f": group, anonymous formula, Wyckoff letters.

    Each element is one word of letters with their number of orbits ("a2h"); words are ordered by the
    element's share and then by letters, so that names of elements play no part. Choices of origin and axes rename
    letters (rocksalt a, b or b, a): the smallest key over the Euclidean normaliser is taken, so that one structure
    type has one key whatever its source calls it.
    """
    numbers = np.array(symmetry.std_cell.numbers)
    keys = []
    for _, positions in symmetry.normalizer_wyckoff_positions().coset_representatives:
        words = []
        for number in np.unique(numbers):
            of_element = [site for site, here in zip(positions, numbers == number, strict=True) if here]
            atoms = Counter((site.letter, site.multiplicity) for site in of_element)
            orbits = sorted((letter, count // multiplicity) for (letter, multiplicity), count in atoms.items())
            words.append((len(of_element), "".join(f"{n if n > 1 else ''}{letter}" for letter, n in orbits)))
        keys.append(tuple(sorted(words)))
    words = min(keys)
    divisor = reduce(gcd, (count for count, _ in words))
    shares = [count // divisor for count, _ in words]
    anonymous = "".join(f"{chr(65 + i)}{share if share > 1 else ''}" for i, share in enumerate(shares))
    return "_".join([str(symmetry.number), anonymous, *(letters for _, letters in words)])


def centring_type(space_group: int) -> str:
    """Return the centring letter of the standard setting: P, A, C, I, F or R (obverse, hexagonal axes)."""
    return gemmi.find_spacegroup_by_number(space_group).centring_type()


def centring_translations(space_group: int) -> Float[np.ndarray, "k 3"]:
    """Return the centring translations of the conventional cell, fractional, the zero vector first."""
    operations = gemmi.find_spacegroup_by_number(space_group).operations()
    return np.array(operations.cen_ops, dtype=np.float64) / gemmi.Op.DEN


def shortest_distance_ratio(lattice: Lattice, positions: Positions, numbers: Numbers) -> float:
    """Return the smallest distance between two atoms, periodic images included, over their summed covalent radii."""
    radii = np.array([gemmi.Element(int(number)).covalent_r for number in numbers])
    apart = positions[:, None] - positions[None, :]
    apart -= np.round(apart)
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3)
    distance = np.linalg.norm((apart[:, :, None] + shifts) @ lattice, axis=-1)
    distance[np.arange(len(numbers)), np.arange(len(numbers)), len(shifts) // 2] = np.inf  # an atom and itself
    return float((distance.min(axis=2) / (radii[:, None] + radii[None, :])).min())


def _one_primitive_cell(positions: Positions, numbers: Numbers, space_group: int) -> tuple[np.ndarray, np.ndarray]:
    """Keep one atom [m, 3] of every set of copies by centring, in the order in which they come."""
    translations = centring_translations(space_group)
    free = np.ones(len(numbers), dtype=bool)
    primitive = []
    for atom in range(len(numbers)):
        if not free[atom]:
            continue
        primitive.append(atom)
        apart = positions[:, None] - positions[atom] - translations
        apart -= np.round(apart)
        free &= ~((np.abs(apart).max(axis=2) < 1e-4).any(axis=1) & (numbers == numbers[atom]))
    if len(primitive) * len(translations) != len(numbers):
        raise InputError(source=f"space group {space_group}", rule="a standard cell must fill its centring",
                         value=f"{len(numbers)} atoms, {len(primitive)} apart from centring",
                         remedy="Check the cell for atoms closer than 0.01 angstrom to a symmetric place.")
    return np.round(positions[primitive] % 1.0, DECIMALS) % 1.0, numbers[primitive]


def _fill(sites: np.ndarray, numbers: np.ndarray, space_group: int) -> tuple[Positions, Numbers]:
    translations = centring_translations(space_group)
    positions = (sites[None, :, :] + translations[:, None, :]).reshape(-1, 3) % 1.0
    return positions, np.tile(numbers.astype(np.int64), len(translations))
