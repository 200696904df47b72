"""The simulate stage: crystals to jobs, jobs to a pool of processes, one shard a sample, all shards to one stack file.

Killed at any moment, the same command goes on: finished shards are kept, a shard is whole or absent.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from cbedgan.simulate.cif import crystals_from_cif
from cbedgan.simulate.crystals import Crystal
from cbedgan.simulate.prototypes import plan_crystals
from cbedgan.simulate.stack import SimulateConfig, refusal, simulate_stacks
from classifier.atomic import read_json, write_json
from classifier.config import digest
from classifier.errors import InputError
from classifier.geometry import Detector
from classifier.run import Interrupted, StopRequest, progress, require_same_run, versions
from classifier.stackfile import StackFile, StackWriter, write_stack_file

INTENSITY_UNIT = "fraction of the incident beam per pixel"
NOTE = {
    "prototypes": "Hypothetical compositions on real structure types (AFLOW prototypes), slightly distorted.",
    "cif": "Structures from CIF files.",
}
Job = dict[str, Any]


def simulate(config: SimulateConfig, *, out: Path, workers: int, cif: Path | None = None) -> Path:
    """Simulate the stacks of all planned crystals, or of the CIF file or folder `cif`, into the stack file `out`.

    workers: processes, each with one thread. Shards lie in `<out>.parts` until the file is complete. Crystals that
    cannot be simulated are replaced by the next of their type (CIF: left out) and listed in the file's provenance.
    Raises InputError when `out` holds another set or a quota cannot be met, Interrupted after SIGINT or SIGTERM.
    """
    out = Path(out)
    given = None if cif is None else crystals_from_cif(cif)
    inputs = {} if given is None else {"cif": digest([crystal.record() for crystal in given])}
    identity = {"stage": "simulate", "config": config.model_dump(mode="json"), "config_digest": digest(config),
                "inputs": inputs}
    if out.exists():
        with StackFile(out) as held:
            require_same_run(out, held.provenance, identity)
        return out
    parts = out.with_name(out.name + ".parts")
    path = parts / "manifest.json"
    if path.exists():
        manifest = read_json(path)
        require_same_run(parts, manifest, identity)
    else:
        manifest = _planned(path, identity, {}, given, config)
    while failed := _run(manifest["jobs"], config, parts, workers):
        manifest = _planned(path, identity, {**manifest["failed"], **failed}, given, config)
    _merge(out, manifest, config, parts)
    shutil.rmtree(parts)
    return out


def _planned(path: Path, identity: dict[str, Any], failed: dict[str, str], given: list[Crystal] | None,
             config: SimulateConfig) -> dict[str, Any]:
    """Plan the jobs without the materials in `failed` {material: reason} and write the manifest."""
    def refuse(crystal: Crystal) -> str | None:
        return failed.get(crystal.material) or refusal(crystal, config)

    if given is None:
        planned, passed_over = plan_crystals(config.crystals, seed=config.seed, refuse=refuse)
        chosen = [(entry.crystal, entry.partition) for entry in planned]
    else:
        chosen, passed_over, seen = [], [], set()
        for crystal in given:
            name = (crystal.formula, crystal.space_group)
            reason = "same formula and space group as another file" if name in seen else refuse(crystal)
            if reason is None:
                seen.add(name)
                chosen.append((crystal, ""))
            else:
                passed_over.append((f"{crystal.material} ({crystal.source})", reason))
        if not chosen:
            raise InputError(source="cif", rule="at least one crystal must be within the limits",
                             value=passed_over, remedy="Raise maximum_steps, or give other files.")
    jobs = [{"name": f"{crystal.material}-{energy:g}kev", "beam_energy_kev": energy, "partition": partition,
             "crystal": crystal.record()} for crystal, partition in chosen for energy in config.beam_energies_kev]
    manifest = {**identity, "failed": failed, "passed_over": [list(entry) for entry in passed_over], "jobs": jobs}
    write_json(path, manifest)
    return manifest


def _run(jobs: list[Job], config: SimulateConfig, parts: Path, workers: int) -> dict[str, str]:
    """Run the jobs whose shard is absent; return {material: reason} of those that cannot be simulated."""
    missing = [job for job in _in_turn(jobs) if not _shard(parts, job).exists()]
    failed: dict[str, str] = {}
    if not missing:
        return failed
    with (StopRequest() as stop, progress("simulating stacks", len(jobs), len(jobs) - len(missing)) as bar,
          _pool(workers) as pool):
        jobs_by_future = {pool.submit(_work, config, job, _shard(parts, job)): job for job in missing}
        pending: set[Future] = set(jobs_by_future)
        while pending and not stop.requested:
            done, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in done:
                reason = future.result()
                if reason is not None:
                    failed[jobs_by_future[future]["crystal"]["material"]] = reason
                bar.advance()
        if stop.requested:
            pool.shutdown(cancel_futures=True)
            raise Interrupted(stop.signal_number)
    return failed


def _in_turn(jobs: list[Job]) -> list[Job]:
    """Order jobs so that all space groups grow together: what is finished early is a small set of all of them."""
    counts: dict[int, int] = {}
    turns = []
    for job in jobs:
        group = job["crystal"]["space_group"]
        counts[group] = counts.get(group, 0) + 1
        turns.append(counts[group])
    return [job for _, job in sorted(zip(turns, jobs, strict=True), key=lambda pair: pair[0])]


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    try:
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_prepare_worker) as pool:
            yield pool
    except BrokenProcessPool:
        raise InputError(source="workers", rule="every worker process must live through its jobs", value="one died",
                         remedy="Run the same command again, with fewer workers if memory ran out.") from None


def _prepare_worker() -> None:
    """Make a worker single-threaded, deaf to Ctrl-C (its parent decides) and mortal: it ends when its parent does."""
    import torch

    torch.set_num_threads(1)
    threadpool_limits(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _work(config: SimulateConfig, job: Job, path: Path) -> str | None:
    """Simulate one job into its shard; return why it cannot be done, or None."""
    try:
        stacks, rows = simulate_stacks(Crystal.from_record(job["crystal"]), config,
                                       beam_energy_kev=job["beam_energy_kev"], partition=job["partition"])
    except InputError as error:
        return str(error)
    write_stack_file(path, stacks, rows, detector=_frame(config), pose=config.detector.pose,
                     intensity_unit=INTENSITY_UNIT, provenance={"shard_of": digest(config)})
    return None


def _shard(parts: Path, job: Job) -> Path:
    return parts / f"{job['name']}.h5"


def _frame(config: SimulateConfig) -> Detector:
    detector = config.detector
    return Detector(detector.size_pixels, 2 * detector.half_width / detector.size_pixels,
                    "shortest_g" if detector.pose == "canonical" else "1/angstrom")


def _merge(out: Path, manifest: dict[str, Any], config: SimulateConfig, parts: Path) -> None:
    """Put the shards together in the order of the manifest; a damaged shard is removed and named."""
    provenance = {key: manifest[key] for key in ("stage", "config", "config_digest", "inputs")}
    provenance |= {"passed_over": manifest["passed_over"], "versions": versions(),
                   "note": NOTE["cif" if manifest["inputs"] else "prototypes"]}
    with StackWriter(out, detector=_frame(config), pose=config.detector.pose, intensity_unit=INTENSITY_UNIT,
                     provenance=provenance, mantissa_bits=config.mantissa_bits) as writer:
        for job in manifest["jobs"]:
            path = _shard(parts, job)
            try:
                with StackFile(path) as shard:
                    writer.append(shard.read(np.arange(len(shard))), shard.table)
            except InputError as error:
                path.unlink(missing_ok=True)
                raise InputError(source=path, rule="a shard must be intact", value=error.value,
                                 remedy="It was removed; run the same command again.") from None
