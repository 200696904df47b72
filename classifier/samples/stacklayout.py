"""What a stack file looks like inside: its keys, the links other programs follow, and the digest over its content.

One copy of the stacks; emdfile and py4DSTEM reach it by /cbed_root, HyperSpy by /Experiments, NeXus readers by /entry.
"""

import hashlib
import json
import mmap
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np

from classifier.foundation.errors import InputError
from classifier.pattern.geometry import Detector
from classifier.samples.sampletable import SampleTable

STACKS, SAMPLES, PROVENANCE = "cbed_root/cbed/data", "samples", "provenance"
OPTIONAL = ("derivation",)  # columns that a file leaves out where nothing is known, as files of before they came
FORMAT = "cbed-stack-file 1"
# What other programs look for. They want variable-length text, so that it is beyond our digest; see fixed_text.
ROOT = {"NX_class": "NXroot", "default": "entry", "file_format": "HyperSpy", "file_format_version": "3.3",
        "version_major": 1, "version_minor": 0, "emd_group_type": "file", "UUID": "0", "authoring_program": "cbedgan",
        "authoring_user": ""}
# Metadata of HDF5 1.10 carries checksums everywhere but in the global heap; HDF5 1.10 to 2.x read it.
LIBVER = ("v110", "v110")
# No filter in use packs better: deflate reaches 1032, LZ4 255. More is a file made to exhaust memory.
HIGHEST_PACKING = 1100
HEAP = b"GCOL\1\0\0\0"  # head of a global heap


def create_stacks(file: h5py.File, size_pixels: int) -> h5py.Dataset:
    """Create the growing dataset of stacks, float32 [0, 3, H, W], each sample a chunk packed and checksummed alone."""
    return file.create_dataset(STACKS, shape=(0, 3, size_pixels, size_pixels), dtype="<f4", fletcher32=True,
                               maxshape=(None, 3, size_pixels, size_pixels), chunks=(1, 3, size_pixels, size_pixels),
                               **hdf5plugin.Bitshuffle(cname="lz4"))


def write_description(file: h5py.File, table: SampleTable, crc32: np.ndarray, detector: Detector, *, pose: str,
                      intensity_unit: str, mantissa_bits: int, provenance: dict[str, Any]) -> str:
    """Write everything but the stacks themselves; returns the digest of the file, also stored in it.

    Parameters
    ----------
    file, table, crc32 : with its stacks; a row, and a checksum uint32 [N], for each of them
    detector, pose, intensity_unit, mantissa_bits, provenance : as of StackWriter
    """
    file.attrs.update(ROOT, format=fixed_text(FORMAT))
    file[STACKS].attrs["units"] = intensity_unit
    file[STACKS].parent.attrs.update(
        size_pixels=detector.size_pixels, pixel_size=detector.pixel_size, unit=fixed_text(detector.unit),
        pose=fixed_text(pose), intensity_unit=fixed_text(intensity_unit), mantissa_bits=mantissa_bits)
    side = detector.coordinates()
    _write_axes(file, [("sample", np.arange(float(len(table))), "", True), ("direction", np.arange(3.0), "", True),
                       ("k_y", side, detector.unit, False), ("k_x", side, detector.unit, False)])
    for name, values in {**table.columns(), "crc32": crc32}.items():
        if name not in OPTIONAL or (values != "").any():
            _write_column(file, f"{SAMPLES}/{name}", values)
    file[PROVENANCE] = np.bytes_(json.dumps(provenance, sort_keys=True))
    digest = content_digest(read_description(file))
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


def _write_axes(file: h5py.File, axes: list[tuple[str, np.ndarray, str, bool]]) -> None:
    """Describe the four axes (name, coordinates, unit, is navigation) to EMD, NeXus and HyperSpy readers."""
    file["cbed_root"].attrs.update(emd_group_type="root", python_class="Root")
    emd: Any = file["cbed_root/cbed"]
    emd.attrs.update(emd_group_type="array", python_class="Array")
    file.create_group("entry").attrs.update(NX_class="NXentry", default="cbed")
    nexus = file.create_group("entry/cbed")
    nexus.attrs.update(NX_class="NXdata", signal="data", axes=[name for name, *_ in axes], interpretation="image")
    hyperspy = file.create_group("Experiments/cbed")
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
    hyperspy.create_group("metadata/General").attrs["title"] = "CBED stacks"
    hyperspy.create_group("metadata/Signal").attrs["signal_type"] = ""
    hyperspy.create_group("original_metadata")
    hyperspy.create_group("learning_results")
    # Soft links: with hard links the EMD reader finds no array.
    for alias in ("entry/cbed/data", "Experiments/cbed/data", "cbed_stacks"):
        file[alias] = h5py.SoftLink(f"/{STACKS}")


def _write_column(file: h5py.File, key: str, values: np.ndarray) -> None:
    if values.dtype.kind == "U":
        encoded = np.char.encode(values, "utf-8")
        values = encoded.astype(h5py.string_dtype("utf-8", max(1, encoded.dtype.itemsize)))
    packing = {"compression": "gzip", "shuffle": True, "chunks": (min(len(values), 4096), *values.shape[1:])}
    file.create_dataset(key, data=values, **(packing if len(values) else {}))


def read_description(file: h5py.File) -> dict[str, np.ndarray]:
    """Read every link, dataset and attribute of fixed length, but for the stacks: {path: array}, text as UTF-8 bytes.

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
            entries[name] = np.array(item.shape) if name == f"/{STACKS}" else np.asarray(item[()])
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
