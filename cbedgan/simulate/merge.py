"""The shards of finished units to the stack file, the reserve beside it, and the report on what they cost."""

from pathlib import Path
from typing import Any

import numpy as np

from cbedgan.simulate.manifest import Job, Manifest, Share, units_of
from cbedgan.simulate.parts import PartsFolder
from cbedgan.simulate.set_config import SetConfig
from cbedgan.simulate.units import layout_of
from classifier.foundation.atomic import read_json, write_json
from classifier.foundation.errors import InputError
from classifier.foundation.run import versions
from classifier.samples.plan import CONDITION
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import StackFile, StackWriter

BLOCK = 1024  # jobs whose stacks are held in memory at once, so that a shard is opened once for all of them
NOTE = "Hypothetical materials; the source of each crystal, in its row's provenance, says how it was made."
Shards = dict[str, tuple[StackFile, dict[str, Any]]]  # of one view, by unit: verified, with the rows of each job


def reserve_of(out: Path) -> Path:
    """Where the reserve of the set in `out` lies."""
    return out.with_name(f"{out.stem}.reserve{out.suffix}")


def view_of(out: Path, view: str) -> Path:
    """Where a view of the set in `out`, or of its reserve, lies."""
    return out.with_name(f"{out.stem}.{view}{out.suffix}") if view else out


def report_of(out: Path) -> Path:
    """Where the report on the set in `out` lies."""
    return out.with_name(f"{out.name}.report.json")


def merge(out: Path, manifest: Manifest, config: SetConfig, parts: PartsFolder, share: Share | None) -> None:
    """Write report, views, reserve (if the plan has one) and at last `out`, in the order of the manifest.

    A damaged shard is removed and named in an InputError.

    Parameters
    ----------
    out : the stack file
    manifest, config : of the set
    parts : the folder with its shards
    share : which of the units, None for all
    """
    units = units_of(manifest, share)
    place = {job["name"]: unit for unit, jobs in units.items() for job in jobs}
    jobs = [job for job in manifest["jobs"] if job["name"] in place]
    provenance = {key: manifest[key] for key in ("stage", "config", "config_digest", "inputs")}
    provenance |= {"passed_over": [entry[1:] for entry in manifest["passed_over"]], "versions": versions(),
                   "note": "Structures from files." if "crystals" in manifest["inputs"] else NOTE}
    reserve = [job for job in jobs if job["partition"] == "reserve"]
    if len(reserve) == len(jobs):
        raise InputError(source="--shard", rule="the share must hold jobs of the set", value=f"none in {share}",
                         remedy="Ask for fewer shares.")
    write_json(report_of(out), report(manifest, units, parts))
    # The set itself comes last: it says that all the others are there.
    for view in [*(view.name for view in config.views), ""]:
        named = {**provenance, CONDITION: view} if view else provenance
        shards: Shards = {}
        if reserve:
            _write(view_of(reserve_of(out), view), reserve, place, {**named, "reserve": True}, config, parts,
                   shards)
        _write(view_of(out, view), [job for job in jobs if job["partition"] != "reserve"], place, named, config, parts,
               shards)


def report(manifest: Manifest, units: dict[str, list[Job]], parts: PartsFolder) -> dict[str, Any]:
    """Count jobs and processor seconds, all and by group; wall_seconds: while at least one unit was being worked on."""
    records = {unit: read_json(parts.record(unit)) for unit in units}
    groups: dict[int, dict[str, float]] = {}
    for unit, jobs in units.items():
        for job in jobs:
            entry = groups.setdefault(job["crystal"]["space_group"], {"jobs": 0, "core_seconds": 0.0})
            entry["jobs"] += 1
            entry["core_seconds"] = round(entry["core_seconds"] + records[unit]["seconds"][job["name"]], 3)
    wall, until = 0.0, 0.0
    for began, ended in sorted((record["began"], record["ended"]) for record in records.values()):
        wall += max(0.0, ended - max(began, until))
        until = max(until, ended)
    return {"jobs": sum(entry["jobs"] for entry in groups.values()),
            "core_seconds": round(sum(sum(record["seconds"].values()) for record in records.values()), 3),
            "planning_core_seconds": manifest["planning_seconds"], "wall_seconds": round(wall, 3),
            "failed": manifest["failed"], "passed_over": len(manifest["passed_over"]),
            "groups": {str(group): groups[group] for group in sorted(groups)}}


def _write(path: Path, jobs: list[Job], place: dict[str, str], provenance: dict[str, Any], config: SetConfig,
           parts: PartsFolder, shards: Shards) -> None:
    """Write the jobs' stacks in order; `shards` keeps those of the view that were opened, for its next file."""
    view = provenance.get(CONDITION, "")
    with StackWriter(path, **layout_of(config, view), provenance=provenance,
                     mantissa_bits=config.mantissa_bits) as writer:
        for first in range(0, len(jobs), BLOCK):
            block = jobs[first:first + BLOCK]
            made: dict[str, tuple[np.ndarray, SampleTable]] = {}
            for unit in dict.fromkeys(place[job["name"]] for job in block):
                try:
                    if unit not in shards:
                        shards[unit] = StackFile(parts.shard(unit, view)), read_json(parts.record(unit))["rows"]
                    shard, rows = shards[unit]
                    with shard:  # jobs come from all shards in turn: no more than one is kept open
                        for name in (job["name"] for job in block if place[job["name"]] == unit):
                            index = np.arange(*rows[name])
                            made[name] = shard.read(index), shard.table.take(index)
                except InputError as error:
                    parts.forget(unit)
                    raise InputError(source=parts.shard(unit, view), rule="a shard must be intact", value=error.value,
                                     remedy="It was removed; run the same command again.") from None
            for job in block:
                writer.append(*made[job["name"]])
