"""sample [stage], of crystals: any number of stacks of any groups -> a stack file, and the crystals as CIF."""

import json
import time
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from cbedgan.boundary.record import stage_record
from cbedgan.crystal.cif import write_cif
from cbedgan.crystal.crystals import Crystal
from cbedgan.gan.crystals.draw import ArmConfig, SampledStack, draw_stack
from cbedgan.gan.crystals.trained_crystals import TrainedCrystals, load_crystals
from cbedgan.gan.network.generator import CRYSTALS
from cbedgan.simulate.workers import in_pool
from classifier.crystal.spacegroup import symbol
from classifier.foundation.atomic import write_json
from classifier.foundation.checkpoint import kind_of
from classifier.foundation.config import Config
from classifier.foundation.run import require_same_run
from classifier.samples.stackfile import StackFile, StackWriter

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
                    cif: Path | None = None) -> Path:
    """Write out, a stack file of origin "synthetic" in the order of groups, and OUT.report.json; one there is kept.

    Stack i of a group depends on the generator, seed, arm, group and i alone. The report counts crystals refused.

    Parameters
    ----------
    config : how many of which groups, and what of the training acts
    generator : checkpoint
    out : the stack file
    workers : processes
    cif : folder for the crystals, one file each, named as the sample
    """
    out, source = Path(out), load_crystals(generator)
    counts = config.counts if isinstance(config.counts, dict) else dict.fromkeys(source.class_map.space_groups,
                                                                                  config.counts)
    for group in counts:
        symbol(group)  # refuses what is no space group
    record = stage_record("sample", config, {"generator": source.digest, "split": source.split_digest,
                                             "stacks": source.stack_digest})
    if out.exists():
        with StackFile(out) as made:
            require_same_run(out, made.provenance, record)
    else:
        _write(config, dict(sorted(counts.items())), Path(generator), source, out, workers, record)
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
           workers: int, record: dict) -> None:
    refused: Counter[str] = Counter()
    spent = 0.0
    writer = StackWriter(out, detector=source.frame.detector, pose=source.frame.pose, provenance=record,
                         intensity_unit=source.frame.intensity_unit, mantissa_bits=config.mantissa_bits)
    with writer:
        jobs = {(group, first): (generator, config, group, range(first, min(first + AT_ONCE, count)))
                for group, count in counts.items() for first in range(0, count, AT_ONCE)}
        sizes = {key: len(arguments[3]) for key, arguments in jobs.items()}
        for some, reasons, seconds in in_pool(_draw_some, jobs, workers=workers, description="sample",
                                              sizes=sizes).values():
            for one in some:
                writer.append(one.stack[None], one.row)
            refused, spent = refused + reasons, spent + seconds
    write_json(out.with_name(f"{out.name}.report.json"), {
        "drawn": sum(counts.values()), "refused": dict(sorted(refused.items())), "processor_seconds": round(spent, 1)})


def _draw_some(generator: Path, config: SampleCrystalsConfig, space_group: int, numbers: range
               ) -> tuple[list[SampledStack], Counter[str], float]:
    """In a worker: stacks of a group, crystals refused by reason, and the processor's seconds."""
    began, refused = time.process_time(), Counter()
    made = [draw_stack(_loaded(generator), config.arm, space_group, number, seed=config.seed, refused=refused)
            for number in numbers]
    return made, refused, time.process_time() - began


@lru_cache(maxsize=1)
def _loaded(generator: Path) -> TrainedCrystals:
    return load_crystals(generator)
