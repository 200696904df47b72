"""What of a lost symmetry each of three patterns can show: turns about the beam, mirror lines, dark rows.

An operation that keeps the beam's direction is one of the whole pattern. One that reverses it counts as far as upper
Laue zones do not matter, see `classifier.crystal.pattern_symmetry`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from cbedgan.crystal.crystals import PRIMITIVE_BASIS, Crystal, centring_translations, centring_type
from cbedgan.distortion.symmetry.elements import elements, in_words, lost_elements
from cbedgan.distortion.symmetry.residuals import added_asymmetry
from cbedgan.distortion.symmetry.subgroups import CellOperations
from classifier.crystal.pattern_symmetry import KEPT, REVERSED, Operations, PatternSymmetry, symmetry_about
from classifier.crystal.reciprocal import zolz_frame, zolz_reflections
from classifier.explanation.shown import plane_point_group
from classifier.foundation.config import Config

SHIFTS = 24  # all shifts of the reference settings are whole numbers of these parts of a cell
LONGEST = 1.0  # 1/angstrom, of the reflections that are named
MOST_DARK = 8  # reflections that are named
PARALLEL = 1e-3

Indices = tuple[int, int, int]


class Posed(NamedTuple):
    """One pattern: its zone axis, and by how much it is turned, counter-clockwise, against the frame of its slab."""

    zone_axis_uvw: Int[np.ndarray, " 3"]
    turned_degree: float


class LostOperation(Config):
    """turn: order of a turn about the beam, or 1, a mirror line. azimuth_degree: of the line in the drawn pattern, 0 to
    180 from +x towards +y; hkl: the shortest reflection across it. keeps_beam: whether an operation of the group does
    it that keeps the beam's direction; stays_in_projection: whether one of the subgroup reverses it and does the same.
    """

    turn: int
    azimuth_degree: float | None
    hkl: Indices | None
    keeps_beam: bool
    stays_in_projection: bool


class LostInPattern(Config):
    """before, after: diffraction groups (Buxton et al. 1976); dark: reflections that are dark along their row in the
    group, see `DarkReflection`, and not in the subgroup."""

    zone_axis_uvw: Indices
    before: str
    after: str
    operations: tuple[LostOperation, ...]
    dark: tuple[Indices, ...]


class LostSymmetry(Config):
    """elements: of the crystal, in words; patterns: one for each zone axis."""

    elements: str
    patterns: tuple[LostInPattern, ...]

    def along(self, stacks: Float[np.ndarray, "n1 3 S S"], diffracted: Bool[np.ndarray, "3 S S"]
              ) -> list[list[list[float]]]:
        """Residuals of each pattern's lost operations at each distortion, the first 0."""
        return [[added_asymmetry(stacks[:, k], diffracted[k], one.turn, one.azimuth_degree).tolist()
                 for one in pattern.operations] for k, pattern in enumerate(self.patterns)]

    @classmethod
    def of(cls, crystal: Crystal, measured: CellOperations, kept: Sequence[int], axes: Sequence[Posed]
           ) -> "LostSymmetry":
        """What a crystal loses where only some of its operations are kept.

        Parameters
        ----------
        crystal, measured : the crystal and its operations
        kept : numbers of those that stay
        axes : how it is exposed
        """
        basis = PRIMITIVE_BASIS[centring_type(crystal.space_group)]
        rotation = np.round(basis.T @ measured.rotations @ np.linalg.inv(basis).T).astype(np.int64)
        shift = np.round(SHIFTS * measured.shifts @ basis) / SHIFTS
        centring = centring_translations(crystal.space_group)
        some = list(kept)
        groups = (rotation, shift, centring), (rotation[some], shift[some], centring)
        whole, left = (elements(*group) for group in groups)
        return cls(elements=in_words(lost_elements(whole, left)),
                   patterns=tuple(_in_pattern(crystal, *groups, axis) for axis in axes))


def diffraction_group(shown: PatternSymmetry) -> str:
    """Symbol of one of the 31 diffraction groups, R for what reverses the beam (Buxton et al. 1976, table 2)."""
    def orders(sign: int) -> int:
        return max((order for order, signs in shown.turns.items() if sign in signs), default=1)

    def lines(signs: set[int]) -> int:
        return sum(bool(own & signs) for own in shown.mirrors.values())

    kept, every = orders(KEPT), shown.order
    if shown.plane_across or (kept == every and lines({KEPT}) == lines({KEPT, REVERSED})):
        name = plane_point_group(kept, bool(lines({KEPT})))
        return f"{name if name != '1' else ''}1R" if shown.plane_across else name
    turn = "" if every == 1 else f"{every}{'R' * (kept < every)}"
    if lines({KEPT}):
        return f"{turn}mmR"
    return turn + ("mR" if every % 2 else "mRmR") * bool(lines({REVERSED}))


def _in_pattern(crystal: Crystal, group: Operations, subgroup: Operations, axis: Posed) -> LostInPattern:
    lengths, angles = crystal.cell_parameters()
    uvw = axis.zone_axis_uvw
    before, after = (symmetry_about(some, uvw, lengths, angles, longest=LONGEST) for some in (group, subgroup))
    hkl, g = zolz_reflections(lengths, angles, uvw, LONGEST)
    hkl, g = hkl[hkl.any(1)], (g @ zolz_frame(lengths, angles, uvw).T)[hkl.any(1)]
    gone = []
    for order, signs in sorted(before.turns.items()):
        gone += [(order, None, signs, after.turns.get(order, frozenset()))]
    for azimuth, signs in sorted(before.mirrors.items()):
        gone += [(1, azimuth, signs, after.mirrors.get(azimuth, frozenset()))]
    dark = {one.hkl for one in before.dark} - {one.hkl for one in after.dark}
    return LostInPattern(
        zone_axis_uvw=tuple(uvw.tolist()), before=diffraction_group(before), after=diffraction_group(after),
        operations=tuple(LostOperation(
            turn=order, azimuth_degree=None if azimuth is None else round(azimuth + axis.turned_degree, 3) % 180,
            hkl=None if azimuth is None else _across(azimuth, hkl, g), keeps_beam=KEPT in signs,
            stays_in_projection=bool(left))
            for order, azimuth, signs, left in gone if not left or (KEPT in signs and KEPT not in left)),
        dark=tuple(sorted(dark, key=lambda one: (np.abs(one).sum(), one)))[:MOST_DARK])


def _across(azimuth: float, hkl: np.ndarray, g: np.ndarray) -> Indices | None:
    """The shortest reflection normal to a line."""
    along, normal = (np.array([np.cos(a), np.sin(a)]) for a in np.radians([azimuth, azimuth + 90]))
    rows = np.flatnonzero((np.abs(g @ along) < PARALLEL * np.hypot(*g.T)) & (np.abs(g @ normal) > 0))
    if not len(rows):
        return None
    shortest = hkl[rows[np.hypot(*g[rows].T).argmin()]]
    sign = np.sign(shortest[shortest != 0][0])
    return tuple((sign * shortest).tolist())
