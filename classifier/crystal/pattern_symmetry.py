"""The symmetry that a space group gives to the zero-order Laue zone of a zone axis: turns, mirror lines, dark rows.

In projection along the beam an operation counts whether or not it turns the beam's direction round: a centre of
inversion is a two-fold axis, a two-fold axis across the beam a mirror line (Buxton et al. 1976, Phil. Trans. A 281,
171). Where upper Laue zones weigh more, the operations that keep the direction are left.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from classifier.crystal.reciprocal import cell_vectors, zolz_frame, zolz_reflections
from classifier.crystal.spacegroup import crystal_system, operations, rotations

Operations = tuple[np.ndarray, np.ndarray, np.ndarray]
KEPT, REVERSED = 1, -1  # what an operation does to the direction of the beam
# Cells, one a crystal family, that have no lengths or angles in common by chance.
_CELLS = {"triclinic": ((5.0, 6.1, 7.3), (82.0, 77.0, 71.0)), "monoclinic": ((5.0, 6.1, 7.3), (90.0, 103.0, 90.0)),
          "orthorhombic": ((5.0, 6.1, 7.3), (90.0, 90.0, 90.0)), "tetragonal": ((5.0, 5.0, 7.3), (90.0, 90.0, 90.0)),
          "trigonal": ((5.0, 5.0, 7.3), (90.0, 90.0, 120.0)), "hexagonal": ((5.0, 5.0, 7.3), (90.0, 90.0, 120.0)),
          "cubic": ((5.0, 5.0, 5.0), (90.0, 90.0, 90.0))}
AXES_OF_A_KIND = 3  # as many as a stack has patterns
REACH = 3  # largest index of the zone axes among which a symmetry is looked for


@dataclass(frozen=True)
class DarkReflection:
    """A reflection that is dark in projection, however thick the crystal, where the beam lies along its row.

    g: (x, y) in 1/angstrom, in the frame of zolz_lattice; elements: KEPT, a glide plane along the beam; REVERSED, a
    two-fold screw axis across it (Gjonnes and Moodie 1965, Acta Cryst. 19, 65); hkl: its indices.
    """

    g: tuple[float, float]
    elements: frozenset[int]
    hkl: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True)
class PatternSymmetry:
    """Symmetry about the direct beam, in the frame of zolz_lattice.

    turns: {order of the turn, 2 3 4 or 6: what its operations do to the beam}; mirrors: {azimuth of the line in
    degrees, 0 to 180: the same}; dark: reflections; plane_across: whether a mirror or glide plane lies across the beam.
    """

    turns: dict[int, frozenset[int]]
    mirrors: dict[float, frozenset[int]]
    dark: tuple[DarkReflection, ...]
    plane_across: bool = False

    @property
    def order(self) -> int:
        """Of the rotation axis in projection, 1 to 6."""
        return max(self.turns, default=1)


def pattern_symmetry(space_group: int, zone_axis_uvw: ArrayLike, lengths_angstrom: ArrayLike, angles_degree: ArrayLike,
                     *, longest: float) -> PatternSymmetry:
    """Symmetry of the zero-order Laue zone of a crystal in the reference setting of its space group.

    Parameters
    ----------
    space_group : 1..230
    zone_axis_uvw : int [3]
    lengths_angstrom, angles_degree : [3] each, of the conventional cell
    longest : up to this length dark reflections are listed, 1/angstrom
    """
    return symmetry_about(operations(space_group), zone_axis_uvw, lengths_angstrom, angles_degree, longest=longest)


def symmetry_about(some: Operations, zone_axis_uvw: ArrayLike, lengths_angstrom: ArrayLike, angles_degree: ArrayLike,
                   *, longest: float) -> PatternSymmetry:
    """The same of any operations.

    Parameters
    ----------
    some : matrices [o, 3, 3] and shifts [o, 3] on fractional coordinates of the cell, and its centrings [C, 3]
    zone_axis_uvw, lengths_angstrom, angles_degree, longest : as for `pattern_symmetry`
    """
    axis = np.asarray(zone_axis_uvw, dtype=np.int64)
    direct = cell_vectors(lengths_angstrom, angles_degree).T
    frame = zolz_frame(lengths_angstrom, angles_degree, axis)
    rotation, shift, centring = some
    hkl, g = zolz_reflections(lengths_angstrom, angles_degree, axis, longest)
    absent = np.abs(hkl @ centring.T - np.round(hkl @ centring.T)) > 1e-6
    hkl, g = (values[hkl.any(1) & ~absent.any(1)] for values in (hkl, g @ frame.T))
    across = np.ones(len(hkl), dtype=bool)  # False: a glide plane across the beam leaves nothing of it
    turns: dict[int, set[int]] = {}
    mirrors: dict[float, set[int]] = {}
    dark: dict[int, set[int]] = {}
    plane_across = False
    for matrix, step in zip(rotation, shift, strict=True):
        image = matrix @ axis
        sign = KEPT if np.abs(image - axis).max() < 1e-6 else REVERSED
        if np.abs(image - sign * axis).max() > 1e-6:
            continue
        plane = frame @ direct @ matrix @ np.linalg.inv(direct) @ frame.T
        angle = np.degrees(np.arctan2(plane[1, 0], plane[0, 0])) % 360
        if np.linalg.det(plane) > 0:
            if abs(np.trace(plane) - 2) < 1e-3:
                plane_across |= sign == REVERSED
                across &= np.abs(hkl @ step - np.round(hkl @ step)) < 1e-6
            for order in (2, 3, 4, 6):
                if abs(angle - 360 / order) < 0.1:
                    turns.setdefault(order, set()).add(sign)
            continue
        mirrors.setdefault(round(angle / 2, 3) % 180, set()).add(sign)
        along = np.abs(hkl @ matrix - hkl).max(1, initial=0) < 1e-6
        for k in np.flatnonzero(along & (np.abs((hkl @ step) % 1 - 0.5) < 1e-6)).tolist():
            dark.setdefault(k, set()).add(sign)
    return PatternSymmetry({n: frozenset(signs) for n, signs in turns.items()},
                           {azimuth: frozenset(signs) for azimuth, signs in mirrors.items()},
                           tuple(DarkReflection((float(g[k, 0]), float(g[k, 1])), frozenset(signs),
                                                tuple(hkl[k].tolist())) for k, signs in dark.items() if across[k]),
                           plane_across)


@dataclass(frozen=True)
class AxisSymmetry:
    """What a zone axis [uvw] of a group shows in projection: order of the turn, mirror lines, dark rows among them."""

    zone_axis_uvw: tuple[int, int, int]
    order: int
    mirrors: int
    dark_rows: int


@cache
def axis_symmetries(space_group: int) -> tuple[AxisSymmetry, ...]:
    """What the zone axes of a space group with indices up to REACH show: of each kind the AXES_OF_A_KIND simplest.

    Axes that an operation of the point group makes from each other, or from the reverse, are one.
    """
    lengths, angles = _CELLS[crystal_system(space_group)]
    steps = np.arange(-REACH, REACH + 1)
    axes = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    axes = axes[(np.gcd.reduce(axes, axis=1) == 1)]
    first = axes[np.arange(len(axes)), (axes != 0).argmax(1)]
    axes = axes[first > 0]
    simplest = np.lexsort((*(-axes.T[::-1]), (axes < 0).sum(1), np.abs(axes).sum(1)))
    found: dict[tuple[int, int, int], list[tuple[int, int, int]]] = {}
    known: set[tuple[int, ...]] = set()
    for axis in axes[simplest]:
        if tuple(axis.tolist()) in known:
            continue
        images = np.round(rotations(space_group) @ axis).astype(int)
        known |= {tuple(image) for image in [*images.tolist(), *(-images).tolist()]}
        shown = pattern_symmetry(space_group, axis, lengths, angles, longest=1.5)
        rows = {round(float(np.degrees(np.arctan2(y, x))), 1) % 180 for x, y in (one.g for one in shown.dark)}
        u, v, w = axis.tolist()
        of_kind = found.setdefault((shown.order, len(shown.mirrors), len(rows)), [])
        if len(of_kind) < AXES_OF_A_KIND:
            of_kind.append((u, v, w))
    return tuple(AxisSymmetry(axis, *kind) for kind, of_kind in found.items() for axis in of_kind)


def canonical_azimuths(lattice: Float[np.ndarray, "2 2"], shortest_g: float) -> Float[np.ndarray, " A"]:
    """Azimuths, in degrees, of the lattice's points of length shortest_g: one of them lies along +x in canonical pose.

    Which one, the recorded azimuth does not tell where the raw pattern was turned by chance.
    """
    reach = int(np.ceil(2 * shortest_g / np.linalg.norm(lattice[0]))) + 1
    steps = np.arange(-reach, reach + 1)
    points = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2) @ lattice
    misfit = np.abs(np.hypot(points[:, 0], points[:, 1]) / shortest_g - 1)
    x, y = points[misfit <= misfit.min() + 1e-4].T
    return np.degrees(np.arctan2(y, x))
