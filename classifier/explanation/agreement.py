"""Which space groups a stack's shown symmetry leaves: each pattern needs a zone axis that shows as much and no more."""

from collections.abc import Sequence
from dataclasses import dataclass

from classifier.crystal.pattern_symmetry import AxisSymmetry, axis_symmetries
from classifier.explanation.shown import ShownSymmetry


@dataclass(frozen=True)
class Agreement:
    """Of one space group with a stack. axes: for each pattern a simple zone axis that shows what it shows.

    None: there is none, and the pattern excludes the group.
    """

    space_group: int
    axes: tuple[AxisSymmetry | None, ...]

    @property
    def excluded(self) -> bool:
        """Whether a pattern shows what no zone axis of the group can."""
        return None in self.axes


def agreement(space_group: int, shown: Sequence[ShownSymmetry]) -> Agreement:
    """Compare the patterns of one stack with all zone axes of a group, whatever its cell.

    Each pattern has another axis where the group has several that fit.
    """
    axes = axis_symmetries(space_group)
    chosen: list[AxisSymmetry | None] = []
    for one in shown:
        possible = sorted((axis for axis in axes if _has(axis, one)),
                          key=lambda axis: (axis in chosen, not _exactly(axis, one)))
        chosen.append(possible[0] if possible else None)
    return Agreement(space_group, tuple(chosen))


def _exactly(axis: AxisSymmetry, shown: ShownSymmetry) -> bool:
    """Whether the axis shows what is claimed and no more."""
    return (axis.order, axis.mirrors, axis.dark_rows) == (shown.order, len(shown.mirrors), len(shown.dark))


def _has(axis: AxisSymmetry, shown: ShownSymmetry) -> bool:
    claimed = (axis.order % shown.order == 0 and axis.mirrors >= len(shown.mirrors)
               and axis.dark_rows >= len(shown.dark))
    denied = (shown.no_half_turn and axis.order % 2 == 0) or (shown.no_mirror and axis.mirrors > 0)
    return claimed and not denied
