"""Which crystals a simulated set consists of: so many materials of each space group for each part.

The held-out parts of a group share no structure type with the one that trains, and no (formula, space group) comes
twice. Groups are planned apart from each other, so that one can be planned again alone.
"""

from collections.abc import Callable
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.natural_crystals import NaturalConfig
from cbedgan.crystal.prototypes import PrototypeConfig, PrototypeSource, spread, type_streams
from cbedgan.crystal.random_crystals import RandomCrystalConfig
from cbedgan.crystal.real.parts_apart import DRAWN, REAL, Source, parts_apart
from cbedgan.crystal.real.quota import RealDerivedConfig
from cbedgan.crystal.sources import CrystalSource, SizedSource, of_size
from cbedgan.crystal.structure_files import FileSource
from cbedgan.crystal.supergroup import hidden_supergroup
from classifier.foundation.config import Config, added
from classifier.foundation.errors import InputError
from classifier.foundation.registry import Kinds

# The held-out sides choose first. The reserve shares the side, and so the structure types, of train.
SIDES = ("test", "validation", "train")
TYPES_SHARE = {"test": 1 / 3, "validation": 1 / 6}  # of a group's prototype structure types
LARGEST_SHARE_OF_A_TYPE = 0.2  # of a held-out part, while crystals of other types can be drawn


class GroupQuota(Config):
    """How many materials of one space group the parts get; reserve: real stacks kept for a control arm."""

    space_group: int
    train: int
    test: int
    validation: int = Field(0, exclude_if=lambda n: n == 0)
    reserve: int = Field(0, exclude_if=lambda n: n == 0)
    # Of random crystals, where the general position of the group needs more than the set allows elsewhere.
    maximum_random_atoms: int = Field(0, exclude_if=lambda n: n == 0)

    def sides(self) -> dict[str, int]:
        """Materials by side: {"test": n, "validation": n, "train": n with the reserve}."""
        return {"test": self.test, "validation": self.validation, "train": self.train + self.reserve}


DrawnSource = Annotated[CrystalSource, Kinds(RandomCrystalConfig, NaturalConfig, PrototypeSource, FileSource)]


class CrystalConfig(PrototypeConfig):
    """The crystals of a simulated set.

    real_derived: the held-out parts are two each then, real-derived crystals and drawn ones, see real.parts_apart.
    prototype_share: of each part of a group; where the prototypes of a group cannot fill it, and `random` is there, the
    group is all drawn from that. The same share in all parts keeps the source of a crystal from telling its part.
    random: the source that the rest is drawn from; its kind is "random" unless it says another.
    """

    groups: tuple[GroupQuota, ...]
    real_derived: RealDerivedConfig | None = added(None)
    prototype_share: float = Field(1.0, ge=0, le=1, exclude_if=lambda share: share == 1)
    random: DrawnSource | None = Field(None, exclude_if=lambda source: source is None)

    @model_validator(mode="after")
    def _larger_cells_are_random(self) -> "CrystalConfig":
        if not isinstance(self.random, SizedSource | None) and any(quota.maximum_random_atoms for quota in self.groups):
            raise ValueError('maximum_random_atoms goes with a source of sized cells, such as "random"')
        return self

    def inputs(self) -> dict[str, str]:
        """Digest of every file that crystals are read from, by name."""
        return {**self.structure_inputs(), **(self.random.inputs() if self.random is not None else {})}


class PlannedCrystal(NamedTuple):
    """A crystal, the part ("train", "validation", "test" or "reserve") that it belongs to, and where it is known, its
    derivation ("real" or "random")."""

    crystal: Crystal
    partition: str
    derivation: str = ""


class CrystalPlan(NamedTuple):
    """The crystals of a set or of a group, and what was passed over: (material, reason)."""

    crystals: list[PlannedCrystal]
    passed_over: list[tuple[str, str]]


Refuse = Callable[[Crystal], str | None]


class _Acceptance:
    """Takes no (formula, space group) twice and nothing that `refuse` has a reason against, and keeps the reasons."""

    def __init__(self, config: CrystalConfig, refuse: Refuse) -> None:
        self.config, self.refuse = config, refuse
        self.seen: set[tuple[str, int]] = set()
        self.passed_over: list[tuple[str, str]] = []

    def __call__(self, crystal: Crystal) -> bool:
        if (crystal.formula, crystal.space_group) in self.seen:
            return False
        reason = self.refuse(crystal)
        if reason is None and self.config.random is not None:
            above = hidden_supergroup(crystal, self.config.random.supergroup_tolerance_angstrom)
            reason = None if above is None else f"hardly to be told from space group {above}"
        if reason is not None:
            self.passed_over.append((crystal.material, reason))
            return False
        self.seen.add((crystal.formula, crystal.space_group))
        return True


