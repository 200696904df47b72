"""What `distort` has found: symmetry-breaking paths, and from where to where along each a boundary is densified."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cbedgan.crystal.crystals import Crystal
from cbedgan.distortion.measure import CROSSED, DENIED
from cbedgan.distortion.modes import Mode
from cbedgan.distortion.paths import PathsConfig
from cbedgan.synthesis.crystals.synthesize_config import BothSidesConfig
from classifier.foundation.atomic import read_json
from classifier.foundation.config import digest, parse_config
from classifier.foundation.errors import InputError, reported
from classifier.statistics.medians import weighted_median

FOUND = "paths.json"


class Reach(NamedTuple):
    """Angstrom, inf where it is not reached: the distortion from which on patterns differ, and classifiers see it."""

    t_data: float
    t_star: float

    def interval(self, end: float, config: BothSidesConfig) -> tuple[float, float] | None:
        """Distortions that are asked for on a path that ends at `end`; None where nothing is between."""
        low = max(self.t_data, config.least_angstrom)
        high = min(config.beyond * max(low, self.t_star), end)
        return (low, high) if low < high else None


@dataclass(frozen=True, eq=False)
class FoundPath:
    """From a crystal along a mode, `end` angstrom far, into a subgroup. number: in paths.json, None for a new one."""

    crystal: Crystal
    subgroup: int
    mode: Mode
    end: float
    reach: Reach
    number: int | None = None

    @property
    def pair(self) -> tuple[int, int]:
        """Group and subgroup."""
        return self.crystal.space_group, self.subgroup


@dataclass(frozen=True, eq=False)
class FoundPaths:
    """All paths of a file; config: how they were made; classifiers: how many of those asked for t* it knows; digest: of
    its content."""

    paths: tuple[FoundPath, ...]
    config: PathsConfig
    classifiers: int
    digest: str

    @classmethod
    def read(cls, folder: Path, split_names: Sequence[str], classifiers: Sequence[str]) -> "FoundPaths":
        """Read the folder that `distort` has written.

        t* of a path is the median over classifiers, of those named where the file has any of them, else of all. One
        that never sees it counts as infinite, one that denies the group at 0 does not count; where all deny it, t* is
        that of the pair, else that of all paths.

        Parameters
        ----------
        folder : of paths.json
        split_names : of the split; another one's paths are an InputError
        classifiers : digests
        """
        path = Path(folder) / FOUND
        content = read_json(path)
        with reported(path, rule="must be what distort has written", remedy="Give the folder of a finished distort."):
            told, records = content["provenance"], content["paths"]
            digests = [told["inputs"][f"classifier {k}"] for k in range(len(records[0]["t_star"]) if records else 0)]
            config = parse_config(told["config"]["paths"], PathsConfig, source=path)
            drawn, own_split = told["config"]["crystals"], told["split_digest"]
            members = [k for k, one in enumerate(digests) if one in classifiers]
            found = _with_reach([_path(number, record) for number, record in enumerate(records)],
                                [_numbers(record, members or range(len(digests))) for record in records])
        for rule, value, wrong in (
                ("must be of this split", own_split[:12], own_split not in split_names),
                ("must be of drawn crystals: held-out ones may not be trained on", drawn, drawn != "drawn")):
            if wrong:
                raise InputError(source=path, rule=rule, value=value, remedy="Run distort for this.")
        return cls(tuple(found), config, len(members), digest(content))

    def between(self, space_group: int, subgroup: int) -> list[FoundPath]:
        """The paths from a group to a subgroup."""
        return [path for path in self.paths if path.pair == (space_group, subgroup)]

    def crystals(self, space_group: int, subgroup: int) -> list[Crystal]:
        """The different crystals of a group from which paths lead to a subgroup, as far as they are the subgroup's.

        One with paths to several subgroups is of one of them, each in turn: no crystal is taken twice.
        """
        led: dict[str, list[FoundPath]] = {}
        for path in self.paths:
            if path.crystal.space_group == space_group:
                led.setdefault(path.crystal.material, []).append(path)
        owned = [(some[0].crystal, sorted({path.subgroup for path in some})) for some in led.values()]
        return [crystal for number, (crystal, lower) in enumerate(owned) if lower[number % len(lower)] == subgroup]

    def typical(self, pair: tuple[int, int]) -> Reach:
        """Medians over the paths of a pair of groups, of all paths where it has none."""
        some = [path.reach for path in self.paths if path.pair == pair] or [path.reach for path in self.paths]
        return Reach(*(_median(values) for values in np.array(some, dtype=np.float64).reshape(-1, 2).T))


def _path(number: int, record: dict[str, Any]) -> FoundPath:
    t_data = record["t_data"]
    return FoundPath(Crystal.from_record(record["crystal"]), record["subgroup"], Mode.of(record["mode"]),
                     record["end_angstrom"], Reach(np.inf if t_data is None else t_data, np.nan), number)


def _numbers(record: dict[str, Any], members: Sequence[int]) -> list[float]:
    """t* of each classifier that holds the undistorted crystal for one of its group."""
    return [record["t_star"][k] if record["state"][k] == CROSSED else np.inf for k in members
            if record["state"][k] != DENIED]


def _with_reach(paths: list[FoundPath], t_star: list[list[float]]) -> list[FoundPath]:
    """The paths with their t*."""
    everyone = [t for some in t_star for t in some]
    known = []
    for path, some in zip(paths, t_star, strict=True):
        pair = [t for other, theirs in zip(paths, t_star, strict=True) if other.pair == path.pair for t in theirs]
        known.append(FoundPath(path.crystal, path.subgroup, path.mode, path.end,
                               Reach(path.reach.t_data, _median(some or pair or everyone)), path.number))
    return known


def _median(values: Sequence[float] | np.ndarray) -> float:
    """The least value with half of them at or below it; inf of none."""
    found = np.asarray(values, dtype=np.float64)
    return float(weighted_median(found, np.ones((1, len(found))))[0]) if len(found) else float("inf")
