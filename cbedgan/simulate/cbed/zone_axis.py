"""Where the beam goes and what it passes: zone axes by rule, and the periodic slab cut from a crystal along one axis.

In-plane azimuth, fixed: x is conventional a projected on the plane normal to the beam (conventional b when the beam
runs along a), z the direction in which the electrons travel, y = z cross x. Drawn with row 0 at the bottom, a pattern
in this frame is seen looking upstream, from the detector towards the source.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike

from cbedgan.crystal.crystals import Lattice, Numbers, Positions, measure_symmetry
from classifier.crystal.reciprocal import bezout
from classifier.foundation.errors import InputError, reported

LENGTH_TOLERANCE = 1e-3  # relative; lattice vectors closer in length than this count as equally long
REACH = 4  # largest coefficient searched, in a reduced basis
# What an in-plane cell costs: slope of its surface against time, which goes as |a'||b'| in angstrom^2.
SLOPE_WEIGHT, SIZE_WEIGHT = 3.0, 0.015
LARGEST_COSINE = 0.8
AREA_BUDGET = 4.0  # in smallest projected cells
SYMMETRIC_AREA_BUDGET = 12.0  # the same where the surface must be symmetric: three times for a face- or R-centred axis
SMALL_AREA_ANGSTROM2 = 40.0  # up to here a cell is cheap whatever its multiple

Cell = tuple[Lattice, Positions, Numbers]


@dataclass(frozen=True, eq=False)
class Slab:
    """One repeat period along the beam, in beam coordinates (x, y, z; see the module), angstrom.

    cell: rows a', b', c'; c' = (0, 0, period). positions: in [0, 1). projected_lattice: rows are the two shortest
    vectors of the primitive lattice projected along the beam. zone_axis_uvw: of the conventional cell. frame: rows
    x, y, z in the crystal's Cartesian axes. multiplicity: volume in primitive cells.
    """

    cell: Lattice
    positions: Positions
    numbers: Numbers
    projected_lattice: Float[np.ndarray, "2 2"]
    zone_axis_uvw: Int[np.ndarray, " 3"]
    frame: Float[np.ndarray, "3 3"]
    multiplicity: int

    @property
    def period_angstrom(self) -> float:
        """Repeat distance |c'| along the beam in angstrom."""
        return float(self.cell[2, 2])

    @property
    def area_angstrom2(self) -> float:
        """Area of the cell projected along the beam in angstrom^2."""
        return float(np.linalg.det(self.cell[:2, :2]))

    @property
    def reciprocal_lattice(self) -> Float[np.ndarray, "2 2"]:
        """Rows b1, b2 of the reciprocal lattice of the projected cell in 1/angstrom (no 2 pi)."""
        return np.linalg.inv(self.cell[:2, :2]).T

    @property
    def slope(self) -> Float[np.ndarray, " 2"]:
        """Slope (dz/dx, dz/dy) of the surface spanned by a', b'; zero when it is normal to the beam."""
        return np.linalg.solve(self.cell[:2, :2], self.cell[:2, 2])


def zone_axes(conventional: ArrayLike, lattice: ArrayLike, rule: str) -> Int[np.ndarray, "3 3"]:
    """Return three zone axes [uvw] in the conventional cell.

    conventional, lattice: float64 [3, 3], rows of the conventional and of the primitive cell in angstrom, in the same
    Cartesian axes. rule "conventional": [001] [100] [110], on hexagonal axes [001] [100] [210] (their [110] repeats
    [100]), on cubic axes [001] [110] [111]. rule "metric": see `metric_axes`. InputError for any other rule.
    """
    conventional, lattice = np.asarray(conventional, dtype=np.float64), np.asarray(lattice, dtype=np.float64)
    if rule == "metric":
        return metric_axes(conventional, lattice)
    if rule != "conventional":
        raise InputError(source="zone_axes", rule="must be 'conventional' or 'metric'", value=repr(rule),
                         remedy="Correct the rule for the zone axes.")
    gram = conventional @ conventional.T / np.square(np.linalg.norm(conventional, axis=1)).mean()
    if np.allclose(gram, np.eye(3), atol=1e-4):
        return np.array([[0, 0, 1], [1, 1, 0], [1, 1, 1]])
    if np.isclose(gram[0, 0], gram[1, 1], rtol=1e-4) and np.isclose(gram[0, 1], -gram[0, 0] / 2, rtol=1e-4):
        return np.array([[0, 0, 1], [1, 0, 0], [2, 1, 0]])
    return np.array([[0, 0, 1], [1, 0, 0], [1, 1, 0]])


