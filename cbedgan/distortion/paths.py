"""Which symmetry-breaking paths there are: crystals of each group, and modes that lead to other known groups."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.sources import CrystalSource
from cbedgan.distortion.held import HeldCrystal
from cbedgan.distortion.modes import Mode, farthest, kept_group, random_mode
from cbedgan.distortion.symmetry.shown import LostSymmetry
from cbedgan.distortion.symmetry.subgroups import CellOperations, maximal_subgroups, operations_of
from cbedgan.distortion.visible import outside_direct_disk
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.cbed.stack import refusal
from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.samples.sampletable import SampleTable

ATTEMPTS = 4  # modes drawn until one keeps the subgroup alone


class PathsConfig(Config):
    """materials: of each group; modes: of each crystal and subgroup; strain_share: how much the cell is strained beside
    the atoms, see `random_mode`; most_angstrom: of a path, which ends before atoms come nearer than so many summed
    covalent radii; one that ends below least_end_angstrom is none."""

    materials: int
    modes: int = 1
    strain_share: float = 0.25
    most_angstrom: float = 1.0
    least_end_angstrom: float = 0.2
    minimum_distance_ratio: float = 0.6


@dataclass(frozen=True, eq=False)
class SymmetryPath:
    """From a crystal of a space group along a mode, `end` angstrom far, into one of its maximal subgroups.

    lost: what it has no more there.
    """

    held: HeldCrystal
    subgroup: int
    lost: LostSymmetry
    mode: Mode
    end: float

    @property
    def crystal(self) -> Crystal:
        return self.held.crystal

    def outside(self) -> Bool[np.ndarray, "3 S S"]:
        """Pixels of the patterns that the direct disks at 0 do not reach."""
        return np.stack([outside_direct_disk(*axis.frame()) for axis in self.held.axes])

    def record(self) -> dict[str, Any]:
        """As JSON content."""
        return {"space_group": self.crystal.space_group, "subgroup": self.subgroup, "crystal": self.crystal.record(),
                "lost": self.lost.model_dump(mode="json"), "mode": self.mode.record(), "end_angstrom": self.end}

    @classmethod
    def of(cls, record: dict[str, Any], held: HeldCrystal) -> "SymmetryPath":
        """The path whose `record` this is, from its crystal's exposure."""
        lost = LostSymmetry.model_validate_json(json.dumps(record["lost"]))
        return cls(held, record["subgroup"], lost, Mode.of(record["mode"]), record["end_angstrom"])


def drawn_crystals(source: CrystalSource, space_group: int, seed: int, instrument: SimulateConfig) -> Iterator[Crystal]:
    """Crystals of the source that can be rendered, as many as its attempts give."""
    for attempt in range(source.attempts):
        crystal = source.draw(space_group, np.random.default_rng([seed, space_group, attempt]))
        if crystal is not None and crystal.space_group == space_group and refusal(crystal, instrument) is None:
            yield crystal


def crystals_of_rows(table: SampleTable, space_group: int) -> Iterator[Crystal]:
    """The different crystals that simulated rows of a group hold."""
    seen: set[str] = set()
    for row in np.flatnonzero(table.space_group == space_group).tolist():
        told = json.loads(table.provenance[row] or "{}").get("crystal")
        if told is None:
            raise InputError(source=str(table.sample_id[row]), rule="its provenance must hold its crystal",
                             value="none", remedy='Take crystals = "drawn".')
        if told["material"] not in seen:
            seen.add(told["material"])
            yield Crystal.from_record(told)


def paths_of(crystal: Crystal, known: Sequence[int], config: PathsConfig, instrument: SimulateConfig, seed: int
             ) -> list[SymmetryPath]:
    """The paths of one crystal into known groups; none where its symmetry or its patterns cannot be had.

    Parameters
    ----------
    crystal : at 0
    known : space groups
    config : how many paths, and how far
    instrument : what the crystal is exposed to
    seed : of the modes, with the crystal's name
    """
    try:
        operations = operations_of(crystal)
        found = modes_of(crystal, operations, known, config, seed)
        held = HeldCrystal.of(crystal, instrument) if found else None
    except InputError:
        return []
    if held is None:
        return []
    axes = [axis.posed() for axis in held.axes]
    return [SymmetryPath(held, group, LostSymmetry.of(crystal, operations, kept, axes), mode, end)
            for kept, group, mode, end in found]


def modes_of(crystal: Crystal, operations: CellOperations, known: Sequence[int], config: PathsConfig, seed: int
             ) -> list[tuple[tuple[int, ...], int, Mode, float]]:
    """(operations kept, space group, mode, end) of each mode of one crystal into a known group.

    Parameters
    ----------
    crystal, known, config, seed : as for `paths_of`
    operations : of the crystal
    """
    found = []
    for rank, kept in enumerate(maximal_subgroups(operations.product)):
        for number in range(config.modes):
            stream = np.random.default_rng([seed, rank, number, *crystal.material.encode()])
            modes = (random_mode(crystal, operations, kept, config.strain_share, stream) for _ in range(ATTEMPTS))
            found += [(kept, *one) for one in _path(crystal, modes, len(kept), known, config)]
    return found


def _path(crystal: Crystal, modes: Iterable[Mode | None], order: int, known: Sequence[int], config: PathsConfig
          ) -> list[tuple[int, Mode, float]]:
    """Group, mode and end of the first mode that keeps a known subgroup alone and goes far enough; else nothing."""
    for mode in modes:
        if mode is None:
            break
        group = kept_group(crystal, mode, order, config.most_angstrom)
        if group is not None and group not in known:
            break
        end = farthest(crystal, mode, config.most_angstrom, config.minimum_distance_ratio)
        if group is not None and end >= config.least_end_angstrom:
            return [(group, mode, end)]
    return []
