"""Symmetry elements of a crystal that a subgroup of its operations has no more, in a crystallographer's words."""

from collections.abc import Iterator, Sequence
from math import gcd
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

FOLD = {2: "two-fold", 3: "three-fold", 4: "four-fold", 6: "six-fold"}
MOST_DIRECTIONS = 3  # that are listed
NEAR = 1e-3  # of the cell: shifts that are one

Direction = tuple[int, int, int]


class Element(NamedTuple):
    """fold: of a proper axis, 2 to 6; -1 a centre, -2 a plane, -4 a four-fold rotoinversion axis. direction: [uvw] of
    the axis, or normal to the plane; glides: whether it is a screw axis or a glide plane."""

    fold: int
    direction: Direction
    glides: bool


def elements(rotation: Shaped[np.ndarray, "o 3 3"], shift: Float[np.ndarray, "o 3"],
             centring: Float[np.ndarray, "k 3"]) -> set[Element]:
    """Elements of a group, from its operations on columns of fractional coordinates: of an axis the highest order.

    Axes of three- and six-fold rotoinversion are left out: they are a three-fold axis with a centre, or with a plane
    across it. So is one of four-fold rotoinversion beside a four-fold axis.
    """
    order: dict[Direction, int] = {}
    screw: dict[tuple[int, Direction], bool] = {}
    found = set()
    for matrix, step in zip(rotation.tolist(), shift, strict=True):
        turn = np.array(matrix)
        proper, trace = round(np.linalg.det(turn)), round(float(np.trace(turn)))
        fold = proper * {3: 1, -1: 2, 0: 3, 1: 4, 2: 6}[proper * trace]
        if fold == 1:
            continue
        if fold == -1:
            found.add(Element(-1, (0, 0, 0), False))
            continue
        direction = _axis(proper * turn, abs(fold))
        if fold in (-2, -4) or fold > 0:
            moves = fold != -4 and _moves(turn, step, centring, abs(fold))
            screw[fold, direction] = screw.get((fold, direction), True) and moves
        if fold > 0:
            order[direction] = max(order.get(direction, 1), fold)
    for (fold, direction), moves in screw.items():
        if (fold == -4 and order.get(direction) == 4) or (fold > 0 and order[direction] > fold):
            continue
        found.add(Element(fold, direction, moves))
    return found


def lost_elements(whole: set[Element], kept: set[Element]) -> list[Element]:
    """What a group has and its subgroup has not, in a fixed order: the centre, planes, axes of falling order."""
    rank = {-1: 0, -2: 1, 6: 2, 4: 3, -4: 4, 3: 5, 2: 6}
    gone = {(one.fold, one.direction) for one in whole} - {(one.fold, one.direction) for one in kept}
    return sorted((one for one in whole if (one.fold, one.direction) in gone),
                  key=lambda one: (rank[one.fold], one.glides, [abs(i) for i in one.direction], one.direction))


def in_words(some: Sequence[Element]) -> str:
    """E.g. "the centre of inversion and the two-fold axes along [1 0 0], [0 1 0]"."""
    parts = list(_parts(some))
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _parts(some: Sequence[Element]) -> Iterator[str]:
    kinds: dict[tuple[int, bool], list[Direction]] = {}
    for one in some:
        kinds.setdefault((one.fold, one.glides), []).append(one.direction)
    for (fold, glides), directions in kinds.items():
        if fold == -1:
            yield "the centre of inversion"
            continue
        plural = "s" * (len(directions) > 1)
        if fold == -2:
            name, lies = f"{'glide' if glides else 'mirror'} plane", "normal to"
        else:
            name, lies = f"{FOLD[abs(fold)]} {'rotoinversion ' if fold < 0 else ''}{'screw ' if glides else ''}axis", (
                "along")
        name = name.replace("axis", "axes") if plural and fold != -2 else name + plural
        where = ", ".join(f"[{' '.join(map(str, one))}]" for one in directions)
        if len(directions) > MOST_DIRECTIONS:
            where = f"{len(directions)} directions"
        yield f"the {name} {lies} {where}"


def _axis(turn: np.ndarray, fold: int) -> Direction:
    """The direction that a proper rotation keeps, in whole numbers, the first one that is not 0 positive."""
    kept = np.round(sum(np.linalg.matrix_power(turn, k) for k in range(fold))).astype(int)
    u, v, w = kept.T[np.abs(kept).sum(axis=0).argmax()].tolist()
    sign = 1 if [one for one in (u, v, w) if one][0] > 0 else -1
    divisor = sign * gcd(u, v, w)
    return u // divisor, v // divisor, w // divisor


def _moves(turn: np.ndarray, step: np.ndarray, centring: np.ndarray, fold: int) -> bool:
    """Whether an operation moves points of its axis or plane, whichever translation of the lattice it comes with."""
    along = np.mean([np.linalg.matrix_power(turn, k) for k in range(fold)], axis=0)
    cells = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), -1).reshape(-1, 3)
    shifts = (step + centring[:, None] + cells).reshape(-1, 3) @ along.T
    return bool(np.abs(shifts).max(axis=1).min() > NEAR)
