"""Paths between unrelated groups: one crystal, distorted by two modes, from the one alone to the other alone.

Where two subgroups of a crystal's group keep its cell, one mode keeps the first and one the second. Along the arc
cos(angle) first + sin(angle) second the group is the first's at 0, the second's at 90 degrees, and that of the
operations that both keep everywhere between. No other path is exact without a doubled cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, Any

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field

from cbedgan.crystal.crystals import Lattice, Numbers, Positions, shortest_distance_ratio
from cbedgan.distortion.held import HeldCrystal
from cbedgan.distortion.modes import Mode, kept_group
from cbedgan.distortion.paths import SymmetryPath
from cbedgan.distortion.symmetry.subgroups import CellOperations, operations_of
from classifier.crystal.spacegroup import ClassMap
from classifier.crystal.subgroups import related
from classifier.foundation.config import Config

RIGHT_ANGLE = 90.0
KEPT = 1e-6  # of a mode per angstrom: what an operation changes less stays
LOOKED_AT = (22.5, 45.0, 67.5)  # degrees, where the common group is measured and atoms must not touch


class BetweenConfig(Config):
    """radius_angstrom: the distortion all along an arc, less where one of its modes ends sooner; points: on it;
    plausible: probability from which on a class is; tolerance, precision_degree, rounds: of the root find."""

    radius_angstrom: Annotated[float, Field(gt=0)] = 0.3
    points: Annotated[int, Field(ge=3)] = 9
    plausible: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    tolerance: Annotated[float, Field(gt=0)] = 0.002
    precision_degree: Annotated[float, Field(gt=0)] = 0.2
    rounds: Annotated[int, Field(ge=0)] = 8


@dataclass(frozen=True, eq=False)
class Arc:
    """Of one crystal: from a first mode, which leaves one group, to a second, which leaves another.

    groups: these two; common: that of all between; radius: angstrom.
    """

    held: HeldCrystal
    first: Mode
    second: Mode
    groups: tuple[int, int]
    common: int
    radius: float

    def cell(self, angle_degree: float) -> tuple[Lattice, Positions, Numbers]:
        """The primitive cell at an angle, 0 to 90."""
        return _mixed(self.first, self.second, angle_degree).cell(self.held.crystal, self.radius)

    def record(self) -> dict[str, Any]:
        """As JSON content."""
        return {"groups": list(self.groups), "common": self.common, "radius_angstrom": self.radius,
                "crystal": self.held.crystal.record(), "modes": [self.first.record(), self.second.record()]}

    @classmethod
    def of(cls, record: dict[str, Any], held: HeldCrystal) -> "Arc":
        """The arc whose `record` this is, from its crystal's exposure."""
        first, second = map(Mode.of, record["modes"])
        return cls(held, first, second, tuple(record["groups"]), record["common"], record["radius_angstrom"])


def arcs_of(paths: Sequence[SymmetryPath], class_map: ClassMap, config: BetweenConfig, minimum_ratio: float
            ) -> list[Arc]:
    """The arcs between the paths of one crystal that lead to unrelated groups, one for each pair of groups.

    Parameters
    ----------
    paths : of one crystal
    class_map : which groups are classes
    config : how far the arcs lie from the crystal
    minimum_ratio : shortest distance over summed covalent radii, nowhere less
    """
    found: dict[tuple[int, int], Arc] = {}
    apart = unrelated(class_map)
    operations = operations_of(paths[0].crystal) if paths else None
    for one, other in combinations(sorted(paths, key=lambda path: path.subgroup), 2):
        groups = one.subgroup, other.subgroup
        if operations is None or groups in found or not apart[tuple(class_map.indices(np.array(groups)))]:
            continue
        order = len(kept_by(one.mode, operations) & kept_by(other.mode, operations))
        radius = min(config.radius_angstrom, one.end, other.end)
        mixed = [_mixed(one.mode, other.mode, angle) for angle in LOOKED_AT]
        between = {kept_group(one.crystal, mode, order, radius) for mode in mixed}
        touch = min(shortest_distance_ratio(*mode.cell(one.crystal, radius)) for mode in mixed)
        if len(between) == 1 and touch >= minimum_ratio and (common := between.pop()) is not None:
            found[groups] = Arc(one.held, one.mode, other.mode, groups, common, radius)
    return list(found.values())


def unrelated(class_map: ClassMap) -> Bool[np.ndarray, "K K"]:
    """Whether neither of two classes is a subgroup of the other, along any chain of maximal ones."""
    return ~related(class_map) & ~np.eye(len(class_map), dtype=bool)


def kept_by(mode: Mode, operations: CellOperations) -> frozenset[int]:
    """Numbers of the operations that leave a mode as it is."""
    return frozenset(k for k, (turned, image) in enumerate(zip(operations.turned, operations.image, strict=True))
                     if _apart(mode.steps @ turned, mode.steps[image]) < KEPT
                     and _apart(turned.T @ mode.strain @ turned, mode.strain) < KEPT)


def _apart(some: Float[np.ndarray, "*any"], others: Float[np.ndarray, "*any"]) -> float:
    return float(np.abs(some - others).max())


def _mixed(first: Mode, second: Mode, angle_degree: float) -> Mode:
    """The sum of two modes at an angle: at the ends exactly one of them."""
    if angle_degree in (0.0, RIGHT_ANGLE):
        return first if angle_degree == 0 else second
    cosine, sine = np.cos(np.radians(angle_degree)), np.sin(np.radians(angle_degree))
    return Mode(cosine * first.steps + sine * second.steps, cosine * first.strain + sine * second.strain)
