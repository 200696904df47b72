"""Held-out parts of two kinds, real-derived and drawn crystals, and a training part that has as many real ones as can be.

A structure type belongs to one side: test, validation, or train with the reserve. Of the real types of a group, test
gets one where there is one, and train keeps one where there are two.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.prototypes import PrototypeConfig, TypeStream, spread, type_streams
from cbedgan.crystal.real.quota import RealDerivedConfig
from cbedgan.crystal.sources import CrystalSource
from classifier.samples.sampletable import DERIVATIONS

REAL, DRAWN = DERIVATIONS[1:]
TYPES_SHARE = {"test": 0.4, "validation": 0.2}  # of a group's real structure types
EXHAUSTED = 10  # times the source's attempts in a row without a crystal, after which it counts as exhausted
Accept = Callable[[Crystal], bool]


class Side(NamedTuple):
    """The crystals of one side: real-derived ones and drawn ones, each in the order of their choice."""

    real: list[Crystal]
    drawn: list[Crystal]

    def mixed(self) -> list[tuple[Crystal, str]]:
        """Both, evenly mixed, each with its derivation: any first part of it has about the same share of real ones."""
        ranked = [((place + 0.5) / len(some), name, crystal) for name, some in ((REAL, self.real), (DRAWN, self.drawn))
                  for place, crystal in enumerate(some)]
        return [(crystal, name) for _, name, crystal in sorted(ranked, key=lambda entry: entry[0])]


def parts_apart(space_group: int, numbers: Mapping[str, int], config: PrototypeConfig, *, real: RealDerivedConfig,
                source: CrystalSource | None, seed: int, accept: Accept) -> tuple[dict[str, Side], list[tuple[str, str]]]:
    """Choose the crystals of a group's sides; also what is short: (part, in words).

    Parameters
    ----------
    space_group, numbers : 1..230; how many drawn crystals each held-out side gets, and how many train gets in all
    config, real : of the real-derived crystals: how they are made, and how many
    source, seed : what the rest is drawn from; of all draws
    accept : says whether a crystal may be taken, once for each
    """
    streams, begun = _usable(type_streams(space_group, config, seed), real.of_a_type, accept)
    n_types = types_by_side(len(streams))
    most = {"test": real.test, "validation": real.validation, "train": numbers["train"]}
    of_a_type = {"test": real.of_a_type, "validation": real.of_a_type, "train": real.train_of_a_type}
    sides, owner, short, first = {}, {}, [], 0
    for side, n in n_types.items():
        chosen, first = slice(first, first + n), first + n
        sides[side] = Side(_spread(streams[chosen], begun[chosen], most[side], of_a_type[side], accept), [])
        owner |= {stream.structure_type: side for stream in streams[chosen]}
        if side != "train" and len(sides[side].real) < most[side]:
            short.append((f"{side} part, {REAL}", f"{len(sides[side].real)} of {most[side]} crystals, {n} structure types"))
    if source is not None:
        wanted = {**numbers, "train": numbers["train"] - len(sides["train"].real)}
        short += _add_drawn(sides, wanted, owner, space_group, real=real, source=source, seed=seed, accept=accept)
    return sides, short


def types_by_side(n: int) -> dict[str, int]:
    """How many of n real structure types of a group each side gets: one is for test, of two train keeps one."""
    test = min(n, max(1, min(round(TYPES_SHARE["test"] * n), n - 1)))
    validation = max(0, min(max(1, round(TYPES_SHARE["validation"] * n)), n - test - 1))
    return {"test": test, "validation": validation, "train": n - test - validation}


def _usable(streams: list[TypeStream], n: int, accept: Accept) -> tuple[list[TypeStream], list[list[Crystal]]]:
    """The types that give a crystal at all, with the first n of each; those that give fewer come last.

    So a held-out part, which is served first, has the types that say most.
    """
    begun = [list(spread([stream], n, accept)) for stream in streams]
    order = sorted((place for place, some in enumerate(begun) if some), key=lambda place: len(begun[place]) < n)
    return [streams[place] for place in order], [begun[place] for place in order]


def _spread(streams: list[TypeStream], begun: list[list[Crystal]], most: int, of_a_type: int, accept: Accept
            ) -> list[Crystal]:
    """Take crystals from the streams in turn, at most so many in all and of a type; the first of each are there."""
    chosen: list[Crystal] = []
    for turn in range(of_a_type):
        for stream, some in zip(streams, begun, strict=True):
            if len(chosen) == most:
                return chosen
            crystal = some[turn] if turn < len(some) else stream.next(accept)
            chosen += [] if crystal is None else [crystal]
    return chosen


def _add_drawn(sides: dict[str, Side], wanted: Mapping[str, int], owner: dict[str, str], space_group: int, *,
               real: RealDerivedConfig, source: CrystalSource, seed: int, accept: Accept) -> list[tuple[str, str]]:
    """Fill the sides from the source, draw by draw; returns what is short of the held-out sides: (part, in words).

    A new structure type belongs to the side that lacks the greatest part of its number. A held-out side takes a further
    crystal of a type only while enough are left for the types that it still needs, until no new type comes.

    Parameters
    ----------
    sides, wanted : to be filled, and how many drawn crystals each gets
    owner : {structure type: side}, of all that have one
    space_group, real, source, seed, accept : as for `parts_apart`
    """
    needed = {side: min(real.drawn_types, n) for side, n in wanted.items() if side != "train"}
    idle, draw, any_type = 0, 0, False
    while idle < EXHAUSTED * source.attempts:
        lacking = {side: 1 - len(sides[side].drawn) / n for side, n in wanted.items() if len(sides[side].drawn) < n}
        if not lacking:
            break
        any_type |= idle > source.attempts
        crystal = source.draw(space_group, np.random.default_rng([seed, space_group, draw]))
        draw, idle = draw + 1, idle + 1
        if crystal is None or crystal.space_group != space_group:
            continue
        side = owner.get(crystal.structure_type) or max(lacking, key=lacking.__getitem__)
        if side not in lacking:
            continue
        types = {other.structure_type for other in sides[side].drawn}
        left = wanted[side] - len(sides[side].drawn)
        crowded = crystal.structure_type in types and left <= needed.get(side, 0) - len(types)
        if (any_type or not crowded) and accept(crystal):
            owner[crystal.structure_type] = side
            sides[side].drawn.append(crystal)
            idle = 0
    counts = {side: (len(sides[side].drawn), len({other.structure_type for other in sides[side].drawn}))
              for side in needed}
    return [(f"{side} part, {DRAWN}", f"{n} of {wanted[side]} crystals, {types} of {needed[side]} structure types")
            for side, (n, types) in counts.items() if n < wanted[side] or types < needed[side]]
