"""What a set consists of, decided once: the plan as a manifest of jobs, dealt to work units, and units to shares.

A job is one crystal at one beam energy; a unit is a handful of jobs that leave one shard file.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.plan import CrystalPlan, PlannedCrystal, plan_group
from cbedgan.crystal.structure_files import Structures
from cbedgan.simulate.cbed.stack import refusal
from cbedgan.simulate.curve_set import curve_refusal
from cbedgan.simulate.held_out import HeldOut
from cbedgan.simulate.set_config import SetConfig, SimulateConfig
from cbedgan.simulate.workers import in_pool
from classifier.foundation.atomic import read_json, write_json
from classifier.foundation.config import digest
from classifier.foundation.errors import InputError

JOBS_PER_UNIT = 20  # so that 100,000 jobs leave 5,000 files
LEAST_UNITS = 64  # as far as there are jobs: enough to keep many processes busy to the end
SAME_LENGTH, SAME_ANGLE_DEGREE = 0.05, 2.0  # to which cells of one material agree, measured twice
Job = dict[str, Any]
Manifest = dict[str, Any]


@dataclass(frozen=True)
class Share:
    """Share `number` (from 1 on) of `of`: every unit whose index leaves the remainder number - 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> "Share":
        """Read "i/n"."""
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise InputError(source="--shard", rule="must be i/n with 1 <= i <= n", value=text,
                             remedy="For instance --shard 3/10.")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def plan(config: SetConfig, given: Structures | None, identity: dict[str, Any], workers: int,
         held_out: HeldOut | None = None, kept: Path | None = None) -> Manifest:
    """Plan the jobs of the configuration, or of the crystals `given`, and deal them to units.

    Sorted by group and part, the jobs go round the units as cards do, so that every unit, and every share of units, is
    a small sample of all groups.

    Parameters
    ----------
    config, given : what decides the jobs
    identity : what the set is, see `simulate`; the manifest carries it
    workers : processes that plan
    held_out : what no crystal may share
    kept : folder in which each group's jobs lie once they are planned, so that a killed command need not plan them anew
    """
    manifest = {**identity, "round": 0, "failed": {}, "jobs": [], "passed_over": [], "planning_seconds": 0.0}
    _plan(manifest, config, given, [quota.space_group for quota in config.crystals.groups], workers, held_out,
          kept)
    jobs = manifest["jobs"]
    manifest["units"] = min(len(jobs), max(LEAST_UNITS, -(-len(jobs) // JOBS_PER_UNIT)))
    for position, job in enumerate(sorted(jobs, key=_kind)):
        job |= {"unit": position % manifest["units"], "round": 0}
    return manifest


def replan(manifest: Manifest, failed: dict[str, str], config: SetConfig, given: Structures | None,
           workers: int, held_out: HeldOut | None = None, kept: Path | None = None) -> Manifest:
    """Plan the groups of failed materials again without them, or leave them out where the configuration says so.

    A job that stays keeps its unit; a new one takes the index of the unit that a job of its group and part has left,
    in a round of its own: it makes a shard of its own, but belongs to the same share.

    Parameters
    ----------
    manifest : as it was
    failed : {material: reason}
    config, given, workers, held_out, kept : as for `plan`
    """
    if given is None and isinstance(config, SimulateConfig) and config.failing == "left_out":
        return _without(manifest, failed)
    former = {job["name"]: job for job in manifest["jobs"]}
    groups = {job["crystal"]["space_group"] for job in former.values() if job["crystal"]["material"] in failed}
    manifest = {**manifest, "round": manifest["round"] + 1, "failed": {**manifest["failed"], **failed}}
    _plan(manifest, config, given, [quota.space_group for quota in config.crystals.groups
                                    if quota.space_group in groups], workers, held_out, kept)
    staying = {job["name"] for job in manifest["jobs"] if _stays(job, former)}
    vacant: dict[tuple[int, str], list[int]] = {}
    for job in former.values():
        if job["name"] not in staying:
            vacant.setdefault(_kind(job), []).append(job["unit"])
    for job in manifest["jobs"]:
        if job["name"] in staying:
            job |= {key: former[job["name"]][key] for key in ("unit", "round")}
        else:
            # A held-out part of few structure types may change size: then no place has become vacant.
            places = vacant.get(_kind(job)) or [int(digest(job["name"])[:8], 16) % manifest["units"]]
            job |= {"unit": places.pop(0), "round": manifest["round"]}
    return manifest


def _without(manifest: Manifest, failed: dict[str, str]) -> Manifest:
    """The manifest without the jobs of failed materials, which are passed over."""
    groups = {job["crystal"]["material"]: job["crystal"]["space_group"] for job in manifest["jobs"]}
    return {**manifest, "failed": {**manifest["failed"], **failed},
            "jobs": [job for job in manifest["jobs"] if job["crystal"]["material"] not in failed],
            "passed_over": [*manifest["passed_over"],
                            *([groups[material], material, reason] for material, reason in failed.items())]}


def units_of(manifest: Manifest, share: Share | None) -> dict[str, list[Job]]:
    """The units of the share (None: of all), {name: jobs}, in the order in which they are to be worked on."""
    units: dict[str, list[Job]] = {}
    for job in sorted(manifest["jobs"], key=lambda job: (job["round"], job["unit"])):
        if share is None or job["unit"] % share.of == share.number - 1:
            units.setdefault(f"unit-{job['unit']:05d}-{job['round']}", []).append(job)
    return units


@dataclass(frozen=True)
class _Refuse:
    """Says why a crystal cannot be simulated, or may not be; it goes to the processes that plan."""

    config: SetConfig
    failed: dict[str, str]
    held_out: HeldOut | None

    def __call__(self, crystal: Crystal) -> str | None:
        if self.held_out is not None and (reason := self.held_out.reason(crystal)):
            return reason
        if crystal.material in self.failed:
            return self.failed[crystal.material]
        return refusal(crystal, self.config) if isinstance(self.config, SimulateConfig) else curve_refusal(
            crystal, self.config)


def _plan(manifest: Manifest, config: SetConfig, given: Structures | None, groups: list[int],
          workers: int, held_out: HeldOut | None, kept: Path | None) -> None:
    """Put freshly planned jobs and passed-over materials of `groups` (of files: all) in place of the manifest's.

    passed_over holds [space group, material, reason], with 0 for the group of what came from files.
    """
    refuse = _Refuse(config, manifest["failed"], held_out)
    if given is not None:
        manifest |= {"jobs": [], "passed_over": []}
        planned = {0: _planned(config, 0, None, "", _chosen, given, refuse)}
    else:
        quotas = {quota.space_group: (config, quota.space_group, kept and kept / f"{quota.space_group}.json",
                                      digest([manifest["config_digest"], manifest["inputs"], manifest["failed"]]),
                                      plan_group, quota, config.crystals, config.seed, refuse)
                  for quota in config.crystals.groups if quota.space_group in groups}
        planned = {group: _planned(*job) for group, job in quotas.items()} if workers == 1 else in_pool(
            _planned, quotas, workers=workers, description="planning groups", sizes=dict.fromkeys(quotas, 1))
    jobs, passed_over = list(manifest["jobs"]), list(manifest["passed_over"])
    jobs = [job for job in jobs if job["crystal"]["space_group"] not in planned]
    passed_over = [entry for entry in passed_over if entry[0] not in planned]
    for one in planned.values():
        jobs += one["jobs"]
        passed_over += one["passed_over"]
        manifest["planning_seconds"] = round(manifest["planning_seconds"] + one["seconds"], 3)
    order = {quota.space_group: place for place, quota in enumerate(config.crystals.groups)} if given is None else {}
    manifest["jobs"] = sorted(jobs, key=lambda job: order.get(job["crystal"]["space_group"], 0))
    manifest["passed_over"] = sorted(passed_over, key=lambda entry: order.get(entry[0], 0))


def _planned(config: SetConfig, group: int, kept: Path | None, name: str, function: Callable[..., CrystalPlan],
             *arguments: Any) -> dict[str, Any]:
    """Jobs and passed-over materials of a group, and the processor seconds they took; where they are kept, from there.

    name: of all that decides them.
    """
    if kept is not None and kept.exists() and (content := read_json(kept))["name"] == name:
        return content
    began = time.process_time()
    chosen, passed = function(*arguments)
    energies = config.beam_energies_kev if isinstance(config, SimulateConfig) else (None,)
    jobs = [{**_named(entry.crystal, energy), "partition": entry.partition, "crystal": entry.crystal.record(),
             **({"derivation": entry.derivation} if entry.derivation else {})}
            for entry in chosen for energy in energies]
    content = {"name": name, "jobs": jobs, "passed_over": [[group, *entry] for entry in passed],
               "seconds": time.process_time() - began}
    if kept is not None:
        write_json(kept, content)
        return read_json(kept)
    return content


def _named(crystal: Crystal, beam_energy_kev: float | None) -> Job:
    """The name of a job, and the energy of its electrons, where there are any."""
    if beam_energy_kev is None:
        return {"name": crystal.material}
    return {"name": f"{crystal.material}-{beam_energy_kev:g}kev", "beam_energy_kev": beam_energy_kev}


def _chosen(given: Structures, refuse: _Refuse) -> CrystalPlan:
    """What of the crystals from files can be simulated, each material once, and what is passed over."""
    chosen, passed_over = [], list(given.unreadable)
    for crystal in given.crystals:
        again = any(_alike(crystal, entry.crystal) for entry in chosen)
        reason = "same formula, space group and structure as another file" if again else refuse(crystal)
        if reason is None:
            chosen.append(PlannedCrystal(crystal, ""))
        else:
            passed_over.append((f"{crystal.material} ({crystal.source})", reason))
    if not chosen:
        raise InputError(source="crystals", rule="at least one crystal must be within the limits",
                         value=passed_over,
                         remedy="Raise maximum_steps or maximum_primitive_atoms, or give other files.")
    return CrystalPlan(chosen, passed_over)


def _alike(one: Crystal, other: Crystal) -> bool:
    """Whether two crystals are one material measured twice, and no polymorphs: same sites, and cells that agree."""
    if (one.formula, one.space_group, one.structure_type) != (other.formula, other.space_group, other.structure_type):
        return False
    (lengths, angles), (others, other_angles) = one.cell_parameters(), other.cell_parameters()
    return bool((np.abs(lengths / others - 1) < SAME_LENGTH).all()
                and (np.abs(angles - other_angles) < SAME_ANGLE_DEGREE).all())


def _kind(job: Job) -> tuple[int, str]:
    return job["crystal"]["space_group"], job["partition"]


def _stays(job: Job, former: dict[str, Job]) -> bool:
    return job["name"] in former and all(former[job["name"]][key] == value for key, value in job.items())
