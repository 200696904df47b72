"""Work on units: the jobs of each are simulated, one after the other, into its shard."""

import time
from dataclasses import replace
from typing import Any

import numpy as np

from cbedgan.crystal.crystals import Crystal
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.cbed.stack import simulate_every_view
from cbedgan.simulate.curve_set import curve_sample
from cbedgan.simulate.engine import engine_of
from cbedgan.simulate.manifest import Job
from cbedgan.simulate.parts import PartsFolder
from cbedgan.simulate.set_config import SetConfig
from cbedgan.simulate.workers import in_pool
from classifier.foundation.atomic import write_json
from classifier.foundation.config import digest
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import Detector
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import write_stack_file

INTENSITY_UNIT = "fraction of the incident beam per pixel"


def run_units(units: dict[str, list[Job]], config: SetConfig, parts: PartsFolder, *, workers: int,
              device: str) -> None:
    """Work on all units; after SIGINT or SIGTERM those at work are finished, then Interrupted.

    Parameters
    ----------
    units : {name: jobs}
    config, parts : of the set
    workers : processes
    device : "cpu" or "cuda"
    """
    in_pool(work, {unit: (unit, jobs, config, parts, device) for unit, jobs in units.items()}, workers=workers,
            description="simulating stacks", sizes={unit: len(jobs) for unit, jobs in units.items()})


def work(unit: str, jobs: list[Job], config: SetConfig, parts: PartsFolder, device: str) -> None:
    """Simulate the jobs of a unit into its shard and write its record.

    The record holds, by name of the job, its rows [first, end) in the shard or why it failed, and the processor
    seconds it took; also when the unit began and ended (seconds of the clock).

    Parameters
    ----------
    unit, jobs : its name, and what it consists of
    config, parts, device : as for `run_units`
    """
    record: dict[str, Any] = {"began": time.time(), "rows": {}, "failed": {}, "seconds": {}}
    names = ["", *(view.name for view in config.views)]
    stacks: dict[str, list[np.ndarray]] = {name: [] for name in names}
    tables: dict[str, list[SampleTable]] = {name: [] for name in names}
    done = 0
    for job in jobs:
        began = time.process_time()
        try:
            every_view = simulate_job(job, config, device)
        except InputError as error:
            record["failed"][job["name"]] = str(error)
        else:
            for name, (made, rows) in zip(names, every_view, strict=True):
                stacks[name].append(made)
                tables[name].append(rows)
            record["rows"][job["name"]] = [done, done + len(every_view[0][1])]
            done += len(every_view[0][1])
        record["seconds"][job["name"]] = round(time.process_time() - began, 4)
    for name in names if done else ():
        write_stack_file(parts.shard(unit, name), np.concatenate(stacks[name]), SampleTable.concatenate(tables[name]),
                         **layout_of(config, name), provenance={"shard_of": digest(config)})
    write_json(parts.record(unit), {**record, "ended": time.time()})


def simulate_job(job: Job, config: SetConfig, device: str) -> list[tuple[np.ndarray, SampleTable]]:
    """The job's samples, float32, and rows, and those of each view; the reserve is a file of its own and needs no mark
    of it."""
    crystal = Crystal.from_record(job["crystal"])
    partition = "" if job["partition"] == "reserve" else job["partition"]
    if isinstance(config, SimulateConfig):
        every = simulate_every_view(crystal, config, beam_energy_kev=job["beam_energy_kev"], partition=partition,
                                    device=device, engine=engine_of(config))
    else:
        every = [curve_sample(crystal, config, partition)]
    return [(stacks, replace(rows, derivation=np.full(len(rows), job.get("derivation", "")))) for stacks, rows in every]


def layout_of(config: SetConfig, view: str = "") -> dict[str, Any]:
    """What a file of the set, or of its view, is told beside its samples: detector or axes, pose and unit."""
    if isinstance(config, SimulateConfig):
        return {"detector": frame(config, view), "pose": config.detector.pose, "intensity_unit": INTENSITY_UNIT}
    return {"detector": config.samples.grid(), "pose": "raw", "intensity_unit": config.samples.unit}


def frame(config: SimulateConfig, view: str = "") -> Detector:
    """The detector of the stack file, or of that of a view."""
    detector = config.detector
    size = next((one.size_pixels for one in config.views if one.name == view), None) or detector.size_pixels
    return Detector(size, 2 * detector.half_width / size,
                    "shortest_g" if detector.pose == "canonical" else "1/angstrom")
