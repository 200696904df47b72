"""The prepare stage: the batch files of OLCF data set 10.13139/OLCF/1510313, reduced, to one stack file.

Killed at any moment, the same command goes on: each batch file becomes one shard, a shard is whole or absent.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal

import h5py
import numpy as np
from pydantic import Field

from classifier.atomic import read_json, write_json
from classifier.config import Config, digest
from classifier.errors import InputError
from classifier.olcf import PARTITIONS, SampleAttributes, read_attributes
from classifier.preparation_report import preparation_report
from classifier.reduction import ReducedStack, ReductionConfig, SkipSample, reduce_stack
from classifier.run import Interrupted, StopRequest, progress, require_same_run, versions
from classifier.sampletable import SampleTable
from classifier.stackfile import StackFile, StackWriter
from classifier.stacklayout import refuse_bomb

INTENSITY_UNIT = "as published, summed over the published pixels"
SAMPLE = re.compile(r"sample_(\d+)_(\d+)")
AT_A_TIME = 8  # small stacks held while shards are put together
MARK = 1 << 16  # bytes at either end of a batch file by which it is known again
READING_FAULTS = (OSError, RuntimeError, KeyError, ValueError, TypeError)  # what HDF5 answers to damage


class PrepareConfig(Config):
    """on_unreadable_file: go on without a file, or a sample of it, that cannot be read ("report"), or "stop".

    thickness_angstrom: one value for all (the data set says 100, nominally), or "unknown"; mantissa_bits: of float32,
    kept in the file; reduction: from published to written patterns.
    """

    on_unreadable_file: Literal["report", "stop"]
    thickness_angstrom: Annotated[float, Field(gt=0)] | Literal["unknown"]
    mantissa_bits: Annotated[int, Field(ge=1, le=23)]
    reduction: ReductionConfig


def prepare(config: PrepareConfig, *, source: Path, out: Path) -> Path:
    """Reduce all samples under `source` (folders train, dev, test of *.h5 files) into the stack file `out`.

    The published partition is kept, dev as "validation". `<out>.report.json` says what was left out, and why. One
    sample is in memory at a time; shards lie in `<out>.parts` until the file is complete. Raises InputError when `out`
    holds another set or no sample is usable, Interrupted after SIGINT or SIGTERM.
    """
    source, out = Path(source), Path(out)
    batches = _batches(source)
    identity = {"stage": "prepare", "config": config.model_dump(mode="json"), "config_digest": digest(config),
                "inputs": {"source": digest([[name, _mark(path)] for name, path in batches.items()])}}
    parts = out.with_name(out.name + ".parts")
    if out.exists():
        with StackFile(out) as held:
            require_same_run(out, held.provenance, identity)
    else:
        if (parts / "manifest.json").exists():
            require_same_run(parts, read_json(parts / "manifest.json"), identity)
        else:
            write_json(parts / "manifest.json", identity)
        _reduce_all(batches, parts, config)
        _merge(list(batches), parts, out, config, identity)
    if parts.exists():  # also when the last run was killed between the two
        records = {name: read_json(_record(parts, name)) for name in batches}
        with StackFile(out) as written:
            write_json(report_path(out), {**identity, **preparation_report(records, written.table)})
        shutil.rmtree(parts)
    return out


def report_path(out: Path) -> Path:
    """Where prepare reports on the stack file `out`."""
    return out.with_name(out.name + ".report.json")


def _batches(source: Path) -> dict[str, Path]:
    """The *.h5 files by "<folder>/<file>", folder by folder, numbers in their names in numeric order."""
    found = [path for folder in PARTITIONS for path in sorted((source / folder).glob("*.h5"), key=_numeric)]
    if not found:
        raise InputError(source=source, rule=f"must have folders {', '.join(PARTITIONS)} with *.h5 files",
                         value="no such file", remedy="Give the folder into which the data set was unpacked.")
    return {f"{path.parent.name}/{path.name}": path for path in found}


def _numeric(path: Path) -> list[tuple[int, str]]:
    return [(int(part or 0), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", path.name)]


def _mark(path: Path) -> str:
    """sha256 of a file's size, head and tail: a whole set of 548 GiB is not read twice to know it again."""
    size = path.stat().st_size
    sha = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        sha.update(file.read(MARK))
        file.seek(max(size - MARK, 0))
        sha.update(file.read(MARK))
    return sha.hexdigest()


def _reduce_all(batches: dict[str, Path], parts: Path, config: PrepareConfig) -> None:
    """Write the shard and the record of every batch file that has no record yet."""
    missing = [name for name in batches if not _record(parts, name).exists()]
    with StopRequest() as stop, progress("Reduce files", len(batches), len(batches) - len(missing)) as bar:
        for name in missing:
            if stop.requested:
                raise Interrupted(stop.signal_number)
            write_json(_record(parts, name), _reduce_file(name, batches[name], _shard(parts, name), config))
            bar.advance()


def _shard(parts: Path, name: str) -> Path:
    return parts / name


def _record(parts: Path, name: str) -> Path:
    return parts / f"{name}.json"


