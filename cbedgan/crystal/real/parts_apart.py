"""Held-out parts of two kinds, real-derived and drawn crystals; training has as many real ones as can be.

A structure type belongs to one side: test, validation, or train with the reserve. Of the real types of a group, test
gets one where there is one, and train keeps one where there are two.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from cbedgan.crystal.real.quota import RealDerivedConfig
from classifier.samples.sampletable import DERIVATIONS

REAL, DRAWN = DERIVATIONS[1:]
TYPES_SHARE = {"test": 0.4, "validation": 0.2}  # of a group's real structure types
EXHAUSTED = 10  # times the source's attempts in a row without a crystal, after which it counts as exhausted


class Typed(Protocol):
    """A crystal: what counts here is its structure type."""

    @property
    def structure_type(self) -> str: ...


AnyCrystal = TypeVar("AnyCrystal", bound=Typed)
Given = TypeVar("Given", bound=Typed, covariant=True)


class Stream(Protocol[Given]):
    """The crystals of one structure type, one after the other; None once there are no more."""

    structure_type: str

    def next(self, accept: Callable[[Given], bool]) -> Given | None: ...


@dataclass(frozen=True)
class Source(Generic[AnyCrystal]):
    """Where drawn crystals come from: `draw` gives the n-th, None where that draw gives none.

    attempts: draws in a row without a crystal after which structure types may repeat.
    """

    draw: Callable[[int], AnyCrystal | None]
    attempts: int


@dataclass(frozen=True)
class Side(Generic[AnyCrystal]):
    """The crystals of one side: real-derived ones and drawn ones, each in the order of their choice."""

    real: list[AnyCrystal]
    drawn: list[AnyCrystal]

    def mixed(self) -> list[tuple[AnyCrystal, str]]:
        """Both, evenly mixed, each with its derivation: any first part of it has about the same share of real ones."""
        ranked = [((place + 0.5) / len(some), name, crystal) for name, some in ((REAL, self.real), (DRAWN, self.drawn))
                  for place, crystal in enumerate(some)]
        return [(crystal, name) for _, name, crystal in sorted(ranked, key=lambda entry: entry[0])]


def parts_apart(streams: Sequence[Stream[AnyCrystal]], source: Source[AnyCrystal] | None, numbers: Mapping[str, int],
                real: RealDerivedConfig, accept: Callable[[AnyCrystal], bool]
                ) -> tuple[dict[str, Side[AnyCrystal]], list[tuple[str, str]]]:
    """Choose the crystals of a group's sides; also what is short: (part, in words).

    Parameters
    ----------
    streams : real-derived crystals of each structure type, in the order in which types are dealt out
    source : of drawn crystals, if there is one
    numbers : how many drawn crystals each held-out side gets, and how many train gets in all
    real : how many real-derived crystals there may be
    accept : says whether a crystal may be taken, once for each
    """
    streams, begun = _usable(streams, real.of_a_type, accept)
    n_types = types_by_side(len(streams))
    most = {"test": real.test, "validation": real.validation, "train": numbers["train"]}
    of_a_type = {"test": real.of_a_type, "validation": real.of_a_type, "train": real.train_of_a_type}
    sides: dict[str, Side[AnyCrystal]] = {}
    owner, short, first = {}, [], 0
    for side, n in n_types.items():
        chosen, first = slice(first, first + n), first + n
        sides[side] = Side(_spread(streams[chosen], begun[chosen], most[side], of_a_type[side], accept), [])
        owner |= {stream.structure_type: side for stream in streams[chosen]}
        if side != "train" and len(sides[side].real) < most[side]:
            counts = f"{len(sides[side].real)} of {most[side]} crystals, {n} structure types"
            short.append((f"{side} part, {REAL}", counts))
    if source is not None:
        wanted = {**numbers, "train": numbers["train"] - len(sides["train"].real)}
        short += _add_drawn(sides, wanted, owner, real.drawn_types, source, accept)
    return sides, short


def types_by_side(n: int) -> dict[str, int]:
    """How many of n real structure types of a group each side gets: one is for test, of two train keeps one."""
    test = min(n, max(1, min(round(TYPES_SHARE["test"] * n), n - 1)))
    validation = max(0, min(max(1, round(TYPES_SHARE["validation"] * n)), n - test - 1))
    return {"test": test, "train": n - test - validation, "validation": validation}


def _usable(streams: Sequence[Stream[AnyCrystal]], n: int, accept: Callable[[AnyCrystal], bool]
            ) -> tuple[list[Stream[AnyCrystal]], list[list[AnyCrystal]]]:
    """The types that give a crystal at all, with the first n of each; those that give fewer come last.

    So test and then train, which are served first, have the types that say most.
    """
    begun = [[crystal for _ in range(n) if (crystal := stream.next(accept)) is not None] for stream in streams]
    order = sorted((place for place, some in enumerate(begun) if some), key=lambda place: len(begun[place]) < n)
    return [streams[place] for place in order], [begun[place] for place in order]


def _spread(streams: Sequence[Stream[AnyCrystal]], begun: Sequence[list[AnyCrystal]], most: int, of_a_type: int,
            accept: Callable[[AnyCrystal], bool]) -> list[AnyCrystal]:
    """Take crystals from the streams in turn, at most so many in all and of a type; the first of each are there."""
    chosen: list[AnyCrystal] = []
    for turn in range(of_a_type):
        for stream, some in zip(streams, begun, strict=True):
            if len(chosen) == most:
                return chosen
            crystal = some[turn] if turn < len(some) else stream.next(accept)
            chosen += [] if crystal is None else [crystal]
    return chosen


def _add_drawn(sides: dict[str, Side[AnyCrystal]], wanted: Mapping[str, int], owner: dict[str, str], drawn_types: int,
               source: Source[AnyCrystal], accept: Callable[[AnyCrystal], bool]) -> list[tuple[str, str]]:
    """Fill the sides from the source, draw by draw; returns what is short of the held-out sides: (part, in words).

    A new structure type belongs to the side that lacks the greatest part of its number. A held-out side takes a further
    crystal of a type only while enough are left for the types that it still needs, until no new type comes.

    Parameters
    ----------
    sides, wanted : to be filled, and how many drawn crystals each gets
    owner : {structure type: side}, of all that have one
    drawn_types : least number of types of a held-out side
    source, accept : as for `parts_apart`
    """
    needed = {side: min(drawn_types, n) for side, n in wanted.items() if side != "train"}
    idle, draw, any_type = 0, 0, False
    while idle < EXHAUSTED * source.attempts:
        lacking = {side: 1 - len(sides[side].drawn) / n for side, n in wanted.items() if len(sides[side].drawn) < n}
        if not lacking:
            break
        any_type |= idle > source.attempts
        crystal = source.draw(draw)
        draw, idle = draw + 1, idle + 1
        if crystal is None:
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
