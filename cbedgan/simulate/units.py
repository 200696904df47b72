"""Work on units: the jobs of each are simulated, one after the other, into its shard."""

import time
from typing import Any

import numpy as np
from jaxtyping import Float

from cbedgan.crystal.crystals import Crystal
from cbedgan.simulate.cbed.stack import SimulateConfig, simulate_stacks
from cbedgan.simulate.manifest import Job
from cbedgan.simulate.parts import PartsFolder
from cbedgan.simulate.workers import in_pool
from classifier.foundation.atomic import write_json
from classifier.foundation.config import digest
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import Detector
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import write_stack_file

INTENSITY_UNIT = "fraction of the incident beam per pixel"


def run_units(units: dict[str, list[Job]], config: SimulateConfig, parts: PartsFolder, *, workers: int,
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


def work(unit: str, jobs: list[Job], config: SimulateConfig, parts: PartsFolder, device: str) -> None:
    """Simulate the jobs of a unit into its shard and write its record.

    The record holds, by name of the job, its rows [first, end) in the shard or why it failed, and the processor
    seconds it took; also when the unit began and ended (seconds of the clock).

    Parameters
    ----------
    unit, jobs : its name, and what it consists of
    config, parts, device : as for `run_units`
    """
    record: dict[str, Any] = {"began": time.time(), "rows": {}, "failed": {}, "seconds": {}}
    stacks, tables = [], []
    done = 0
    for job in jobs:
        began = time.process_time()
        try:
            made, rows = simulate_job(job, config, device)
        except InputError as error:
            record["failed"][job["name"]] = str(error)
        else:
            stacks.append(made)
            tables.append(rows)
            record["rows"][job["name"]] = [done, done + len(rows)]
            done += len(rows)
        record["seconds"][job["name"]] = round(time.process_time() - began, 4)
    if done:
        write_stack_file(parts.shard(unit), np.concatenate(stacks), SampleTable.concatenate(tables),
                         detector=frame(config), pose=config.detector.pose, intensity_unit=INTENSITY_UNIT,
                         provenance={"shard_of": digest(config)})
    write_json(parts.record(unit), {**record, "ended": time.time()})


def simulate_job(job: Job, config: SimulateConfig, device: str) -> tuple[Float[np.ndarray, "T 3 H W"], SampleTable]:
    """The job's stacks, float32, and rows; the reserve is a file of its own and needs no mark of it."""
    return simulate_stacks(Crystal.from_record(job["crystal"]), config, beam_energy_kev=job["beam_energy_kev"],
                           partition="" if job["partition"] == "reserve" else job["partition"], device=device)


def frame(config: SimulateConfig) -> Detector:
    """The detector of the stack file."""
    detector = config.detector
    return Detector(detector.size_pixels, 2 * detector.half_width / detector.size_pixels,
                    "shortest_g" if detector.pose == "canonical" else "1/angstrom")
