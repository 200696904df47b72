"""What a file of samples looks like inside: its keys, the links other programs follow, the digest over its content.

One copy of the samples; emdfile and py4DSTEM reach it by /cbed_root, HyperSpy by /Experiments, NeXus readers by /entry.
Samples of another kind of measurement than CBED lie under its name in place of cbed.
"""

import hashlib
import json
import mmap
import re
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np

from classifier.foundation.errors import InputError
from classifier.pattern.geometry import CBED
from classifier.pattern.grid import Grid
from classifier.samples.sampletable import SampleTable

SAMPLES, PROVENANCE = "samples", "provenance"
OPTIONAL = ("derivation",)  # columns that a file leaves out where nothing is known, as files of before they came
FORMAT = "-stack-file 1"  # after the kind of measurement
# What other programs look for. They want variable-length text, so that it is beyond our digest; see fixed_text.
ROOT = {"NX_class": "NXroot", "default": "entry", "file_format": "HyperSpy", "file_format_version": "3.3",
        "version_major": 1, "version_minor": 0, "emd_group_type": "file", "UUID": "0", "authoring_program": "cbedgan",
        "authoring_user": ""}
# Metadata of HDF5 1.10 carries checksums everywhere but in the global heap; HDF5 1.10 to 2.x read it.
LIBVER = ("v110", "v110")
# No filter in use packs better: deflate reaches 1032, LZ4 255. More is a file made to exhaust memory.
HIGHEST_PACKING = 1100
HEAP = b"GCOL\1\0\0\0"  # head of a global heap


def place_of(kind: str) -> str:
    """Key of the samples in a file of this kind."""
    return f"{kind}_root/{kind}/data"


STACKS = place_of(CBED)


def kind_of(file_format: str) -> str:
    """The kind of measurement that the format of a file names; "" where it is no format of ours."""
    kind = file_format.removesuffix(FORMAT)
    return kind if kind != file_format and re.fullmatch("[a-z][a-z0-9_]{0,63}", kind) else ""


def create_stacks(file: h5py.File, grid: Grid) -> h5py.Dataset:
    """Create the growing dataset of samples, float32 [0, C, *spatial], each a chunk packed and checksummed alone."""
    return file.create_dataset(place_of(grid.kind), shape=(0, *grid.shape), dtype="<f4", fletcher32=True,
                               maxshape=(None, *grid.shape), chunks=(1, *grid.shape),
                               **hdf5plugin.Bitshuffle(cname="lz4"))


def write_description(file: h5py.File, table: SampleTable, crc32: np.ndarray, grid: Grid, *, pose: str,
                      intensity_unit: str, mantissa_bits: int, provenance: dict[str, Any]) -> str:
    """Write everything but the stacks themselves; returns the digest of the file, also stored in it.

    Parameters
    ----------
    file, table, crc32 : with its stacks; a row, and a checksum uint32 [N], for each of them
    grid, pose, intensity_unit, mantissa_bits, provenance : as of StackWriter
    """
    file.attrs.update(ROOT, format=fixed_text(grid.kind + FORMAT))
    samples = file[place_of(grid.kind)]
    samples.attrs["units"] = intensity_unit
    samples.parent.attrs.update(
        {key: fixed_text(value) if isinstance(value, str) else value for key, value in grid.attributes().items()},
        pose=fixed_text(pose), intensity_unit=fixed_text(intensity_unit), mantissa_bits=mantissa_bits)
    _write_axes(file, grid.kind, [("sample", np.arange(float(len(table))), "", True), *grid.described_axes()])
    for name, values in {**table.columns(), "crc32": crc32}.items():
        if name not in OPTIONAL or (values != "").any():
            _write_column(file, f"{SAMPLES}/{name}", values)
    file[PROVENANCE] = np.bytes_(json.dumps(provenance, sort_keys=True))
    digest = content_digest(read_description(file, f"/{place_of(grid.kind)}"))
    file.attrs["digest"] = fixed_text(digest)
    return digest


def fixed_text(text: str) -> np.ndarray:
    """Text as an attribute's value of fixed length.

    HDF5 keeps variable-length text in its global heap. That has no checksum, and HDF5 can loop for ever over a damaged
    one. What is read back must not lie there.
    """
    encoded = text.encode()
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", max(1, len(encoded))))


def read_text(item: h5py.HLObject, key: str) -> str:
    """The fixed-length text of an attribute; "" where there is none, or one of another kind."""
    if key not in item.attrs or item.attrs.get_id(key).dtype.kind != "S":
        return ""
    text: Any = item.attrs[key]
    return text.decode()


