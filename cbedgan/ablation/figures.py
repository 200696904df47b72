"""The figures by which generators are compared: where they stand in an assessment, what is better, what is aimed at."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from cbedgan.likeness.bars import KID_FLOORS, LARGEST_AUC, LARGEST_COPIES, LARGEST_SYMMETRY_RATIO, LEAST_COVERAGE

FigureName = Literal["kid", "kid_many", "coverage", "coverage_few", "auc", "symmetry_ratio", "copies", "collapsed",
                     "crystals"]
Path = tuple[str, ...]


class Figure(NamedTuple):
    """label: in tables; generated, real: paths of keys in the figures of an assessment, of generated stacks and of real
    ones in their place; goal: None where none is set; digits: behind the point."""

    label: str
    generated: Path
    real: Path
    larger_is_better: bool
    goal: float | None
    digits: int


FIGURES: dict[FigureName, Figure] = {
    "kid": Figure("KID", ("generated", "kid"), ("real", "kid"), False, None, 4),
    "kid_many": Figure("KID many / floor", ("shots", "many", "generated", "kid"), ("shots", "many", "real", "kid"),
                       False, KID_FLOORS, 2),
    "coverage": Figure("coverage", ("generated", "coverage"), ("real", "coverage"), True, None, 3),
    "coverage_few": Figure("coverage few", ("shots", "few", "generated", "coverage"),
                           ("shots", "few", "real", "coverage"), True, LEAST_COVERAGE, 3),
    "auc": Figure("AUC", ("realness", "estimate"), (), False, LARGEST_AUC, 3),
    "symmetry_ratio": Figure("symmetry ratio", ("generated", "symmetry_ratio"), ("real", "symmetry_ratio"), False,
                             LARGEST_SYMMETRY_RATIO, 2),
    "copies": Figure("copies", ("copies", "share"), ("held_out", "copies", "share"), False, LARGEST_COPIES, 4),
    "collapsed": Figure("collapsed groups", ("spread", "alarm"), (), False, 0.0, 1),
    "crystals": Figure("AUC of crystals", ("crystals", "told_apart", "estimate"),
                       ("crystals", "told_apart_real", "estimate"), False, None, 3),
}
FLOOR = ("shots", "many", "real", "kid_high")  # what halves of the real stacks show by chance: the unit of kid_many


def figures_of(assessment: Mapping[str, Any], *, real: bool = False) -> dict[FigureName, float | None]:
    """Every figure of the generated stacks, or of real ones in their place; None for what could not be measured."""
    figures: dict[FigureName, float | None] = {
        name: _at(assessment, figure.real if real else figure.generated) for name, figure in FIGURES.items()}
    if real:
        view = assessment.get("realness", {}).get("view", "")
        figures["auc"] = _at(assessment, ("realness", "views", view, "real", "estimate"))
    floor, kid = _at(assessment, FLOOR), figures["kid_many"]
    figures["kid_many"] = None if floor is None or kid is None else kid / floor
    return figures


def reached(name: FigureName, value: float | None) -> bool:
    """Whether a figure reaches its goal."""
    goal = FIGURES[name].goal
    if value is None or goal is None:
        return False
    return value >= goal if FIGURES[name].larger_is_better else value <= goal


def _at(content: Any, path: Path) -> float | None:
    """Number at a path of keys, or the length of a list there; None where the path ends early, or is none."""
    for key in path:
        content = content.get(key) if isinstance(content, Mapping) else None
    if isinstance(content, list):
        return float(len(content))
    return content if isinstance(content, int | float) else None
