"""Where samples begin: crystals that a source draws, a pool of each group, kept in files, seeded."""

from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.plan import DrawnSource
from cbedgan.crystal.sources import CrystalSource, SizedSource, of_size
from cbedgan.gan.crystals.network.movable import Movable, movable
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.cbed.stack import refusal
from cbedgan.simulate.workers import in_pool
from classifier.foundation.atomic import read_json, write_json
from classifier.foundation.config import Config, digest
from classifier.foundation.errors import InputError

KEPT = 4096  # crystals whose orbits and neighbours stay in memory


class PriorConfig(Config):
    """source: of crystals, such as [crystals.random] of `simulate`; maximum_random_atoms: by space groups that need
    larger cells; crystals: of each group, from which a training draws; a sample of the trained generator begins with a
    crystal of its own."""

    source: DrawnSource
    maximum_random_atoms: dict[int, Annotated[int, Field(ge=1)]] = {}
    crystals: Annotated[int, Field(ge=1, le=1000)] = 100

    @model_validator(mode="after")
    def _larger_cells_are_random(self) -> "PriorConfig":
        if self.maximum_random_atoms and not isinstance(self.source, SizedSource):
            raise ValueError('maximum_random_atoms goes with a source of sized cells, such as "natural"')
        return self

    def of(self, space_group: int) -> CrystalSource:
        """The source, with cells as large as the group needs."""
        return of_size(self.source, self.maximum_random_atoms.get(space_group))


class Prior:
    """The pool of a training."""

    def __init__(self, folder: Path) -> None:
        self.pools = {int(path.stem): read_json(path)["crystals"] for path in folder.glob("*.json")}
        self._movable = lru_cache(KEPT)(self._prepared)

    def draw(self, space_group: int, generator: np.random.Generator) -> Movable:
        """One crystal of the group, any of the pool alike."""
        return self._movable(space_group, int(generator.integers(len(self.pools[space_group]))))

    def _prepared(self, space_group: int, number: int) -> Movable:
        return movable(Crystal.from_record(self.pools[space_group][number]))


def draw_prior(config: PriorConfig, instrument: SimulateConfig, folder: Path, *, space_groups: tuple[int, ...],
               seed: int, workers: int) -> Prior:
    """Draw the pools that are not there yet, a file each group, and read them.

    Parameters
    ----------
    config : of the pools
    instrument : crystals that it refuses are left out
    folder : of the files; those of another configuration are drawn anew
    space_groups, seed : on which, with the configuration, the crystals depend
    workers : processes
    """
    # How fast a pattern is rendered says nothing of which crystals are fit.
    fit = instrument.model_copy(update={"render": None}).model_dump(mode="json")
    name = digest({"prior": config.model_dump(mode="json"), "instrument": fit, "seed": seed})
    folder.mkdir(parents=True, exist_ok=True)
    paths = {group: folder / f"{group}.json" for group in space_groups}
    missing = [group for group, path in paths.items() if not path.exists() or read_json(path).get("name") != name]
    jobs = {group: (config, instrument, group, seed, name, paths[group]) for group in missing}
    in_pool(_write_pool, jobs, workers=workers, description="drawing crystals", sizes=dict.fromkeys(missing, 1))
    return Prior(folder)


def first_crystal(source: CrystalSource, space_group: int, key: list[int]) -> Crystal:
    """The first crystal of the group that the source draws after the seeds `key`; InputError where it draws none."""
    for attempt in range(source.attempts):
        crystal = source.draw(space_group, np.random.default_rng([*key, space_group, attempt]))
        if crystal is not None and crystal.space_group == space_group:
            return crystal
    raise InputError(source=f'source "{source.kind}"', rule="must draw a crystal of every group that is asked for",
                     value=f"none of group {space_group} in {source.attempts} attempts",
                     remedy="Raise attempts, or its maximum_random_atoms.")


def _write_pool(config: PriorConfig, instrument: SimulateConfig, space_group: int, seed: int, name: str,
                path: Path) -> None:
    crystals, number = [], 0
    while len(crystals) < config.crystals:
        crystal = first_crystal(config.of(space_group), space_group, [seed, number])
        number += 1
        if refusal(crystal, instrument) is None:
            crystals.append(crystal.record())
        elif number > 10 * config.crystals:
            raise InputError(source=f"space group {space_group}", rule="its crystals must be fit to be simulated",
                             value=refusal(crystal, instrument), remedy="Raise maximum_steps of the instrument.")
    write_json(path, {"name": name, "crystals": crystals})