def _write_axes(file: h5py.File, kind: str, axes: list[tuple[str, np.ndarray, str, bool]]) -> None:
    """Describe the axes (name, coordinates, unit, is navigation) to EMD, NeXus and HyperSpy readers."""
    images = sum(not navigate for *_, navigate in axes) == 2
    file[f"{kind}_root"].attrs.update(emd_group_type="root", python_class="Root")
    emd: Any = file[f"{kind}_root/{kind}"]
    emd.attrs.update(emd_group_type="array", python_class="Array")
    file.create_group("entry").attrs.update(NX_class="NXentry", default=kind)
    nexus = file.create_group(f"entry/{kind}")
    nexus.attrs.update(NX_class="NXdata", signal="data", axes=[name for name, *_ in axes],
                       interpretation="image" if images else "spectrum")
    hyperspy = file.create_group(f"Experiments/{kind}")
    hyperspy.attrs.update(package="hyperspy", package_version="2.5.0")
    for number, (name, coordinates, unit, navigate) in enumerate(axes):
        emd[f"dim{number}"] = coordinates
        emd[f"dim{number}"].attrs.update(name=name, units=unit)
        nexus[name] = coordinates
        nexus[name].attrs["units"] = unit
        nexus.attrs[f"{name}_indices"] = number
        hyperspy.create_group(f"axis-{number}").attrs.update(
            _type="UniformDataAxis", name=name, size=len(coordinates), units=unit, navigate=navigate,
            index_in_array=number, is_binned=False, offset=float(coordinates[0]) if len(coordinates) else 0.0,
            scale=float(coordinates[1] - coordinates[0]) if len(coordinates) > 1 else 1.0)
    hyperspy.create_group("metadata/General").attrs["title"] = "CBED stacks" if kind == CBED else f"{kind} samples"
    hyperspy.create_group("metadata/Signal").attrs["signal_type"] = ""
    hyperspy.create_group("original_metadata")
    hyperspy.create_group("learning_results")
    # Soft links: with hard links the EMD reader finds no array.
    named = "stacks" if kind == CBED else "samples"
    for alias in (f"entry/{kind}/data", f"Experiments/{kind}/data", f"{kind}_{named}"):
        file[alias] = h5py.SoftLink(f"/{place_of(kind)}")


def _write_column(file: h5py.File, key: str, values: np.ndarray) -> None:
    if values.dtype.kind == "U":
        encoded = np.char.encode(values, "utf-8")
        values = encoded.astype(h5py.string_dtype("utf-8", max(1, encoded.dtype.itemsize)))
    packing = {"compression": "gzip", "shuffle": True, "chunks": (min(len(values), 4096), *values.shape[1:])}
    file.create_dataset(key, data=values, **(packing if len(values) else {}))


def read_description(file: h5py.File, stacks: str = f"/{STACKS}") -> dict[str, np.ndarray]:
    """Read every link, dataset and attribute of fixed length, but for the samples at the path `stacks`.

    Gives {path: array}, text as UTF-8 bytes.

    A dataset that lies outside the file, or declares far more than the file can hold, is an InputError before it is
    read. So is an object with two names: a few dozen groups could have more paths than can be walked.
    """
    entries: dict[str, np.ndarray] = {}
    seen: set[int] = set()

    def visit(name: str, item: Any) -> None:
        address = h5py.h5o.get_info(item.id).addr  # pyright: ignore[reportAttributeAccessIssue]
        if address in seen:
            raise ValueError(f"{name} is a second name of another object")
        seen.add(address)
        for key in item.attrs:
            if not item.attrs.get_id(key).dtype.hasobject:
                entries[f"{name}@{key}"] = np.asarray(item.attrs[key])
        if isinstance(item, h5py.Dataset):
            refuse_bomb(item)
            entries[name] = np.array(item.shape) if name == stacks else np.asarray(item[()])
            return
        for key in item:
            link = item.get(key, getlink=True)
            place = f"{name.rstrip('/')}/{key}"
            if isinstance(link, h5py.ExternalLink):
                refuse_outside(file, place)
            elif isinstance(link, h5py.SoftLink):
                entries[place] = np.array(link.path.encode())
            else:
                visit(place, item[key])

    visit("/", file)
    entries.pop("/@digest", None)
    return entries


def refuse_bomb(dataset: h5py.Dataset) -> None:
    """Refuse (InputError) a dataset stored outside its file or declared larger than its stored bytes can unpack to."""
    if dataset.dtype.hasobject:
        raise ValueError(f"{dataset.name} has values of variable length")
    if dataset.is_virtual or dataset.external:
        refuse_outside(dataset.file, str(dataset.name))
    # A damaged or forged head may claim storage that the file does not have.
    stored = min(dataset.id.get_storage_size(), dataset.file.id.get_filesize())
    if dataset.nbytes > HIGHEST_PACKING * stored:
        raise InputError(source=dataset.file.filename,
                         rule=f"{dataset.name} must hold the values that it declares ({dataset.nbytes} bytes)",
                         value=f"{stored} stored bytes", remedy="The file is damaged, unfinished or hostile.")


def refuse_endless_heap(path: Path) -> None:
    """Refuse (ValueError) a file whose variable-length text HDF5 would search for ever.

    A global heap is a row of objects, each with its size, and free space (index 0) at its end; HDF5 takes the sizes on
    trust, and one of zero stops it from getting on.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(HEAP)
        while start >= 0:
            size = int.from_bytes(content[start + 8:start + 16], "little")
            place, end = start + 16, start + size
            while place + 16 <= min(end, len(content)):
                index = int.from_bytes(content[place:place + 2], "little")
                length = int.from_bytes(content[place + 8:place + 16], "little")
                if length > end - place or (index == 0 and length < 16):
                    raise ValueError(f"the heap of text at byte {start} is damaged")
                place += length if index == 0 else 16 + -(-length // 8) * 8
            start = content.find(HEAP, start + 8)


def refuse_outside(file: h5py.File, name: str) -> None:
    """Raise the InputError of what lies in another file than it says."""
    raise InputError(source=file.filename, rule=f"{name} must lie in the file itself",
                     value="a reference to another file", remedy="Open only files that you trust.")


def content_digest(description: dict[str, np.ndarray]) -> str:
    """sha256 (hex) of a description: table, axes, provenance and, by the column crc32, every stack."""
    sha = hashlib.sha256()
    for key in sorted(description):
        values = description[key]
        sha.update(f"{key}\0{values.dtype.str}{list(values.shape)}\0".encode())
        sha.update(np.ascontiguousarray(values).tobytes())
    return sha.hexdigest()