def plan_group(quota: GroupQuota, config: CrystalConfig, seed: int, refuse: Refuse) -> CrystalPlan:
    """Plan one space group: prototypes for their share, drawn crystals for the rest; InputError when short.

    Parameters
    ----------
    quota : materials of each part
    config : where crystals come from
    seed : of all draws
    refuse : says why a crystal cannot be simulated, else None; the next then takes its place; can go to a process
    """
    if config.real_derived is not None:
        return _plan_apart(quota, config, config.real_derived, seed, _Acceptance(config, refuse))
    accept = _Acceptance(config, refuse)
    wanted = {side: round(config.prototype_share * n) for side, n in quota.sides().items()}
    crystals = _from_prototypes(quota, wanted, config, seed, accept)
    if config.random is not None:
        if any(len(crystals[side]) < n for side, n in wanted.items()):
            crystals, accept = {side: [] for side in SIDES}, _Acceptance(config, refuse)
        _add_drawn(crystals, quota, config.random, seed, accept)
    _require_all(quota, crystals, SIDES)
    train, reserve = crystals["train"][:quota.train], crystals["train"][quota.train:]
    parts = {"train": train, "validation": crystals["validation"], "test": crystals["test"], "reserve": reserve}
    return CrystalPlan([PlannedCrystal(crystal, part) for part, some in parts.items() for crystal in some],
                       accept.passed_over)


def _plan_apart(quota: GroupQuota, config: CrystalConfig, real: RealDerivedConfig, seed: int,
                accept: _Acceptance) -> CrystalPlan:
    """Plan a group with real-derived and drawn crystals apart; what a held-out part is short of is passed over."""
    group = quota.space_group
    source = None if config.random is None else of_size(config.random, quota.maximum_random_atoms)

    def draw(n: int) -> Crystal | None:
        crystal = source.draw(group, np.random.default_rng([seed, group, n])) if source is not None else None
        return crystal if crystal is not None and crystal.space_group == group else None

    drawn = None if source is None else Source(draw, source.attempts)
    sides, short = parts_apart(type_streams(group, config, seed), drawn, quota.sides(), real, accept)
    train = sides["train"].mixed()
    _require_all(quota, {"train": [crystal for crystal, _ in train]}, ("train",))
    planned = [PlannedCrystal(crystal, "train" if place < quota.train else "reserve", derivation)
               for place, (crystal, derivation) in enumerate(train)]
    planned += [PlannedCrystal(crystal, part, derivation) for part in ("validation", "test")
                for derivation, some in ((REAL, sides[part].real), (DRAWN, sides[part].drawn)) for crystal in some]
    order = ("train", "validation", "test", "reserve")
    named = [(f"space group {quota.space_group}, {part}", f"short: {counts}") for part, counts in short]
    return CrystalPlan(sorted(planned, key=lambda entry: order.index(entry.partition)), [*accept.passed_over, *named])


def _require_all(quota: GroupQuota, crystals: dict[str, list[Crystal]], sides: tuple[str, ...]) -> None:
    """InputError where a side has fewer crystals than the quota wants."""
    short = {side: n for side, n in quota.sides().items() if side in sides and len(crystals[side]) < n}
    if short:
        counts = ", ".join(f"{len(crystals[side])} of {n} {side}" for side, n in short.items())
        types = len({crystal.structure_type for side in sides for crystal in crystals[side]})
        raise InputError(source=f"crystals.groups, space group {quota.space_group}",
                         rule="there must be the materials that are asked for, of structure types of their own",
                         value=f"{counts} materials, {types} structure types",
                         remedy="Ask for fewer, allow larger cells or more attempts, or give structure files instead.")


def _from_prototypes(quota: GroupQuota, wanted: dict[str, int], config: CrystalConfig, seed: int,
                     accept: _Acceptance) -> dict[str, list[Crystal]]:
    """Materials by side, at most `wanted`, spread evenly over the side's structure types.

    Types come in an order hashed with the seed; each held-out side gets its share of them, one more as long as they
    cannot fill its quota; train gets the rest.
    """
    streams = type_streams(quota.space_group, config, seed) if any(wanted.values()) else []
    crystals: dict[str, list[Crystal]] = {side: [] for side in SIDES}
    first = 0
    for side in SIDES:
        if not wanted[side]:
            continue
        last = len(streams) if side == "train" else min(
            first + max(1, round(TYPES_SHARE[side] * len(streams))), len(streams) - 1)
        crystals[side] += spread(streams[first:last], wanted[side], accept)
        while side != "train" and len(crystals[side]) < wanted[side] and last < len(streams) - 1:
            last += 1
            crystals[side] += spread(streams[last - 1: last], wanted[side] - len(crystals[side]), accept)
        first = max(last, first)
    return crystals


def _add_drawn(crystals: dict[str, list[Crystal]], quota: GroupQuota, source: CrystalSource, seed: int,
               accept: _Acceptance) -> None:
    """Fill the sides from the source, draw by draw.

    A new structure type belongs to the side that lacks the greatest part of its quota; later draws of the type go
    there or nowhere.
    """
    total = quota.sides()
    source = of_size(source, quota.maximum_random_atoms)
    owner = {crystal.structure_type: side for side in SIDES for crystal in crystals[side]}
    attempts = source.attempts * sum(total.values())
    for draw in range(attempts):
        lacking = {side: 1 - len(crystals[side]) / n for side, n in total.items() if len(crystals[side]) < n}
        if not lacking:
            return
        crystal = source.draw(quota.space_group, np.random.default_rng([seed, quota.space_group, draw]))
        if crystal is None or crystal.space_group != quota.space_group:
            continue
        side = owner.get(crystal.structure_type) or max(lacking, key=lacking.__getitem__)
        if side not in lacking:
            continue
        alike = sum(other.structure_type == crystal.structure_type for other in crystals[side])
        crowded = side != "train" and alike + 1 > max(1, LARGEST_SHARE_OF_A_TYPE * total[side])
        if (not crowded or draw > attempts / 2) and accept(crystal):
            owner[crystal.structure_type] = side
            crystals[side].append(crystal)
