"""Batch files of OLCF data set 10.13139/OLCF/1510313: found in their folders, read with suspicion, made into shards."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from classifier.foundation.errors import InputError
from classifier.published import reduction
from classifier.published.olcf import PARTITIONS, SampleAttributes, read_attributes, reduced_formula
from classifier.published.reduction import PrepareConfig, SkipSample, reduce_stack
from classifier.samples.shard import ShardWriter
from classifier.samples.stacklayout import refuse_bomb

INTENSITY_UNIT = "as published, summed over the published pixels"
SAMPLE = re.compile(r"sample_(\d+)_(\d+)")
MARK = 1 << 16  # bytes at either end of a batch file by which it is known again
READING_FAULTS = (OSError, RuntimeError, KeyError, ValueError, TypeError)  # what HDF5 answers to damage


def find_batches(source: Path) -> dict[str, list[Path]]:
    """The *.h5 files by "<folder>/<file>", each alone, folder by folder, numbers in their names in numeric order."""
    return {f"{folder}/{path.name}": [path]
            for folder in PARTITIONS for path in sorted((source / folder).glob("*.h5"), key=_numeric)}


def _numeric(path: Path) -> list[tuple[int, str]]:
    return [(int(part or 0), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", path.name)]


def mark(paths: list[Path]) -> str:
    """sha256 of a file's size, head and tail: a whole set of 548 GiB is not read twice to know it again."""
    (path,) = paths
    size = path.stat().st_size
    sha = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        sha.update(file.read(MARK))
        file.seek(max(size - MARK, 0))
        sha.update(file.read(MARK))
    return sha.hexdigest()


def reduce_batch(name: str, paths: list[Path], shard: Path, config: PrepareConfig) -> dict[str, Any]:
    """Write one batch file's shard; return its record: what was left out, doubted or mended, and what the shard holds.

    Parameters
    ----------
    name, paths : "<folder>/<file>" of the batch, and its one file
    shard, config : file to write; of the stage
    """
    (path,) = paths
    record: dict[str, Any] = {"unreadable": "", "samples": 0, "skipped": {}, "doubts": {}, "remarks": {}, "poses": {}}
    poses: Counter[str] = Counter()
    fingerprints: list[str] = []
    buffer = np.empty((3, *[config.reduction.source_size_pixels] * 2), dtype=np.float32)
    try:
        # Published sets often lie on file systems that cannot be locked.
        file = h5py.File(path, "r", rdcc_nbytes=0, locking="best-effort")
    except READING_FAULTS as error:
        return {**record, "unreadable": config.refused(path, error)}
    with closing(file), ShardWriter(shard) as writer:
        for group in _groups(file, record["skipped"]):
            try:
                stack, attributes = _read(file, group, buffer)
                reduced = reduce_stack(stack, attributes, config.reduction)
            except (SkipSample, InputError) as reason:
                record["skipped"][group] = str(reason)
                continue
            except READING_FAULTS as error:
                record["skipped"][group] = f"unreadable: {config.refused(path, error)}"
                continue
            fingerprints.append(reduction.fingerprint(stack))
            writer.append(reduced.stack, _row(name, group, attributes, reduced, config))
            poses.update(reduced.pose_from)
            for kind, texts in (("doubts", attributes.doubts), ("remarks", reduced.remarks)):
                if texts:
                    record[kind][group] = texts
    return {**record, **writer.content, "poses": dict(poses), "fingerprints": fingerprints}


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


def _read(file: h5py.File, name: str, buffer: np.ndarray) -> tuple[np.ndarray, SampleAttributes]:
    """The stack and the attributes of one sample, which must lie in the file itself; a regular stack fills `buffer`."""
    group: Any = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    stack = group.get("cbed_stack") if isinstance(group, h5py.Group) else None
    if not isinstance(stack, h5py.Dataset) or stack.file.filename != file.filename:
        raise SkipSample("no dataset cbed_stack")
    refuse_bomb(stack)
    reduction.require_stack(stack, len(buffer[0]), "cbed_stack")
    stack.read_direct(buffer)
    return buffer, read_attributes(group.attrs)


def _row(name: str, group: str, attributes: SampleAttributes, reduced: reduction.ReducedStack,
         config: PrepareConfig) -> dict[str, Any]:
    folder, file = name.split("/")
    thickness = np.nan if config.thickness_angstrom == "unknown" else config.thickness_angstrom
    same = ("space_group", "material", "structure_type", "beam_energy_kev", "zone_axis_uvw",
            "convergence_semi_angle_mrad", "cell_lengths_angstrom", "cell_angles_degree")
    provenance = {"d_hkl_angstrom": [float(d) if np.isfinite(d) else None for d in attributes.d_hkl_angstrom],
                  "formula": attributes.formula, "pose_from": reduced.pose_from}
    return {"sample_id": f"{folder}/{Path(file).stem}/{group}", "partition": PARTITIONS[folder], "origin": "simulated",
            # Reduced: materials that differ by the size of the cell alone must count as one compound.
            "formula": reduced_formula(attributes.formula), "thickness_angstrom": [thickness] * 3,
            "provenance": json.dumps(provenance, separators=(",", ":")),
            "pixel_size_inv_angstrom": reduced.pixel_size_inv_angstrom,
            "shortest_g_inv_angstrom": reduced.shortest_g_inv_angstrom, "azimuth_rad": reduced.azimuth_rad,
            **{column: getattr(attributes, column) for column in same}}
