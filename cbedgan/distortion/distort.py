"""distort [stage]: how far atoms must move before classifiers see a symmetry is gone -> paths.json, report.html."""

import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from cbedgan.boundary.record import stage_record
from cbedgan.crystal.cif import write_cif
from cbedgan.crystal.plan import DrawnSource
from cbedgan.distortion.measure import ThresholdConfig, Thresholds, by_exact_engine, measure
from cbedgan.distortion.panel import Panel
from cbedgan.distortion.paths import PathsConfig, SymmetryPath, crystals_of_rows, drawn_crystals, paths_of
from cbedgan.distortion.report import write_report
from cbedgan.gan.crystals.instrument import Instrument
from cbedgan.simulate.cbed.simulate_config import RenderConfig, SimulateConfig
from classifier.foundation.atomic import plain, read_json, write_json
from classifier.foundation.config import Config
from classifier.foundation.device import reproducible
from classifier.foundation.errors import InputError
from classifier.foundation.run import progress, require_same_run
from classifier.samples.split import Split, load_split
from classifier.samples.stackfile import StackFile
from classifier.samples.viewed import rows_of

FOUND = "paths.json"


class DistortConfig(Config):
    """crystals: drawn from `source`, or those of a held-out part of the stacks; groups: whose crystals, all classes
    where none are named; paths_at_once: measured in one batch; simulated: so many paths are also drawn by the exact
    engine; replicates: of the intervals."""

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

    @model_validator(mode="after")
    def _drawn_from_something(self) -> "DistortConfig":
        if (self.crystals == "drawn") != (self.source is not None):
            raise ValueError('a table [source] goes with crystals = "drawn", and with that alone')
        return self


def distort(config: DistortConfig, *, classifiers: Sequence[Path], stacks: Path, split: Path, out: Path) -> Path:
    """Write the paths, their thresholds by each classifier, the crystals on both sides of these, and a report.

    Crystals are exposed as the stack file states it. Classifiers that differ in their seed alone are one arm.

    Parameters
    ----------
    config : which paths, and what counts as seen
    classifiers : checkpoints, of this split
    stacks, split : what they were trained on
    out : folder of paths.json, report.txt, report.html and cif/; one that is finished is kept
    """
    out = Path(out)
    with StackFile(stacks) as file:
        parted = load_split(split, stack_digest=file.identity)
        panel = Panel.load(classifiers, parted.names, file.mantissa_bits)
        inputs = {"split": parted.digest, "stacks": parted.stack_digest, **(config.source.inputs() if config.source else
                  {}), **{f"classifier {k}": member.digest for k, member in enumerate(panel.members)}}
        record = stage_record("distort", config, inputs)
        if (out / FOUND).exists():
            content = read_json(out / FOUND)
            require_same_run(out, content["provenance"], record)
            return write_report(content, out)
        instrument = Instrument.of(file, panel.members[0].view, config.render).config
        with reproducible(config.threads):
            paths = _paths(config, panel, instrument, file, parted)
    with reproducible(config.threads):
        content = _measured(config, panel, paths, out)
    content |= {"provenance": record, "stacks": str(Path(stacks).name)}
    write_json(out / FOUND, plain(content))
    return write_report(read_json(out / FOUND), out)


def _paths(config: DistortConfig, panel: Panel, instrument: SimulateConfig, file: StackFile, split: Split
           ) -> list[SymmetryPath]:
    """All paths, group by group."""
    known = panel.class_map.space_groups
    groups = config.groups or known
    panel.class_map.indices(np.array(groups))  # refuses what is no class
    held_out = None if config.crystals == "drawn" else file.table.take(rows_of(file, split.parts[config.crystals]))
    paths: list[SymmetryPath] = []
    with progress("distort, crystals", len(groups)) as bar:
        for group in groups:
            if held_out is not None:
                crystals = crystals_of_rows(held_out, group)
            else:
                assert config.source is not None
                crystals = drawn_crystals(config.source, group, config.seed, instrument)
            for crystal in islice(crystals, config.paths.materials):
                paths += paths_of(crystal, known, config.paths, instrument, config.seed)
            bar.advance()
    if not paths:
        raise InputError(source="distort", rule="there must be paths between groups of the classes", value="none",
                         remedy="Name other groups, more materials or a lower least_end_angstrom.")
    return paths


def _measured(config: DistortConfig, panel: Panel, paths: list[SymmetryPath], out: Path) -> dict[str, Any]:
    """What was found, as JSON content; crystals on both sides of the first classifier's thresholds are written."""
    records, begin = [], time.perf_counter()
    found: list[tuple[SymmetryPath, Thresholds, int]] = []
    with progress("distort, paths", len(paths)) as bar:
        for start in range(0, len(paths), config.paths_at_once):
            some = paths[start:start + config.paths_at_once]
            thresholds = measure(some, panel, config.thresholds)
            found += [(path, thresholds, k) for k, path in enumerate(some)]
            bar.advance(len(some))
    seconds = time.perf_counter() - begin
    for number, (path, thresholds, k) in enumerate(found):
        records.append({**path.record(), **thresholds.record(k), "number": number,
                        "cif": _write_sides(path, thresholds, k, number, out)})
    for number in _spread([n for n, (_, thresholds, k) in enumerate(found) if (thresholds.state[k] == 2).any()],
                          config.simulated):
        path, thresholds, k = found[number]
        records[number]["t_star_simulated"] = by_exact_engine(path, panel, thresholds.t_star[k],
                                                              config.thresholds).tolist()
    materials = panel.members[0].training_materials.tolist()
    return {"paths": records, "arms": {name: list(numbers) for name, numbers in panel.arms.items()},
            "training_materials": dict(zip(map(str, panel.class_map.space_groups), materials, strict=True)),
            "paths_per_second": len(paths) / seconds}


def _write_sides(path: SymmetryPath, thresholds: Thresholds, k: int, number: int, out: Path) -> list[str]:
    """Write the crystals just below and above the first threshold of any classifier, in the order given; their names.

    A crystal that cannot be measured anew is left out.
    """
    crossed = np.flatnonzero(thresholds.state[k] == 2)
    names = []
    for side, t in (() if not len(crossed) else (("below", thresholds.low[k, crossed[0]]),
                                                 ("above", thresholds.high[k, crossed[0]]))):
        try:
            crystal = path.mode.crystal(path.crystal, float(t), f"{path.crystal.material}, {t:.5f} angstrom distorted")
        except InputError:
            continue
        name = f"{number:04d}-{path.crystal.space_group}-{path.subgroup}-{side}.cif"
        names.append(write_cif(out / "cif" / name, crystal).name)
    return names


def _spread(numbers: list[int], count: int) -> list[int]:
    """So many of the numbers, evenly spread."""
    places = np.linspace(0, len(numbers) - 1, min(count, len(numbers))).round().astype(int)
    return [numbers[place] for place in np.unique(places)]
