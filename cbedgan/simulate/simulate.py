"""The simulate stage: crystals to a manifest of jobs, shares of it to shards, all shards to one stack file.

Killed at any moment, the same command goes on: finished units are kept, a unit is whole or absent.
"""

import shutil
from pathlib import Path
from typing import Any

import torch

from cbedgan.crystal.structure_files import Structures, say_unreadable, structures_from_files
from cbedgan.simulate.held_out import HeldOut
from cbedgan.simulate.manifest import Manifest, Share, plan, replan
from cbedgan.simulate.merge import merge, reserve_of, view_of
from cbedgan.simulate.parts import PartsFolder
from cbedgan.simulate.set_config import SetConfig
from cbedgan.simulate.units import run_units
from classifier.foundation.config import digest
from classifier.foundation.errors import InputError
from classifier.foundation.registry import own_sources
from classifier.foundation.run import require_same_run
from classifier.samples.stackfile import StackFile


def simulate(config: SetConfig, *, out: Path, workers: int, crystals: Path | None = None,
             share: Share | None = None, alone: bool = False, device: str = "cpu",
             held_out: HeldOut | None = None) -> Path:
    """Simulate the stacks of all planned crystals, or of structure files, into a stack file.

    Shards lie in `<out>.parts` until the file is complete. Crystals that cannot be simulated are replaced by the next
    of their type (files: left out) and listed in the file's provenance. Returns `out`, or the folder of shards.
    InputError when `out` holds another set or a quota cannot be met, Interrupted after SIGINT or SIGTERM.

    Parameters
    ----------
    config : of the set
    out : the stack file; beside it come its report and, if one is planned, the reserve
    workers : processes, each with one thread
    crystals : structure file or folder, in place of the plan
    share : work on that share only and leave its shards; any number of shares may be worked on at the same time, and
        the call without one does what is missing and merges
    alone : make of the share a stack file by itself
    device : "cpu", or "cuda", which all processes share
    held_out : what validation and test of a split hold: no crystal shares it
    """
    if alone and share is None:
        raise InputError(source="--merge", rule="goes with --shard", value="no share",
                         remedy="Leave it out: the whole set is merged in any case.")
    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise InputError(source="--device", rule="must be cpu, or cuda where there is a GPU", value=device,
                         remedy="Take cpu, or a machine with a GPU and a PyTorch that was built for it.")
    out, parts = Path(out), PartsFolder(Path(out))
    given = _given(config, crystals)
    identity = _identity(config, given, share if alone else None, device, held_out)
    if _finished(out, identity, config):
        shutil.rmtree(parts.folder, ignore_errors=True)
        return out
    merges = share is None or alone
    with parts.at_work(alone=merges):
        manifest = parts.manifest(identity, lambda: plan(config, given, identity, workers, held_out,
                                                         parts.planned))
        while True:
            run_units(parts.missing(manifest, share), config, parts, workers=workers, device=device)
            if not merges:
                return parts.folder
            failed = parts.failed(manifest, share)
            if not failed:
                break
            manifest = replan(manifest, failed, config, given, workers, held_out, parts.planned)
            parts.save(manifest)
        merge(out, manifest, config, parts, share)
    shutil.rmtree(parts.folder)
    return out


def prepare_manifest(config: SetConfig, *, out: Path, workers: int, crystals: Path | None = None,
                     device: str = "cpu", held_out: HeldOut | None = None) -> Manifest:
    """Plan the set into `<out>.parts`, and return its manifest.

    Parameters
    ----------
    config, out, workers, crystals, device, held_out : as for `simulate`
    """
    given = _given(config, crystals)
    identity, parts = _identity(config, given, None, device, held_out), PartsFolder(Path(out))
    with parts.at_work(alone=False):
        return parts.manifest(identity, lambda: plan(config, given, identity, workers, held_out, parts.planned))


def _given(config: SetConfig, crystals: Path | None) -> Structures | None:
    """The crystals of the files, None where the configuration plans them."""
    if crystals is not None:
        given = structures_from_files(crystals)
        say_unreadable(given)
        return given
    if not config.crystals.groups:
        raise InputError(source="crystals.groups", rule="a plan must name space groups where no files are given",
                         value="none", remedy="Give structure files with --crystals, or name groups and their numbers.")
    return None


def _identity(config: SetConfig, given: Structures | None, share: Share | None, device: str,
              held_out: HeldOut | None) -> dict[str, Any]:
    """What the set is: another one may not go on in its folder or its file."""
    if given is not None:
        inputs = {"crystals": digest([crystal.record() for crystal in given.crystals])}
    else:
        inputs = config.crystals.inputs()
    inputs |= own_sources(config)
    if share is not None:
        inputs["share"] = str(share)
    if held_out is not None:
        inputs["apart from the held-out parts of the split"] = held_out.split_digest
    if device != "cpu":  # whose rounding differs: the stacks of a set are made on one kind of device
        inputs["device"] = device
    return {"stage": "simulate", "config": config.model_dump(mode="json"), "config_digest": digest(config),
            "inputs": inputs}


def _finished(out: Path, identity: dict[str, Any], config: SetConfig) -> bool:
    """Whether `out`, which is written last, is there; InputError when it, its reserve or a view is another set's."""
    names = ["", *(view.name for view in config.views)]
    for path in (view_of(one, name) for one in (reserve_of(out), out) for name in names):
        if path.exists():
            with StackFile(path) as file:
                require_same_run(path, file.provenance, identity)
    return out.exists()
