"""distort [stage]: how far atoms must move before classifiers see a symmetry is gone -> paths.json, report.html."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from cbedgan.crystal.cif import write_cif
from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.plan import DrawnSource
from cbedgan.distortion.between import BetweenConfig, unrelated
from cbedgan.distortion.measure import ThresholdConfig
from cbedgan.distortion.modes import Mode
from cbedgan.distortion.panel import SeenUnder
from cbedgan.distortion.parts import Task, cross_arcs, draw_paths, draw_strip, measure_paths, read_paths, simulate_path
from cbedgan.distortion.paths import PathsConfig
from cbedgan.distortion.report.pages import write_report
from cbedgan.distortion.report.states import CROSSED
from cbedgan.distortion.report.strip import chosen_strips
from cbedgan.distortion.report.words import of_path, seen_in
from cbedgan.simulate.cbed.simulate_config import RenderConfig
from cbedgan.simulate.parts import PartsFolder
from cbedgan.simulate.workers import in_pool
from classifier.foundation.atomic import atomic_path, plain, read_json, write_json
from classifier.foundation.config import Config, added
from classifier.foundation.errors import InputError
from classifier.foundation.run import require_same_run, stage_record
from classifier.pattern.condition import Condition
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile

FOUND = "paths.json"


class DistortConfig(Config):
    """crystals: drawn from `source`, or those of a held-out part of the stacks; groups: whose crystals, all classes
    where none are named; paths_at_once: measured in one batch; simulated: so many paths are also drawn by the exact
    engine; threads: of each process; replicates: of the intervals.

    condition: under which classifiers see patterns; draws: measured copies whose logits are averaged, of the same noise
    all along a path (ideal: roundings with as many gains); view: of the set, whose specimens crystals then are;
    between: paths between unrelated groups, where they are wanted.
    """

    seed: int
    threads: int = 1
    crystals: Literal["drawn", "validation", "test"] = "drawn"
    groups: tuple[int, ...] = ()
    source: DrawnSource | None = None
    paths: PathsConfig
    thresholds: ThresholdConfig = ThresholdConfig()
    render: RenderConfig = RenderConfig()
    paths_at_once: int = Field(16, ge=1)
    simulated: int = Field(0, ge=0)
    replicates: int = Field(1000, ge=100)
    condition: Condition = added("ideal")
    draws: Annotated[int, Field(ge=1)] = added(1)
    view: str = added("")
    between: BetweenConfig | None = added(None)

    @model_validator(mode="after")
    def _drawn_from_something(self) -> "DistortConfig":
        if (self.crystals == "drawn") != (self.source is not None):
            raise ValueError('a table [source] goes with crystals = "drawn", and with that alone')
        return self


def distort(config: DistortConfig, *, classifiers: Sequence[Path], stacks: Path, split: Path, out: Path,
            workers: int = 1) -> Path:
    """Write the paths, their thresholds by each classifier, the crystals on both sides of these, and a report.

    Crystals are exposed as the stack file states it. Classifiers that differ in their seed alone are one arm. The same
    command goes on where a killed one has stopped; until it ends, OUT.parts holds what is measured.

    Parameters
    ----------
    config : which paths, and what counts as seen
    classifiers : checkpoints, of this split
    stacks, split : what they were trained on
    out : folder of paths.json, report.txt, report.html, cif/ and strips/; one that is finished is kept
    workers : processes; results do not depend on their number
    """
    out = Path(out)
    task = Task(PartsFolder(out), tuple(map(Path, classifiers)), Path(stacks), Path(split), config.render,
                config.crystals, config.source, config.paths, config.thresholds, config.seed, config.threads,
                SeenUnder(config.condition, config.draws, config.seed), config.view, config.between)
    panel, _ = task.equipment()
    groups = config.groups or panel.class_map.space_groups
    panel.class_map.indices(np.array(groups))  # refuses what is no class
    with StackFile(stacks) as file:
        parted = load_split(split, stack_digest=file.identity)
    inputs = {"split": parted.digest, "stacks": parted.stack_digest, **(config.source.inputs() if config.source else
              {}), **{f"classifier {k}": member.digest for k, member in enumerate(panel.members)}}
    record = stage_record("distort", config, inputs)
    if (out / FOUND).exists():
        content = read_json(out / FOUND)
        require_same_run(out, content["provenance"], record)
    else:
        with task.folder.at_work(alone=True):
            task.folder.manifest(record, lambda: record)
            materials = dict(zip(map(str, panel.class_map.space_groups), panel.members[0].training_materials.tolist(),
                                 strict=True))
            content = _measured(config, task, groups, materials, workers)
        _keep_strips(content["strips"], task.folder, out)
        for number, path in enumerate(content["paths"]):
            path |= {"number": number, "cif": _write_sides(path, number, out),
                     "text": of_path(path, seen_in(config.condition, config.view))}
        content |= {"provenance": record, "stacks": Path(stacks).name,
                    "arms": {name: list(numbers) for name, numbers in panel.arms.items()},
                    "training_materials": materials}
        write_json(out / FOUND, plain(content))
        content = read_json(out / FOUND)
    shutil.rmtree(task.folder.folder, ignore_errors=True)
    return write_report(content, out)


def _measured(config: DistortConfig, task: Task, groups: Sequence[int], materials: dict[str, int], workers: int
              ) -> dict[str, Any]:
    """Draw and measure what the parts do not hold yet; all paths in their order, how fast they were measured, strips.

    Parameters
    ----------
    config, task : what is asked
    groups : whose crystals
    materials : how many train each class
    workers : processes
    """
    folder = task.folder

    def work(function: Callable[..., None], told: dict[str, Any], sizes: dict[str, int], words: str) -> None:
        jobs = {name: (task, name, one) for name, one in told.items() if not folder.record(name).exists()}
        in_pool(function, jobs, workers=workers, description=f"distort, {words}", sizes=sizes)

    drawn = {f"drawn-{group}": group for group in groups}
    work(draw_paths, drawn, dict.fromkeys(drawn, 1), "crystals")
    paths = read_paths(folder, list(drawn))
    if not paths:
        raise InputError(source="distort", rule="there must be paths between groups of the classes", value="none",
                         remedy="Name other groups, more materials or a lower least_end_angstrom.")
    batches = {f"paths-{first:06d}": paths[first:first + config.paths_at_once]
               for first in range(0, len(paths), config.paths_at_once)}
    work(measure_paths, batches, {name: len(some) for name, some in batches.items()}, "paths")
    paths = read_paths(folder, list(batches))
    seconds = sum(read_json(folder.record(name))["seconds"] for name in batches)
    chosen = {f"exact-{number:06d}": number for number in _spread(
        [number for number, path in enumerate(paths) if CROSSED in path["state"]], config.simulated)}
    work(simulate_path, {name: paths[number] for name, number in chosen.items()}, dict.fromkeys(chosen, 1),
         "the exact engine")
    for name, number in chosen.items():
        paths[number] |= read_json(folder.record(name))
    drawn_strips = {f"strip-{number:06d}": (number, why) for number, why in chosen_strips(paths, materials).items()}
    work(draw_strip, {name: paths[number] for name, (number, _) in drawn_strips.items()},
         dict.fromkeys(drawn_strips, 1), "strips")
    strips = [{"number": number, "why": why, "png": f"{number:04d}.png", **read_json(folder.record(name))}
              for name, (number, why) in drawn_strips.items()]
    content = {"paths": paths, "paths_per_second": len(paths) / seconds, "strips": strips}
    if config.between is not None:
        arcs = read_paths(folder, list(drawn), "arcs")
        batches = {f"arcs-{first:06d}": arcs[first:first + config.paths_at_once]
                   for first in range(0, len(arcs), config.paths_at_once)}
        work(cross_arcs, batches, {name: len(some) for name, some in batches.items()}, "between unrelated groups")
        pairs = int(unrelated(task.equipment()[0].class_map).sum()) // 2
        content["between"] = {"unrelated_pairs": pairs, "arcs": read_paths(folder, list(batches), "arcs")}
    return content


def _keep_strips(strips: list[dict[str, Any]], folder: PartsFolder, out: Path) -> None:
    """Copy the pictures out of the parts."""
    for one in strips:
        with atomic_path(out / "strips" / one["png"]) as temporary:
            shutil.copyfile(folder.folder / f"strip-{one['number']:06d}.png", temporary)


def _write_sides(path: dict[str, Any], number: int, out: Path) -> list[str]:
    """Write the crystals just below and above the first threshold of any classifier, in the order given; their names.

    A crystal that cannot be measured anew is left out.
    """
    if CROSSED not in path["state"]:
        return []
    crystal, mode, names = Crystal.from_record(path["crystal"]), Mode.of(path["mode"]), []
    for side, t in zip(("below", "above"), path["bracket"][path["state"].index(CROSSED)], strict=True):
        try:
            distorted = mode.crystal(crystal, t, f"{crystal.material}, {t:.5f} angstrom distorted")
        except InputError:
            continue
        name = f"{number:04d}-{crystal.space_group}-{path['subgroup']}-{side}.cif"
        names.append(write_cif(out / "cif" / name, distorted).name)
    return names


def _spread(numbers: list[int], count: int) -> list[int]:
    """So many of the numbers, evenly spread."""
    places = np.linspace(0, len(numbers) - 1, min(count, len(numbers))).round().astype(int)
    return [numbers[place] for place in np.unique(places)]