def _reduce_file(name: str, path: Path, shard: Path, config: PrepareConfig) -> dict[str, Any]:
    """Write one batch file's shard; return its record: unreadable, skipped {sample: reason}, doubts, poses, remarks."""
    record: dict[str, Any] = {"unreadable": "", "samples": 0, "skipped": {}, "doubts": {}, "remarks": {}, "poses": []}
    poses: Counter[str] = Counter()
    detector = config.reduction.detector()
    try:
        file = h5py.File(path, "r", rdcc_nbytes=0)
    except READING_FAULTS as error:
        return {**record, "unreadable": _refused(path, error, config)}
    with closing(file), StackWriter(shard, detector=detector, pose=config.reduction.pose,
                                    intensity_unit=INTENSITY_UNIT, provenance={"shard": name}) as writer:
        for group in _groups(file, record["skipped"]):
            try:
                stack, attributes = _read(file, group)
                reduced = reduce_stack(stack, attributes, config.reduction)
                row = _row(name, group, attributes, reduced, config)
            except (SkipSample, InputError) as reason:
                record["skipped"][group] = str(reason)
                continue
            except READING_FAULTS as error:
                record["skipped"][group] = f"unreadable: {_refused(path, error, config)}"
                continue
            writer.append(reduced.stack[None], row)
            record["samples"] += 1
            poses.update(reduced.pose_from)
            for kind, found in (("doubts", attributes.doubts), ("remarks", reduced.remarks)):
                if found:
                    record[kind][group] = found
    return {**record, "poses": dict(poses)}


def _refused(path: Path, error: Exception, config: PrepareConfig) -> str:
    """Say in one line why a file cannot be read, or raise InputError where that is to stop the stage."""
    reason = " ".join(str(error).split()).encode("utf-8", "backslashreplace").decode()
    if config.on_unreadable_file == "stop":
        raise InputError(source=path, rule="every batch file must be readable", value=reason,
                         remedy='Fetch it again, or set on_unreadable_file = "report".') from error
    return reason


def _groups(file: h5py.File, skipped: dict[str, str]) -> Iterator[str]:
    """Names of the samples, by material index and then by energy index; any other name is skipped."""
    try:
        names = list(file)
    except READING_FAULTS as error:
        skipped["/"] = f"unreadable: {error}"
        return
    # A damaged name comes as bytes.
    matches = {name: SAMPLE.fullmatch(name) if isinstance(name, str) else None for name in names}
    skipped |= {str(name): "not named sample_<i>_<j>" for name, match in matches.items() if match is None}
    indices = {name: tuple(map(int, match.groups())) for name, match in matches.items() if match}
    yield from sorted(indices, key=indices.__getitem__)


def _read(file: h5py.File, name: str) -> tuple[np.ndarray, SampleAttributes]:
    """The stack and the attributes of one sample, which must lie in the file itself."""
    group = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    stack = group.get("cbed_stack") if isinstance(group, h5py.Group) else None
    if not isinstance(stack, h5py.Dataset) or stack.file.filename != file.filename:
        raise SkipSample("no dataset cbed_stack")
    refuse_bomb(stack)
    return stack[()], read_attributes(group.attrs)


def _row(name: str, group: str, attributes: SampleAttributes, reduced: ReducedStack,
         config: PrepareConfig) -> SampleTable:
    folder, file = name.split("/")
    thickness = np.nan if config.thickness_angstrom == "unknown" else config.thickness_angstrom
    same = ("space_group", "material", "formula", "structure_type", "beam_energy_kev", "zone_axis_uvw",
            "convergence_semi_angle_mrad", "cell_lengths_angstrom", "cell_angles_degree")
    provenance = {"d_hkl_angstrom": [float(d) if np.isfinite(d) else None for d in attributes.d_hkl_angstrom],
                  "pose_from": reduced.pose_from}
    return SampleTable.build(
        1, sample_id=[f"{folder}/{Path(file).stem}/{group}"], partition=[PARTITIONS[folder]], origin=["simulated"],
        thickness_angstrom=np.full((1, 3), thickness), provenance=[json.dumps(provenance, separators=(",", ":"))],
        pixel_size_inv_angstrom=reduced.pixel_size_inv_angstrom[None],
        shortest_g_inv_angstrom=reduced.shortest_g_inv_angstrom[None], azimuth_rad=reduced.azimuth_rad[None],
        **{column: np.array([getattr(attributes, column)]) for column in same})


def _merge(names: list[str], parts: Path, out: Path, config: PrepareConfig, identity: dict[str, Any]) -> None:
    """Put the shards together in the order of the files; a damaged shard is removed and named."""
    if not any(read_json(_record(parts, name))["samples"] for name in names):
        reasons = Counter(reason for name in names for reason in _reasons(read_json(_record(parts, name))))
        raise InputError(source=out, rule="at least one sample must be usable",
                         value="; ".join(f"{reason} ({n} times)" for reason, n in reasons.most_common(3)) or "none",
                         remedy=f"Remove {parts} and choose other policies.")
    # Written among the shards, so that a killed merge leaves nothing beside them.
    merged = parts / "merged.h5"
    with StackWriter(merged, detector=config.reduction.detector(), pose=config.reduction.pose,
                     intensity_unit=INTENSITY_UNIT, provenance={**identity, "versions": versions()},
                     mantissa_bits=config.mantissa_bits) as writer, progress("Merge files", len(names)) as bar:
        for name in names:
            if read_json(_record(parts, name))["samples"]:
                _append(writer, parts, name)
            bar.advance()
    os.replace(merged, out)


def _append(writer: StackWriter, parts: Path, name: str) -> None:
    try:
        with StackFile(_shard(parts, name)) as shard:
            for start in range(0, len(shard), AT_A_TIME):
                rows = np.arange(start, min(start + AT_A_TIME, len(shard)))
                writer.append(shard.read(rows), shard.table.take(rows))
    except InputError as error:
        if not error.source.startswith(str(_shard(parts, name))):
            raise
        _shard(parts, name).unlink(missing_ok=True)
        _record(parts, name).unlink()
        raise InputError(source=_shard(parts, name), rule="a shard must be intact", value=error.value,
                         remedy="It was removed; run the same command again.") from None


def _reasons(record: dict[str, Any]) -> list[str]:
    return [record["unreadable"]] if record["unreadable"] else list(record["skipped"].values())
