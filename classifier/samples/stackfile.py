"""Read and write stack files: samples with their table, axes and provenance, verified down to the bit."""

import json
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float32

from classifier.foundation.atomic import atomic_path
from classifier.foundation.errors import InputError, reported
from classifier.pattern.geometry import CBED, Detector
from classifier.pattern.grid import Grid, detector_of, grid_of
from classifier.samples import stacklayout
from classifier.samples.plan import SetIdentity, identity_of
from classifier.samples.sampletable import SampleTable

__all__ = ["SampleTable", "StackFile", "StackWriter", "opened", "round_mantissa", "write_stack_file"]

POSES = ("raw", "canonical")
SPARE_BYTES = 1 << 22  # left free for the table and for other writers
READABLE = {"rule": "the stack file must be whole and undamaged",
            "remedy": "Write it again with its stage, or restore it from a copy."}
WRITABLE = {"rule": "there must be room and permission to write the stack file",
            "remedy": "Free space, or choose another place, and run the same command again."}
MANTISSA_BITS = 23  # of float32


def round_mantissa(stacks: np.ndarray, bits: int) -> np.ndarray:
    """Round float32 values of any shape to the nearest with `bits` explicit mantissa bits (1..23).

    The relative error of a normal number is at most 2^-(bits + 1); the freed bits are zero and pack well.
    """
    if not 1 <= bits <= MANTISSA_BITS:
        raise InputError(source="mantissa_bits", rule=f"must be 1..{MANTISSA_BITS}", value=bits,
                         remedy="Choose 10 for three significant digits.")
    if bits == MANTISSA_BITS:
        return stacks
    freed = MANTISSA_BITS - bits
    rounded = stacks.view(np.uint32) + np.uint32(1 << (freed - 1))
    return (rounded >> np.uint32(freed) << np.uint32(freed)).view(np.float32)


class StackWriter:
    """Write a stack file batch by batch, as a context manager; it appears whole on a clean exit, or not at all.

    detector: what the pixels mean, or for another kind than CBED the grid of a sample; pose: "raw" or, of CBED alone,
    "canonical"; intensity_unit: of the physical intensities; provenance: what made the file, JSON content;
    mantissa_bits: to which the intensities are rounded, None keeps all; digest: there after the exit.
    """

    digest: str

    def __init__(self, path: Path, *, detector: Grid, pose: str, intensity_unit: str, provenance: dict[str, Any],
                 mantissa_bits: int | None = None) -> None:
        if pose not in POSES[:None if detector.kind == CBED else 1]:
            raise InputError(source=path, rule=f"pose must be one of {', '.join(POSES)}, and raw but for CBED",
                             value=pose, remedy="Name the pose of the patterns.")
        self.path, self._grid = Path(path), detector
        self._mantissa_bits = MANTISSA_BITS if mantissa_bits is None else mantissa_bits
        self._description = {"pose": pose, "intensity_unit": intensity_unit, "provenance": provenance,
                             "mantissa_bits": self._mantissa_bits}
        self._tables: list[SampleTable] = []
        self._crc32: list[int] = []

    def __enter__(self) -> "StackWriter":
        with reported(self.path, **WRITABLE), ExitStack() as exits:
            temporary = exits.enter_context(atomic_path(self.path))
            self._file = exits.enter_context(h5py.File(temporary, "w", libver=stacklayout.LIBVER))
            self._stacks = stacklayout.create_stacks(self._file, self._grid)
            exits.push(self._finish)
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *error: Any) -> bool | None:
        with reported(self.path, **WRITABLE):
            return self._exits.__exit__(*error)

    def append(self, stacks: np.ndarray, table: SampleTable) -> None:
        """Add samples float32 [n, C, *spatial] of physical intensities (finite, >= 0) and their n rows."""
        self._check(stacks, table)
        stacks = round_mantissa(np.ascontiguousarray(stacks), self._mantissa_bits)
        # HDF5 cannot even close a file cleanly once the disk is full, so the room is looked for first.
        free = shutil.disk_usage(self.path.parent).free
        if free < stacks.nbytes + SPARE_BYTES:
            raise InputError(source=self.path, value=f"{free} free bytes for {stacks.nbytes} more", **WRITABLE)
        done = len(self._stacks)
        with reported(self.path, **WRITABLE):
            self._stacks.resize(done + len(stacks), axis=0)
            if len(stacks):
                self._stacks[done:] = stacks
        self._crc32 += _crc32(stacks)
        self._tables.append(table)

    def _check(self, stacks: np.ndarray, table: SampleTable) -> None:
        expected = (len(table), *self._stacks.shape[1:])
        if not isinstance(stacks, np.ndarray) or stacks.dtype != np.float32 or stacks.shape != expected:
            given = f"{stacks.dtype} {list(stacks.shape)}" if hasattr(stacks, "dtype") else type(stacks).__name__
            raise InputError(source=f"{self.path}, batch from sample {table.sample_id[0] if len(table) else 'none'}",
                             rule=f"stacks must be a float32 array {list(expected)}", value=given,
                             remedy="Give one sample a row of the table, in the detector's size.")
        # False for NaN too; the ceiling keeps the largest floats from being rounded to infinity.
        wrong = ~((stacks >= 0) & (stacks <= 1e38)).all(axis=tuple(range(1, stacks.ndim)))
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise InputError(source=f"{self.path}, sample {table.sample_id[row]}",
                             rule="intensities must be finite and >= 0 (and at most 1e38)",
                             value=f"minimum {stacks[row].min()}, maximum {stacks[row].max()}",
                             remedy=f"Mend or leave out the sample; the batch has {int(wrong.sum())} such samples.")

    def _finish(self, error_type: type[BaseException] | None, *_: Any) -> None:
        if error_type is None:
            table = SampleTable.concatenate(self._tables)
            table.check(self.path)
            self.digest = stacklayout.write_description(
                self._file, table, np.array(self._crc32, dtype=np.uint32), self._grid, **self._description)


