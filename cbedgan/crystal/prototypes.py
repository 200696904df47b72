"""Materials on real structure types: AFLOW prototypes with other elements of the same families, slightly distorted."""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import gemmi
import numpy as np

from cbedgan.crystal.crystals import Crystal, measure_symmetry, rounded_cell, shortest_distance_ratio, standard_crystal
from cbedgan.crystal.real.exchange import exchange
from cbedgan.crystal.real.known_types import known_types
from cbedgan.crystal.structure_files import crystals_read_once
from cbedgan.crystal.substitution import distort, draw_substitution, linear_scale
from classifier.foundation.config import Config, added, digest
from classifier.foundation.errors import InputError


class PrototypeConfig(Config):
    """How prototypes become materials."""

    maximum_primitive_atoms: int = 16
    linear_scale_limits: tuple[float, float] = (0.8, 1.25)  # lengths follow the covalent radii within these factors
    minimum_distance_ratio: float = 0.7  # shortest distance between atoms over the sum of their covalent radii
    strain: float = 0.02  # see substitution.distort
    displacement_angstrom: float = 0.1
    attempts_per_material: int = 60  # draws after which a structure type counts as exhausted
    # Well-known structure types beside AFLOW's prototypes, and a folder of structure files with further ones.
    known_types: bool = added(False)
    structures: str | None = added(None)
    # "charge": an ion for another of the same charge, or, where charges do not balance, of the same family or metal for
    # metal, radii at most this ratio apart; see real.exchange. "family": as in version 1 of the benchmark.
    substitution: Literal["family", "charge"] = added("family")
    largest_radius_ratio: float = added(1.35)

    def structure_inputs(self) -> dict[str, str]:
        """Digest of the folder's structures, by name; of what comes with the packages there is none."""
        return {} if self.structures is None else {f"structures in {self.structures}": digest(
            [crystal.record() for crystal in crystals_read_once(self.structures)])}


class PrototypeSource(PrototypeConfig):
    """The source "prototypes": any prototype of the group at random, whatever its structure type."""

    kind: Literal["prototypes"]
    supergroup_tolerance_angstrom: float = 0.1

    @property
    def attempts(self) -> int:
        """Draws for each material."""
        return self.attempts_per_material

    def draw(self, space_group: int, generator: np.random.Generator) -> Crystal | None:
        """Draw a material of one of the group's prototypes; None where there is none, or the draw breaks a rule."""
        crystals = prototypes_of(space_group, self)
        return substituted(crystals[generator.integers(len(crystals))], self, generator) if crystals else None

    def inputs(self) -> dict[str, str]:
        """The prototypes come with pymatgen; a folder beside them is read."""
        return self.structure_inputs()


@cache
def prototypes() -> tuple[Crystal, ...]:
    """Return the AFLOW prototype structures that pymatgen carries, measured and standardised, in its order."""
    crystals = []
    for entry in json.loads(gzip.decompress(_aflow_file().read_bytes())):
        # As pymatgen's own module reads it, but for the citations, whose parsing takes most of its time.
        cell, sites = entry["snl"]["lattice"]["matrix"], entry["snl"]["sites"]
        crystals.append(standard_crystal(np.array(cell), np.array([site["abc"] for site in sites]),
                                         [gemmi.Element(site["species"][0]["element"]).atomic_number for site in sites],
                                         source=f"AFLOW prototype {entry['tags']['aflow']}"))
    return tuple(crystals)


def _aflow_file() -> Path:
    """Return pymatgen's file of the AFLOW prototypes; InputError where pymatgen is not installed."""
    module = find_spec("pymatgen.analysis.prototypes") if find_spec("pymatgen") is not None else None
    if module is None or module.origin is None:
        raise InputError(source="pymatgen", rule="the prototype structures come with pymatgen", value="not installed",
                         remedy="Install it, in the clone: pip install '.[simulate]'.")
    return Path(module.origin).with_name("aflow_prototypes.json.gz")


@cache
def known_crystals() -> tuple[Crystal, ...]:
    """Return the table of well-known structure types, measured and standardised, in its order."""
    return tuple(standard_crystal(known.lattice, known.positions, known.numbers, source=f"structure type {known.name}")
                 for known in known_types())


def prototypes_of(space_group: int, config: PrototypeConfig) -> list[Crystal]:
    """Return the prototypes of the group that are small enough; AFLOW's first, then what the configuration adds."""
    more = [*(known_crystals() if config.known_types else ()),
            *(crystals_read_once(config.structures) if config.structures is not None else ())]
    return [prototype for prototype in (*prototypes(), *more)
            if prototype.space_group == space_group and prototype.n_primitive <= config.maximum_primitive_atoms]


def substituted(prototype: Crystal, config: PrototypeConfig, generator: np.random.Generator) -> Crystal | None:
    """Draw a material of the prototype's structure type; None when the draw breaks one of the rules of `config`."""
    if config.substitution == "charge":
        substitution, ratio = exchange(prototype.numbers, config.largest_radius_ratio, generator)
    else:
        substitution = draw_substitution(prototype.numbers, generator)
        ratio = linear_scale(prototype.numbers, substitution)
    scale = float(np.clip(ratio, *config.linear_scale_limits))
    steady = config.substitution == "charge"  # the same on every processor; the older substitution keeps its draws
    cell = prototype.primitive() if steady else (
        prototype.lattice, prototype.positions, prototype.numbers)  # the smaller cell is quicker, but gives other draws
    numbers = np.array([substitution[number] for number in cell[2].tolist()])
    scaled, sites = rounded_cell(cell[0] * scale, cell[1]) if steady else (cell[0] * scale, cell[1])
    lattice, positions = distort(scaled, sites, measure_symmetry(scaled, sites, numbers), generator,
                                 strain=config.strain, displacement_angstrom=config.displacement_angstrom)
    if shortest_distance_ratio(lattice, positions, numbers) < config.minimum_distance_ratio:
        return None
    exchanged = " ".join(f"{gemmi.Element(a).name}>{gemmi.Element(b).name}" for a, b in substitution.items())
    crystal = standard_crystal(lattice, positions, numbers, source=f"{prototype.source}, {exchanged}, distorted",
                               steady=steady)
    return crystal if crystal.structure_type == prototype.structure_type else None


class TypeStream:
    """The materials of one structure type, one after the other: the same for the same seed, whoever asks."""

    def __init__(self, structure_type: str, sources: list[Crystal], config: PrototypeConfig, seed: int) -> None:
        self.structure_type, self.sources, self.config = structure_type, sources, config
        self.attempt, self.given = 0, 0
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


def type_streams(space_group: int, config: PrototypeConfig, seed: int) -> list[TypeStream]:
    """Return a stream for each structure type of a group, in an order hashed with the seed."""
    by_type: dict[str, list[Crystal]] = {}
    for prototype in prototypes_of(space_group, config):
        by_type.setdefault(prototype.structure_type, []).append(prototype)
    order = sorted(by_type, key=lambda structure_type: digest([seed, structure_type]))
    return [TypeStream(structure_type, by_type[structure_type], config, seed) for structure_type in order]


def spread(streams: list[TypeStream], n: int, accept: Callable[[Crystal], bool]) -> Iterator[Crystal]:
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
