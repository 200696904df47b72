"""The STFC copy of the OLCF data set: folders of small npz files that keep a stack and its space group, no material.

Keys `data` float [3, 128, 128] and `label` (1,). Its test set lies in two folders, testing and inference.
"""

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from classifier.foundation.errors import FAULTS_OF_CONTENT, InputError
from classifier.published.reduction import PrepareConfig, SkipSample, fingerprint, reduce_stack, require_stack
from classifier.samples.shard import ShardWriter

INTENSITY_UNIT = "as published (log scale presumed)"
PARTITIONS = {"training": "train", "validation": "validation", "testing": "test", "inference": "test"}
FILES_A_BATCH = 256
HEADER_BYTES = 1 << 16  # more than the head of any .npy and the directory of any such archive take


def find_batches(source: Path) -> dict[str, list[Path]]:
    """The *.npz files by "<folder>/<number>", so many a batch, by folder and name."""
    batches = {}
    for folder in PARTITIONS:
        files = sorted((source / folder).glob("*.npz"), key=lambda path: (len(path.name), path.name))
        for start in range(0, len(files), FILES_A_BATCH):
            batches[f"{folder}/{start // FILES_A_BATCH:05d}"] = files[start:start + FILES_A_BATCH]
    return batches


def mark(paths: list[Path]) -> str:
    """sha256 of the names and sizes of a batch's files: there are too many to open each one twice."""
    return hashlib.sha256("\n".join(f"{path.name} {path.stat().st_size}" for path in paths).encode()).hexdigest()


def check_config(config: PrepareConfig) -> None:
    """Refuse (InputError) to ask of these files what they cannot give: a calibration, a pose, sums of logarithms."""
    reduction = config.reduction
    if reduction.calibrated or reduction.size_pixels != reduction.source_size_pixels:
        raise InputError(source="STFC copy", rule="its patterns keep their pixels and have no calibration",
                         value=f"source_pixel_size_inv_angstrom = {reduction.source_pixel_size_inv_angstrom!r}, "
                               f"size_pixels = {reduction.size_pixels} of {reduction.source_size_pixels}",
                         remedy='Use source_pixel_size_inv_angstrom = "unknown", half_width_inv_angstrom = "all", '
                                'pose = "raw" and size_pixels = source_size_pixels (128).')


def reduce_batch(name: str, paths: list[Path], shard: Path, config: PrepareConfig) -> dict[str, Any]:
    """Write the shard of one batch of files; return its record. Arguments and keys as in olcf_files."""
    record: dict[str, Any] = {"unreadable": "", "skipped": {}, "doubts": {}, "remarks": {}, "poses": {}}
    fingerprints: list[str] = []
    with ShardWriter(shard) as writer:
        for path in paths:
            try:
                stack, space_group = _read(path, config.reduction.source_size_pixels)
                reduced = reduce_stack(stack, None, config.reduction)
            except SkipSample as reason:
                record["skipped"][path.stem] = str(reason)
                continue
            except FAULTS_OF_CONTENT as error:
                record["skipped"][path.stem] = f"unreadable: {config.refused(path, error)}"
                continue
            fingerprints.append(fingerprint(stack))
            writer.append(reduced.stack, {
                "sample_id": f"{path.parent.name}/{path.stem}", "space_group": space_group,
                "partition": PARTITIONS[path.parent.name], "origin": "simulated", "azimuth_rad": [0.0] * 3})
            if reduced.remarks:
                record["remarks"][path.stem] = reduced.remarks
    return {**record, **writer.content, "fingerprints": fingerprints}


def _read(path: Path, size: int) -> tuple[np.ndarray, int]:
    """Stack float32 [3, size, size] and space group of one file, of which no more is unpacked than that can take."""
    limit = 3 * 8 * size**2 + HEADER_BYTES
    if path.stat().st_size > 2 * limit:
        raise SkipSample(f"the file has {path.stat().st_size} bytes, more than a stack takes")
    with zipfile.ZipFile(path) as archive:
        data, label = (_member(archive, key, limit) for key in ("data", "label"))
    require_stack(data, size, "data")
    number = label.reshape(-1)[0] if label.size == 1 and label.dtype.kind in "iuf" else None
    if number is None or not 1 <= number <= 230 or number != int(number):
        raise SkipSample(f"label is {label.dtype} {list(label.shape)} {label.reshape(-1)[:3].tolist()}, "
                         "not a space group 1..230")
    return np.ascontiguousarray(data, dtype=np.float32), int(number)


def _member(archive: zipfile.ZipFile, key: str, limit: int) -> np.ndarray:
    if f"{key}.npy" not in archive.namelist():
        raise SkipSample(f"no key {key}")
    declared = archive.getinfo(f"{key}.npy").file_size
    with archive.open(f"{key}.npy") as member:
        content = member.read(limit + 1) if declared <= limit else b""
    if not len(content) == declared <= limit:
        raise SkipSample(f"{key} declares {declared} bytes, where at most {limit} are meant")
    header = io.BytesIO(content)
    version = np.lib.format.read_magic(header)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = read_header[version](header)
    # Weighed before it is read: numpy takes the room that a header declares.
    if dtype.hasobject or np.prod([1, *map(float, shape)]) * dtype.itemsize > len(content):
        raise SkipSample(f"{key} declares {dtype} {list(shape)} in {len(content)} bytes")
    return np.load(io.BytesIO(content), allow_pickle=False)
