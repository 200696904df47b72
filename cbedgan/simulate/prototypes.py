"""Which crystals a simulated set consists of: AFLOW prototypes with other elements, so many materials a space group.

The parts of a group share no structure type, and no (formula, space group) comes twice in the whole set.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache

import gemmi
import numpy as np

from cbedgan.simulate.crystals import (
    Crystal,
    measure_symmetry,
    shortest_distance_ratio,
    standard_crystal,
)
from cbedgan.simulate.substitution import distort, draw_substitution, linear_scale
from classifier.config import Config, digest
from classifier.errors import InputError


class GroupQuota(Config):
    """How many materials of one space group the parts get."""

    space_group: int
    train: int
    test: int


class CrystalConfig(Config):
    """The crystals of a simulated set."""

    maximum_primitive_atoms: int
    linear_scale_limits: tuple[float, float]  # lengths follow the covalent radii, but within these factors
    minimum_distance_ratio: float  # shortest distance between atoms over the sum of their covalent radii
    strain: float  # see substitution.distort
    displacement_angstrom: float
    attempts_per_material: int  # draws after which a structure type counts as exhausted
    groups: tuple[GroupQuota, ...]


@dataclass(frozen=True)
class PlannedCrystal:
    """A crystal and the part ("train" or "test") that it belongs to."""

    crystal: Crystal
    partition: str


@cache
def prototypes() -> tuple[Crystal, ...]:
    """Return the AFLOW prototype structures that pymatgen carries, measured and standardised, in its order."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY
    except ImportError:
        raise InputError(source="pymatgen", rule="the prototype structures come with pymatgen", value="not installed",
                         remedy="Install it with `pip install cbedgan[simulate]`.") from None
    crystals = []
    for entry in AFLOW_PROTOTYPE_LIBRARY:
        structure, name = entry["snl"].structure, entry["tags"]["aflow"]
        crystals.append(standard_crystal(structure.lattice.matrix, structure.frac_coords,
                                         [site.Z for site in structure.species], source=f"AFLOW prototype {name}"))
    return tuple(crystals)


def substituted(prototype: Crystal, config: CrystalConfig, generator: np.random.Generator) -> Crystal | None:
    """Draw a material of the prototype's structure type; None when the draw breaks one of the rules of `config`."""
    substitution = draw_substitution(prototype.numbers, generator)
    scale = float(np.clip(linear_scale(prototype.numbers, substitution), *config.linear_scale_limits))
    numbers = np.array([substitution[number] for number in prototype.numbers.tolist()])
    scaled = replace(prototype, lattice=prototype.lattice * scale, numbers=numbers)
    lattice, positions = distort(scaled, measure_symmetry(scaled.lattice, scaled.positions, numbers), generator,
                                 strain=config.strain, displacement_angstrom=config.displacement_angstrom)
    if shortest_distance_ratio(lattice, positions, numbers) < config.minimum_distance_ratio:
        return None
    exchange = " ".join(f"{gemmi.Element(a).name}>{gemmi.Element(b).name}" for a, b in substitution.items())
    crystal = standard_crystal(lattice, positions, numbers, source=f"{prototype.source}, {exchange}, distorted")
    return crystal if crystal.structure_type == prototype.structure_type else None


class _TypeStream:
    """The materials of one structure type, one after the other: the same for the same seed, whoever asks."""

    def __init__(self, structure_type: str, sources: list[Crystal], config: CrystalConfig, seed: int) -> None:
        self.sources, self.config, self.attempt, self.given = sources, config, 0, 0
        self.seed = (seed, int(digest(structure_type)[:8], 16))

    def next(self, accept: Callable[[Crystal], bool]) -> Crystal | None:
        """Return the next material that `accept` takes, None once the type is exhausted."""
        while self.attempt < self.config.attempts_per_material * (self.given + 1):
            generator = np.random.default_rng((*self.seed, self.attempt))
            source = self.sources[self.attempt % len(self.sources)]
            self.attempt += 1
            crystal = substituted(source, self.config, generator)
            if crystal is not None and accept(crystal):
                self.given += 1
                return replace(crystal, source=f"{crystal.source} (draw {self.attempt - 1})")
        return None


def plan_crystals(config: CrystalConfig, *, seed: int,
                  refuse: Callable[[Crystal], str | None] = lambda crystal: None,
                  ) -> tuple[list[PlannedCrystal], list[tuple[str, str]]]:
    """Choose the materials of every group and part; also return what was passed over: (material, reason).

    Structure types of a group are put in an order hashed with the seed; the first max(1, round(n/3)) of n are the test
    part's, one more as long as they cannot fill its quota; the train part gets the rest. Within a part materials are
    spread evenly over its types. refuse: says why a crystal cannot be simulated, or None; the next candidate of the
    same type then takes its place. Raises InputError when a quota cannot be met.
    """
    planned: list[PlannedCrystal] = []
    passed_over: list[tuple[str, str]] = []
    seen: set[tuple[str, int]] = set()

    def accept(crystal: Crystal) -> bool:
        if (crystal.formula, crystal.space_group) in seen:
            return False
        reason = refuse(crystal)
        if reason is not None:
            passed_over.append((crystal.material, reason))
            return False
        seen.add((crystal.formula, crystal.space_group))
        return True

    for quota in config.groups:
        streams = _streams_of_group(quota.space_group, config, seed)
        n_test_types = max(1, round(len(streams) / 3))
        test = list(_spread(streams[:n_test_types], quota.test, accept))
        while len(test) < quota.test and n_test_types < len(streams) - 1:
            n_test_types += 1
            test += _spread(streams[n_test_types - 1: n_test_types], quota.test - len(test), accept)
        train = list(_spread(streams[n_test_types:], quota.train, accept))
        if len(test) < quota.test or len(train) < quota.train:
            raise InputError(source=f"crystals.groups, space group {quota.space_group}",
                             rule="the prototypes must yield the materials that are asked for",
                             value=f"{len(train)} of {quota.train} train and {len(test)} of {quota.test} test "
                                   f"materials from {len(streams)} structure types",
                             remedy="Ask for fewer, allow larger cells, or give CIF files instead.")
        planned += [PlannedCrystal(crystal, "train") for crystal in train]
        planned += [PlannedCrystal(crystal, "test") for crystal in test]
    return planned, passed_over


def _streams_of_group(space_group: int, config: CrystalConfig, seed: int) -> list[_TypeStream]:
    by_type: dict[str, list[Crystal]] = {}
    for prototype in prototypes():
        if prototype.space_group == space_group and prototype.n_primitive <= config.maximum_primitive_atoms:
            by_type.setdefault(prototype.structure_type, []).append(prototype)
    if len(by_type) < 2:
        raise InputError(source=f"crystals.groups, space group {space_group}",
                         rule="a group needs two structure types, one for each part", value=sorted(by_type),
                         remedy="Leave the group out, allow larger cells, or give CIF files instead.")
    order = sorted(by_type, key=lambda structure_type: digest([seed, structure_type]))
    return [_TypeStream(structure_type, by_type[structure_type], config, seed) for structure_type in order]


def _spread(streams: list[_TypeStream], n: int, accept: Callable[[Crystal], bool]) -> Iterator[Crystal]:
    """Take n crystals from the streams in turn, fewer when all of them are exhausted."""
    open_streams = list(streams)
    while open_streams:
        for stream in list(open_streams):
            if n == 0:
                return
            crystal = stream.next(accept)
            if crystal is None:
                open_streams.remove(stream)
                continue
            n -= 1
            yield crystal