def write_stack_file(path: Path, stacks: np.ndarray, table: SampleTable, *, detector: Grid, pose: str,
                     intensity_unit: str, provenance: dict[str, Any], mantissa_bits: int | None = None) -> str:
    """Write samples float32 [N, C, *spatial] and their table as one file; returns its digest. The rest: StackWriter."""
    with StackWriter(path, detector=detector, pose=pose, intensity_unit=intensity_unit, provenance=provenance,
                     mantissa_bits=mantissa_bits) as writer:
        writer.append(stacks, table)
    return writer.digest


class StackFile:
    """A stack file to read; table, axes and provenance are verified on opening, each stack on every read.

    digest: sha256 over table, axes, provenance and the crc32 of every stack, which tells damage and what was computed
    from pixels; identity: which set it is of, the same on every machine; crc32: uint32 [N]; grid: of a sample, whose
    kind and axes it knows. Any fault of the file is
    an InputError. Each process opens its own handle, so that an instance may go to forked or spawned workers.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._stacks: Any = None
        self._process = 0
        if not self.path.is_file():
            raise InputError(source=self.path, rule="the stack file must exist", value="no file",
                             remedy="Run the stage that writes it, or correct the path.")
        if not h5py.is_hdf5(self.path):
            raise InputError(source=self.path, rule="a stack file must be HDF5", value="no HDF5 head",
                             remedy="Give a file that a stage wrote; if it is one, it is damaged.")
        with reported(self.path, **READABLE), h5py.File(self.path, "r") as file:
            self._load(file)

    def _load(self, file: h5py.File) -> None:
        file_format = stacklayout.read_text(file, "format")
        kind = stacklayout.kind_of(file_format)
        if not kind:
            raise InputError(source=self.path, rule=f"the file must be a {CBED}{stacklayout.FORMAT} or alike",
                             value=f"format {file_format or 'unknown'}, keys {', '.join(sorted(file)) or 'none'}",
                             remedy="Convert other layouts with the stage prepare; if a stage wrote it, it is damaged.")
        place = stacklayout.place_of(kind)
        entries = stacklayout.read_description(file, f"/{place}")
        self.digest: str = stacklayout.content_digest(entries)
        if self.digest != stacklayout.read_text(file, "digest"):
            raise ValueError("table, axes and provenance do not match the digest of the file")
        group: Any = file[place].parent
        self.grid: Grid = grid_of(json.loads(stacklayout.read_text(group, "grid"))) if kind != CBED else Detector(
            int(group.attrs["size_pixels"]), float(group.attrs["pixel_size"]), stacklayout.read_text(group, "unit"))
        self.pose = stacklayout.read_text(group, "pose")
        self.intensity_unit = stacklayout.read_text(group, "intensity_unit")
        self.mantissa_bits = int(group.attrs["mantissa_bits"])
        self.provenance: dict[str, Any] = json.loads(entries[f"/{stacklayout.PROVENANCE}"].item())
        if self.pose not in POSES or self.grid.kind != kind or not isinstance(self.provenance, dict):
            raise ValueError(f"the kind is {self.grid.kind!r}, the pose {self.pose!r}, the provenance "
                             f"{type(self.provenance).__name__}")
        columns = {name: entries[f"/{stacklayout.SAMPLES}/{name}"] for name in SampleTable.__dataclass_fields__
                   if name not in stacklayout.OPTIONAL or f"/{stacklayout.SAMPLES}/{name}" in entries}
        self.crc32 = entries[f"/{stacklayout.SAMPLES}/crc32"]
        rows = {str(values.shape[:1]) for values in (*columns.values(), self.crc32)}
        if self.crc32.dtype != np.uint32 or self.crc32.ndim != 1 or len(rows) > 1:
            raise ValueError(f"the columns have {', '.join(sorted(rows))} rows, crc32 is {self.crc32.dtype}")
        self.table = SampleTable.build(len(self.crc32), **{
            name: np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values
            for name, values in columns.items()})
        self.table.check(self.path)
        stacks: Any = file[place]
        sample = self.grid.shape
        if stacks.dtype != np.float32 or stacks.shape != (len(self.crc32), *sample) or stacks.chunks != (1, *sample):
            raise ValueError(f"the stacks are {stacks.dtype} {stacks.shape} in chunks {stacks.chunks}")
        if stacks.id.get_num_chunks() != len(self):
            raise ValueError("stacks are missing")

    @property
    def detector(self) -> Detector:
        """What the pixels of CBED patterns mean; of samples of another kind an InputError."""
        return detector_of(self.grid, self.path)

    @cached_property
    def identity(self) -> SetIdentity:
        """Which set the file is of: by its plan, where it has one."""
        return identity_of(self.table, self.provenance, self.digest)

    @property
    def plan_digest(self) -> str:
        """Digest of the plan (config, crystals, sample ids); of the pixels, where nothing was planned."""
        return self.identity.plan

    def _open(self) -> h5py.Dataset:
        """The dataset of samples, float32 [N, C, *spatial], through this process's own handle."""
        if self._stacks is None or self._process != os.getpid():
            # A chunk is read whole and once: HDF5's cache of chunks would only copy it.
            file = h5py.File(self.path, "r", rdcc_nbytes=0)
            self._stacks, self._process = file[stacklayout.place_of(self.grid.kind)], os.getpid()
        return self._stacks

    def close(self) -> None:
        """Close this process's handle; a later read opens it again."""
        if self._stacks is not None and self._process == os.getpid():
            self._stacks.file.close()
        self._stacks = None

    def __enter__(self) -> "StackFile":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __reduce__(self) -> tuple:
        return StackFile, (self.path,)

    def __len__(self) -> int:
        return len(self.table)

    def read(self, indices: Any) -> Float32[np.ndarray, "n C *spatial"]:
        """Read the samples at `indices` (integers [n], any order, or a mask [N]), verified."""
        indices = np.asarray(indices)
        indices = np.arange(len(self))[indices if indices.size else []].reshape(-1)
        stacks = np.empty((len(indices), *self.grid.shape), dtype=np.float32)
        breaks = np.flatnonzero(np.diff(indices) != 1) + 1
        for first, last in zip((0, *breaks), (*breaks, len(indices)), strict=True):
            if first < last:
                self._read_run(int(indices[first]), stacks[first:last])
        return stacks

    def _read_run(self, start: int, out: np.ndarray) -> None:
        """Fill `out` float32 [n, C, *spatial] with the samples from `start` on; a damaged one is an InputError."""
        try:
            with reported(self.path, **READABLE):
                self._open().read_direct(out, np.s_[start:start + len(out)])
        except InputError:
            if len(out) == 1:
                raise self._damaged(start, "its checksum or packing is broken") from None
            for offset in range(len(out)):
                self._read_run(start + offset, out[offset:offset + 1])
        wrong = np.flatnonzero(np.array(_crc32(out), dtype=np.uint32) != self.crc32[start:start + len(out)])
        if len(wrong):
            raise self._damaged(start + wrong[0], "its crc32 differs")
        # False for NaN too. Our writer refuses such intensities; another program's may be sound in all but these.
        if out.size and not (out.min() >= 0 and out.max() < np.inf):
            row = int(np.flatnonzero(~((out >= 0) & (out < np.inf)).all(axis=tuple(range(1, out.ndim))))[0])
            raise self._damaged(start + row, "an intensity is negative or not finite")

    def _damaged(self, row: int, reason: str) -> InputError:
        return InputError(source=f"{self.path}, sample {self.table.sample_id[row]}", rule="the stack must be intact",
                          value=reason, remedy="Write the file again, or restore it from a copy.")

    def verify(self) -> None:
        """Read every stack; the first damaged one is an InputError naming it."""
        for row in range(len(self)):
            self.read([row])


def _crc32(stacks: np.ndarray) -> list[int]:
    return [zlib.crc32(stack) for stack in stacks]


@contextmanager
def opened(stacks: Path | StackFile) -> Iterator[StackFile]:
    """The stack file of a path, verified, or one that was opened before, as it is."""
    if isinstance(stacks, StackFile):
        yield stacks
    else:
        with StackFile(stacks) as file:
            yield file
