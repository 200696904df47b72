"""sample [stage], of crystals: any number of stacks of any groups -> a stack file, and the crystals as CIF."""

import json
import shutil
import time
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from cbedgan.crystal.cif import write_cif
from cbedgan.crystal.crystals import Crystal
from cbedgan.gan.crystals.draw import ArmConfig, draw_stack
from cbedgan.gan.crystals.drawn_files import finished, write_part, write_set
from cbedgan.gan.crystals.trained_crystals import TrainedCrystals, load_crystals
from cbedgan.gan.network.generator import CRYSTALS
from cbedgan.simulate.parts import PartsFolder
from cbedgan.simulate.workers import in_pool
from classifier.crystal.spacegroup import symbol
from classifier.foundation.atomic import read_json, write_json
from classifier.foundation.checkpoint import kind_of
from classifier.foundation.config import Config
from classifier.foundation.run import stage_record
from classifier.samples.stackfile import StackFile

__all__ = ["ArmConfig", "SampleCrystalsConfig", "draws_crystals", "sample_crystals", "write_crystals"]

AT_ONCE = 8  # stacks that a worker draws before it hands them over
Count = Annotated[int, Field(ge=1)]


class SampleCrystalsConfig(Config):
    """counts: stacks of each space group, or one number for every group of the training; any of the 230 can be drawn;
    arm: what of the training acts; mantissa_bits: see SampleConfig."""

    seed: Annotated[int, Field(ge=0)]
    counts: dict[int, Count] | Count
    mantissa_bits: Annotated[int, Field(ge=1, le=23)]
    arm: ArmConfig = ArmConfig()


def draws_crystals(generator: Path) -> bool:
    """Whether a checkpoint is a generator of crystals."""
    return kind_of(generator) == CRYSTALS


def sample_crystals(config: SampleCrystalsConfig, *, generator: Path, out: Path, workers: int,
                    cif: Path | None = None, views: bool = True) -> Path:
    """Write out, a stack file of origin "synthetic" in the order of groups, and OUT.report.json; one there is kept.

    Beside it lie the views of the generator's set, `<out>.<view>.h5` with the same rows.

    Stack i of a group depends on the generator, seed, arm, group and i alone. The report counts crystals refused. The
    same command goes on where a killed one has stopped; until it ends, OUT.parts holds what is drawn.

    Parameters
    ----------
    config : how many of which groups, and what of the training acts
    generator : checkpoint
    out : the stack file
    workers : processes
    cif : folder for the crystals, one file each, named as the sample
    views : whether they are written
    """
    out, source = Path(out), load_crystals(generator)
    counts = config.counts if isinstance(config.counts, dict) else dict.fromkeys(source.class_map.space_groups,
                                                                                  config.counts)
    for group in counts:
        symbol(group)  # refuses what is no space group
    left_out = {} if views or not source.instrument.views else {"views": "left out"}
    record = stage_record("sample", config, {"generator": source.digest, "split": source.split_digest,
                                             "stacks": source.stack_digest, **left_out})
    if not finished(out, record, source):
        _write(config, dict(sorted(counts.items())), Path(generator), source, out, workers, record, views)
    shutil.rmtree(PartsFolder(out).folder, ignore_errors=True)
    if cif is not None:
        write_crystals(out, cif)
    return out


def write_crystals(stacks: Path, folder: Path) -> None:
    """Write the crystals of a file's rows as CIF, one file each, named as the sample."""
    folder.mkdir(parents=True, exist_ok=True)
    with StackFile(stacks) as file:
        for name, provenance in zip(file.table.sample_id, file.table.provenance, strict=True):
            write_cif(folder / f"{name}.cif", Crystal.from_record(json.loads(provenance)["crystal"]))


def _write(config: SampleCrystalsConfig, counts: dict[int, int], generator: Path, source: TrainedCrystals, out: Path,
           workers: int, record: dict, views: bool) -> None:
    """Draw what is not there yet into parts, and put these together in their order; a kill costs the parts at work."""
    folder = PartsFolder(out)
    parts = {f"{group}-{first:06d}": (group, range(first, min(first + AT_ONCE, count)))
             for group, count in counts.items() for first in range(0, count, AT_ONCE)}
    with folder.at_work(alone=True):
        folder.manifest(record, lambda: record)
        jobs = {name: (name, folder, generator, config, views, *parts[name]) for name in parts
                if not folder.record(name).exists()}
        in_pool(_draw_part, jobs, workers=workers, description="sample",
                sizes={name: len(parts[name][1]) for name in jobs})
        reports = [read_json(folder.record(name)) for name in parts]
        refused = sum((Counter(one["refused"]) for one in reports), Counter())
        write_json(out.with_name(f"{out.name}.report.json"), {
            "drawn": sum(counts.values()), "refused": dict(sorted(refused.items())),
            "processor_seconds": round(sum(one["processor_seconds"] for one in reports), 1)})
        write_set(out, [(name, np.arange(len(numbers))) for name, (_, numbers) in parts.items()], folder, source,
                  record, config.mantissa_bits, views=views)


def _draw_part(name: str, folder: PartsFolder, generator: Path, config: SampleCrystalsConfig, views: bool,
               space_group: int, numbers: range) -> None:
    """In a worker: write the stacks of a part, then what says that it is finished."""
    began, refused = time.process_time(), Counter()
    source = _loaded(generator)
    made = [draw_stack(source, config.arm, space_group, number, seed=config.seed, refused=refused, views=views)
            for number in numbers]
    write_part(folder, name, made, source, config.mantissa_bits)
    write_json(folder.record(name), {"refused": refused, "processor_seconds": time.process_time() - began})


@lru_cache(maxsize=1)
def _loaded(generator: Path) -> TrainedCrystals:
    return load_crystals(generator)
