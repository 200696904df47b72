"""The parts of a run, each made by a worker: paths of a group, measures of a batch, one path simulated or drawn.

Numbers pass through JSON whole, so that a run that was killed and goes on ends as if it had not been.
"""

import time
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.plan import DrawnSource
from cbedgan.distortion.between import Arc, BetweenConfig, arcs_of
from cbedgan.distortion.crossed_arcs import measure_arcs
from cbedgan.distortion.held import HeldCrystal, patterns_and_held
from cbedgan.distortion.measure import ThresholdConfig, by_exact_engine, measure
from cbedgan.distortion.panel import Panel, SeenUnder
from cbedgan.distortion.paths import PathsConfig, SymmetryPath, crystals_of_rows, drawn_crystals, paths_of
from cbedgan.distortion.report.strip import strip, strip_places
from cbedgan.distortion.visible import difference
from cbedgan.gan.crystals.instrument import Instrument
from cbedgan.simulate.cbed.simulate_config import RenderConfig, SimulateConfig
from cbedgan.simulate.parts import PartsFolder
from classifier.foundation.atomic import atomic_path, plain, read_json, write_json
from classifier.foundation.device import reproducible
from classifier.foundation.errors import InputError
from classifier.pattern.measurement import CONDITIONS
from classifier.samples.measured_samples import require_beam_shares
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile
from classifier.samples.viewed import rows_of


class Task(NamedTuple):
    """What every worker is told. crystals, source, paths, between, thresholds, seed, threads, view: as configured."""

    folder: PartsFolder
    classifiers: tuple[Path, ...]
    stacks: Path
    split: Path
    render: RenderConfig
    crystals: str
    source: DrawnSource | None
    paths: PathsConfig
    thresholds: ThresholdConfig
    seed: int
    threads: int
    sight: SeenUnder
    view: str
    between: BetweenConfig | None = None

    def equipment(self) -> tuple[Panel, SimulateConfig]:
        """The classifiers and what crystals are exposed to, read once a process."""
        return _equipment(self.classifiers, self.stacks, self.split, self.render.model_dump_json(), self.sight,
                          self.view)


def draw_paths(task: Task, name: str, group: int) -> None:
    """Write the paths of the crystals of a group, and the arcs between them."""
    with reproducible(task.threads):
        panel, instrument = task.equipment()
        found, arcs = [], []
        for crystal in islice(_crystals(task, group, instrument), task.paths.materials):
            own = paths_of(crystal, panel.class_map.space_groups, task.paths, instrument, task.seed)
            found += own
            if task.between is not None:
                arcs += arcs_of(own, panel.class_map, task.between, task.paths.minimum_distance_ratio)
    write_json(task.folder.record(name), {"paths": [path.record() for path in found],
                                          "arcs": [arc.record() for arc in arcs]})


def measure_paths(task: Task, name: str, records: list[dict[str, Any]]) -> None:
    """Write the records of one batch with what was measured along their paths."""
    began = time.perf_counter()
    with reproducible(task.threads):
        panel, instrument = task.equipment()
        thresholds = measure(rebuilt_paths(records, instrument), panel, task.thresholds)
    write_json(task.folder.record(name), {
        "paths": [{**record, **thresholds.record(k)} for k, record in enumerate(records)],
        "seconds": time.perf_counter() - began}, exact=True)


def cross_arcs(task: Task, name: str, records: list[dict[str, Any]]) -> None:
    """Write what classifiers make of a batch of arcs."""
    assert task.between is not None
    with reproducible(task.threads):
        panel, instrument = task.equipment()
        held = _held(records, instrument)
        measured = measure_arcs([Arc.of(record, held[record["crystal"]["material"]]) for record in records], panel,
                                task.between)
    write_json(task.folder.record(name), {"arcs": measured}, exact=True)


def simulate_path(task: Task, name: str, record: dict[str, Any]) -> None:
    """Write each classifier's threshold of a measured path by the exact engine."""
    with reproducible(task.threads):
        panel, instrument = task.equipment()
        (path,) = rebuilt_paths([record], instrument)
        t_star = by_exact_engine(path, panel, np.array(record["t_star"]), task.thresholds)
    write_json(task.folder.record(name), {"t_star_simulated": t_star.tolist()}, exact=True)


def draw_strip(task: Task, name: str, record: dict[str, Any]) -> None:
    """Draw the strip of a measured path, of the pattern that misses most up to its end, else changes most."""
    record = plain(record)
    places = strip_places(record)
    with reproducible(task.threads):
        _, instrument = task.equipment()
        (path,) = rebuilt_paths([record], instrument)
        stacks = patterns_and_held([(path.held, path.mode.cell(path.crystal, t)) for t in places.values()]).held
    missed = [max((values[-1] for values in some), default=0.0) for some in record["residuals"]]
    change = [(missed[k], difference(stacks[-1:, [k]], stacks[0, [k]], one[None])[0])
              for k, one in enumerate(path.outside())]
    pattern = max(range(len(change)), key=change.__getitem__)
    drawn = strip(record, stacks[:, pattern], places, pattern, bar=task.thresholds.least_difference)
    with atomic_path(task.folder.folder / f"{name}.png") as temporary:
        temporary.write_bytes(drawn)
    write_json(task.folder.record(name), {"pattern": pattern, "places": places})


def read_paths(folder: PartsFolder, names: list[str], what: str = "paths") -> list[dict[str, Any]]:
    """The paths, or "arcs", of parts, in their order."""
    return [path for name in names for path in read_json(folder.record(name))[what]]


def _crystals(task: Task, group: int, instrument: SimulateConfig) -> Iterator[Crystal]:
    if task.source is not None:
        return drawn_crystals(task.source, group, task.seed, instrument)
    with StackFile(task.stacks) as file:
        parts = load_split(task.split, stack_digest=file.identity).parts
        return crystals_of_rows(file.table.take(rows_of(file, parts[task.crystals])), group)


def rebuilt_paths(records: list[dict[str, Any]], instrument: SimulateConfig) -> list[SymmetryPath]:
    """Paths from their records; those of one crystal share its exposure."""
    held = _held(records, instrument)
    return [SymmetryPath.of(record, held[record["crystal"]["material"]]) for record in records]


def _held(records: list[dict[str, Any]], instrument: SimulateConfig) -> dict[str, HeldCrystal]:
    crystals = {record["crystal"]["material"]: record["crystal"] for record in records}
    return {name: HeldCrystal.of(Crystal.from_record(crystal), instrument) for name, crystal in crystals.items()}


@lru_cache(maxsize=1)
def _equipment(classifiers: tuple[Path, ...], stacks: Path, split: Path, render: str, sight: SeenUnder, view: str
               ) -> tuple[Panel, SimulateConfig]:
    with StackFile(stacks) as file:
        parted = load_split(split, stack_digest=file.identity)
        panel = Panel.load(classifiers, parted.names, file.mantissa_bits, sight)
        require_beam_shares(panel.members[0].frame, CONDITIONS[sight.condition], stacks)
        instrument = Instrument.of(file, panel.members[0].view, RenderConfig.model_validate_json(render))
    asked = tuple(one for one in instrument.views if one.name == view)
    if view and (not asked or asked[0].specimen is None):
        raise InputError(source=stacks, rule="its set must have the view, with a [views.specimen]", value=view,
                         remedy="Name one of " + (", ".join(one.name for one in instrument.views) or "no views") + ".")
    return panel, instrument.config.model_copy(update={"views": asked})
