"""How a group's boundary stacks are shared: between its sides, and on each among the partners across the boundary."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from cbedgan.synthesis.pair_weights import Weight
from classifier.crystal.spacegroup import point_group_order
from classifier.crystal.subgroups import MAXIMAL_SUBGROUPS

Side = Literal["distorted", "undistorted"]
SIDES: tuple[Side, ...] = ("distorted", "undistorted")


def supergroups(space_group: int, classes: tuple[int, ...]) -> list[int]:
    """Classes of which the group is a maximal subgroup of the same cell: it has fewer rotations and mirrors then."""
    return [other for other in classes if space_group in subgroups(other, (space_group,))]


def subgroups(space_group: int, classes: tuple[int, ...]) -> list[int]:
    """Classes that are maximal subgroups of the group in the same cell."""
    order = point_group_order(space_group)
    return [other for other in classes if other in MAXIMAL_SUBGROUPS[space_group] and point_group_order(other) < order]


def spread(number: int, weights: Float[np.ndarray, " n"], order: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Share whole stacks in proportion to weights by largest remainders; among equal ones those first in `order`."""
    exact = number * weights / weights.sum()
    shares = np.floor(exact + 1e-9).astype(np.int64)
    rank = np.argsort(order)
    shares[np.lexsort((rank, -np.round(exact - shares, 9)))[:number - shares.sum()]] += 1
    return shares


def shared_among_pairs(space_group: int, number: int, classes: tuple[int, ...], weight: Weight, seed: int
                       ) -> dict[tuple[Side, int], int]:
    """{(side, partner): stacks} of a group: half on each side that has partners, there by weight; {} without partners.

    Distorted crystals come from supergroups, undistorted ones have subgroups.

    Parameters
    ----------
    space_group, number : the group, and how many stacks it gets
    classes : of which are the partners
    weight : of each pair
    seed : decides which of equal partners get one more
    """
    partners = supergroups(space_group, classes), subgroups(space_group, classes)
    sides: list[tuple[Side, list[int]]] = [(side, others) for side, others in zip(SIDES, partners, strict=True)
                                           if others]
    shared: dict[tuple[Side, int], int] = {}
    for rank, (side, others) in enumerate(sides):
        half = (number + len(sides) - 1 - rank) // len(sides)
        order = np.random.default_rng([seed, space_group, rank]).permutation(len(others))
        weights = np.array([weight(space_group, other) for other in others], dtype=np.float64)
        shared |= {(side, other): int(share) for other, share in zip(others, spread(half, weights, order), strict=True)}
    return shared