def metric_axes(conventional: Lattice, lattice: Lattice) -> Int[np.ndarray, "3 3"]:
    """Return the three shortest lattice directions of different length that do not lie in one plane.

    Only the lattice counts, never the space group or the atoms. Directions are primitive-lattice vectors up to sign,
    shortest first; lengths within LENGTH_TOLERANCE are one length, of which one direction is taken. Among equally long
    ones the winner is the one whose projected lattice has the longest shortest vector; directions still equal, for
    instance the symmetry mates of the lattice, differ only by name, and the greatest [uvw] is taken (first nonzero
    index positive): the crystal itself may tell such mates, or a direction and its reverse, apart.
    """
    basis = _reduced(lattice)
    coefficients = np.stack(np.meshgrid(*[np.arange(-REACH, REACH + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    coefficients = coefficients[np.gcd.reduce(coefficients, axis=1) == 1]
    vectors = coefficients @ basis
    names = np.round(vectors @ np.linalg.inv(conventional) * 12).astype(np.int64)  # 12: thirds and halves
    names //= np.gcd.reduce(names, axis=1)[:, None]
    leading = names[np.arange(len(names)), (names != 0).argmax(axis=1)]
    vectors, names = vectors[leading > 0], names[leading > 0]
    length = np.linalg.norm(vectors, axis=1)
    order = np.argsort(length)
    vectors, names, length = vectors[order], names[order], length[order]
    chosen: list[np.ndarray] = []
    start = 0
    while len(chosen) < 3:
        stop = int(np.searchsorted(length, length[start] * (1 + LENGTH_TOLERANCE)))
        mates = [(round(_projected_width(vectors[i], basis) / LENGTH_TOLERANCE), tuple(names[i]))
                 for i in range(start, stop)]
        for _, name in sorted(mates, reverse=True):
            if np.linalg.matrix_rank(np.array([*chosen, name])) == len(chosen) + 1:
                chosen.append(np.array(name))
                break
        start = stop
    return np.array(chosen)


def slab(conventional: ArrayLike, cell: Cell, zone_axis_uvw: ArrayLike, *,
         kept: Int[np.ndarray, "k 3 3"] | None = None) -> Slab:
    """Cut the slab whose period runs along [uvw] of the conventional cell; InputError for a zero or non-lattice axis.

    Parameters
    ----------
    conventional : float64 [3, 3], rows a, b, c in angstrom
    cell : lattice [3, 3] (rows, angstrom, same Cartesian axes), fractional positions [n, 3] and atomic numbers [n] of a
        primitive cell
    zone_axis_uvw : whole numbers
    kept : rotations and mirrors of which the surface must keep those about the beam, the crystal's own (`rotations`);
        without them it is as nearly normal to the beam as a small, not too oblique cell allows
    """
    conventional = np.asarray(conventional, dtype=np.float64)
    lattice, positions, numbers = (np.asarray(part) for part in cell)
    uvw = np.asarray(zone_axis_uvw)
    if uvw.shape != (3,) or not np.issubdtype(uvw.dtype, np.integer) or not uvw.any():
        raise InputError(source="zone_axis_uvw", rule="must be three whole numbers, not all zero", value=uvw.tolist(),
                         remedy="Give the beam's direction in the conventional cell, for instance [0, 0, 1].")
    steps = uvw @ conventional @ np.linalg.inv(lattice)
    along = np.round(steps).astype(np.int64)
    if np.abs(steps - along).max() > 1e-3:
        raise InputError(source="zone_axis_uvw", rule="the conventional cell must be a multiple of the primitive cell",
                         value=f"{uvw.tolist()} = {np.round(steps, 3).tolist()} primitive vectors",
                         remedy="Give both cells in the same Cartesian axes.")
    along //= np.gcd.reduce(along)
    frame = _frame(conventional, along @ lattice)
    vectors = lattice @ frame.T
    plane = _complement(along)
    plane = _reduced(plane @ vectors[:, :2], plane)
    turns = [] if kept is None else turns_about(along, kept)
    matrix = np.array([*_in_plane_vectors(plane, along, vectors, turns), along])
    multiplicity = abs(round(np.linalg.det(matrix)))  # left-handed cells are welcome
    filled, kinds = _fill(matrix, multiplicity, positions, numbers)
    beam_cell = matrix @ vectors
    beam_cell[2, :2] = 0  # rounding only
    return Slab(beam_cell, filled, kinds, (plane @ vectors)[:, :2], uvw // np.gcd.reduce(uvw), frame, multiplicity)


def cut_alike(piece: Slab, cell: Cell) -> Slab:
    """The slab of other atoms in the same lattice, cut as `piece` is: its beams have the same indices.

    cell: as for `slab`.
    """
    lattice, positions, numbers = (np.asarray(part) for part in cell)
    matrix = np.round(piece.cell @ piece.frame @ np.linalg.inv(lattice)).astype(np.int64)
    filled, kinds = _fill(matrix, piece.multiplicity, positions, numbers)
    return replace(piece, positions=filled, numbers=kinds)


def _frame(conventional: Lattice, beam: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    """Rows x, y, z of the beam frame by the rule in the module's docstring."""
    z = beam / np.linalg.norm(beam)
    x = conventional[0] - conventional[0] @ z * z
    if np.linalg.norm(x) < 1e-6 * np.linalg.norm(conventional[0]):
        x = conventional[1] - conventional[1] @ z * z
    x /= np.linalg.norm(x)
    return np.array([x, np.cross(z, x), z])


def turns_about(along: Int[np.ndarray, " 3"], turns: Int[np.ndarray, "k 3 3"]) -> list[Int[np.ndarray, "3 3"]]:
    """Of rotations (row vectors of the primitive cell times these) those that keep the direction `along`."""
    return [turn for turn in turns if (along @ turn == along).all()]


def rotations(cell: Cell) -> Int[np.ndarray, "k 3 3"]:
    """Return the crystal's rotations and mirrors, acting on row vectors of its primitive cell; InputError where moyopy
    cannot tell them."""
    with reported("crystal", rule="its rotations must be measurable", remedy="Take another crystal."):
        return np.array(measure_symmetry(*cell).operations.rotations).transpose(0, 2, 1)


def _in_plane_vectors(plane: Int[np.ndarray, "2 3"], along: Int[np.ndarray, " 3"], vectors: Lattice,
                      turns: list[Int[np.ndarray, "3 3"]]) -> Int[np.ndarray, "2 3"]:
    """Choose a', b' as integer rows of the primitive cell.

    Where planes exist that all `turns` keep, it is one of them, whatever its slope and size cost.

    Parameters
    ----------
    plane : integer rows whose projections are a reduced basis of the projected lattice
    along : the row of c'
    vectors : rows of the primitive cell in beam coordinates
    turns : rotations of row vectors that the surface is to keep, none: any surface
    """
    period = along @ vectors
    smallest = abs(np.linalg.det((plane @ vectors)[:, :2]))
    steps = np.array([(i, j) for i in range(REACH + 1) for j in range(-REACH, REACH + 1) if i > 0 or j > 0])
    candidates = steps @ plane
    # Whole periods are free: stay as near to the normal plane as possible, half a period counting as up.
    periods = np.ceil((candidates @ vectors)[:, 2] / period[2] - 0.5 - 1e-6).astype(np.int64)
    candidates -= periods[:, None] * along
    pairs = candidates[np.column_stack(np.triu_indices(len(candidates), 1))]  # [pair, 2, 3]
    sides = pairs @ vectors
    across = sides[..., :2]
    area = across[:, 0, 0] * across[:, 1, 1] - across[:, 0, 1] * across[:, 1, 0]
    multiple = np.abs(area) / smallest
    budget = max(SYMMETRIC_AREA_BUDGET if turns else AREA_BUDGET, SMALL_AREA_ANGSTROM2 / smallest)
    size = np.linalg.norm(across, axis=2).prod(axis=1)
    cosine = np.abs((across[:, 0] * across[:, 1]).sum(1))
    allowed = (multiple >= 0.5) & (multiple <= budget + 1e-6) & (cosine <= LARGEST_COSINE * size)
    pairs, sides, area, size = pairs[allowed], sides[allowed], area[allowed], size[allowed]
    slope = np.linalg.norm(np.linalg.solve(sides[..., :2], sides[..., 2:])[..., 0], axis=1)
    cost = SLOPE_WEIGHT * slope + SIZE_WEIGHT * size
    kept = _all_keep(turns, pairs)
    best = -1
    for k in np.flatnonzero(kept if kept.any() else ~kept).tolist():
        if best < 0 or cost[k] < cost[best] - 1e-6:
            best = k
    return pairs[best] if area[best] > 0 else pairs[best][::-1]


def _all_keep(turns: list[Int[np.ndarray, "3 3"]], pairs: Int[np.ndarray, "p 2 3"]) -> Bool[np.ndarray, " p"]:
    """Whether all turns keep the planes that pairs of integer rows span."""
    normal = np.cross(pairs[:, 0], pairs[:, 1])
    kept = np.ones(len(pairs), dtype=bool)
    for turn in turns:
        turned = normal @ np.round(np.linalg.inv(turn)).astype(np.int64).T  # of the turned plane, up to its sign
        kept &= (turned == normal).all(axis=1) | (turned == -normal).all(axis=1)
    return kept


def _fill(matrix: Int[np.ndarray, "3 3"], multiplicity: int, positions: np.ndarray,
          numbers: np.ndarray) -> tuple[Positions, Numbers]:
    """Return fractional positions [m n, 3] and numbers [m n] of the cell with rows `matrix` in primitive vectors."""
    axis = np.arange(multiplicity)  # so many steps along a primitive vector end on a vector of the new cell
    translations = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    # m * (t @ matrix^-1) is a whole number: compare translations modulo the new cell exactly.
    adjugate = np.round(np.linalg.inv(matrix) * multiplicity).astype(np.int64)
    cosets = np.unique(translations @ adjugate % multiplicity, axis=0) / multiplicity
    if len(cosets) != multiplicity:
        raise AssertionError(f"{len(cosets)} primitive cells in a slab of {multiplicity}")
    filled = (positions @ np.linalg.inv(matrix))[None] + cosets[:, None]
    return filled.reshape(-1, 3) % 1.0, np.tile(numbers, multiplicity)


def _complement(along: Int[np.ndarray, " 3"]) -> Int[np.ndarray, "2 3"]:
    """Two integer rows that complete the coprime row `along` to a basis of determinant +-1."""
    a, b, c = (int(value) for value in along)
    if a == b == 0:
        return np.array([[1, 0, 0], [0, 1, 0]])
    d, x, y = bezout(a, b)
    d, x, y = (d, x, y) if d > 0 else (-d, -x, -y)
    g, p, q = bezout(d, c)
    p, q = (p, q) if g > 0 else (-p, -q)
    return np.array([[-y, x, 0], [-q * a // d, -q * b // d, p]])


def _reduced(vectors: np.ndarray, names: np.ndarray | None = None) -> np.ndarray:
    """Shorten a basis [k, d] by pairs until nothing gets shorter; return it, or the same combinations of `names`."""
    vectors = vectors.copy()
    combination = np.eye(len(vectors), dtype=np.int64)
    shortened = True
    while shortened:
        shortened = False
        for i in range(len(vectors)):
            for j in range(len(vectors)):
                times = round(vectors[i] @ vectors[j] / (vectors[j] @ vectors[j]) * (1 - 1e-9)) if i != j else 0
                if times:
                    vectors[i] -= times * vectors[j]
                    combination[i] -= times * combination[j]
                    shortened = True
    return vectors if names is None else combination @ names


def _projected_width(beam: Float[np.ndarray, " 3"], basis: Lattice) -> float:
    """Length of the shortest nonzero vector of the lattice projected along `beam`, relative to the beam's vector."""
    coefficients = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    vectors = coefficients @ basis
    projected = vectors - np.outer(vectors @ beam, beam) / (beam @ beam)
    length = np.linalg.norm(projected, axis=1)
    return float(length[length > 1e-6 * length.max()].min() / np.linalg.norm(beam))
