"""Training caches: samples as networks want them, uncompressed, in one file that is mapped and never loaded whole.

A cache is NAME.npy (float32 [N, C, H, W]; any program maps it) and NAME.json: its origin, and a crc32 of each sample.
"""

import os
import shutil
import warnings
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from classifier.foundation.atomic import atomic_path, read_json, write_json
from classifier.foundation.config import digest
from classifier.foundation.errors import InputError, reported
from classifier.foundation.run import Interrupted, StopRequest, progress, versions
from classifier.pattern.intensity import IntensityConfig, IntensityTransform

FORMAT = "cbed-cache 1"
SPARE_BYTES = 1 << 22  # left free for the header and for other writers
WRITABLE = {"rule": "there must be room and permission to write the cache", "remedy": "Free space (a killed run may "
            "have left a hidden .partial file there), or name another folder, and run the same command again."}
REBUILD = "Delete this file and the one of the same name beside it: the same command makes both again."


class Cache:
    """A verified cache: `x` float32 [N, C, H, W] is backed by the file, so that its pages come and go as needed."""

    def __init__(self, path: Path, key: dict[str, Any]) -> None:
        """Open the cache at `path` (.npy) that must have been made of `key`; anything else is an InputError."""
        self.path, self.key = Path(path), key
        header = read_json(self.path.with_suffix(".json"))
        if header.get("format") != FORMAT or header.get("key") != key:
            raise InputError(source=self.path.with_suffix(".json"), rule="the cache must belong to these stacks, view "
                             "and intensity scale", value=f"format {header.get('format')!r}, another content",
                             remedy=REBUILD)
        try:
            # Read-only and shared: a private writable map of half a terabyte would be refused for want of memory.
            mapped = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise self._damaged(error) from None
        self.map, self._offset = np.asarray(mapped), getattr(mapped, "offset", 0)
        content, size = f"{self.map.dtype} {list(self.map.shape)}", self.path.stat().st_size
        if content != f"{key['dtype']} {key['shape']}" or not self.map.flags.c_contiguous:
            raise self._damaged(content)
        if size != self._offset + self.map.nbytes:
            raise self._damaged(f"{size} bytes for {content}")
        crc32 = header.get("crc32")
        if not isinstance(crc32, list) or len(crc32) != len(self):
            raise self._damaged("a header without one crc32 a sample")
        self.sample_bytes = 4 * int(np.prod(self.map.shape[1:]))
        self._crc32, self._file = crc32, self.path.open("rb")

    def __len__(self) -> int:
        return len(self.map)

    def __reduce__(self) -> tuple:
        return Cache, (self.path, self.key)

    @property
    def x(self) -> Tensor:
        """All samples as a tensor float32 [N, C, H, W] over the mapped file; it must not be written to."""
        with warnings.catch_warnings(action="ignore"):  # torch has no read-only tensors, and warns of that
            return torch.from_numpy(self.map)

    def verify(self) -> None:
        """Read every sample and compare its crc32; a damaged one is an InputError."""
        with progress(f"verify {self.path.name}", len(self)) as bar:
            for row, expected in enumerate(self._crc32):
                if zlib.crc32(self.map[row]) != expected:
                    raise self._damaged(f"sample {row} with another crc32")
                bar.advance()

    def advise(self, rows: np.ndarray) -> None:
        """Ask the kernel to bring the samples at rows int64 [n] into memory, all at once and without waiting."""
        if hasattr(os, "posix_fadvise"):
            for row in rows.tolist():
                os.posix_fadvise(self._file.fileno(), self._offset + row * self.sample_bytes, self.sample_bytes,
                                 os.POSIX_FADV_WILLNEED)

    def read_into(self, out: np.ndarray, rows: np.ndarray) -> None:
        """Copy the samples at rows int64 [n] into out float32 [n, C, H, W]; other threads run meanwhile."""
        if len(rows) and rows.view(np.uint64).max() >= len(self):  # a negative row is a huge one there
            raise IndexError(f"rows {rows.min()}..{rows.max()} of {len(self)}")
        np.take(self.map, rows, axis=0, out=out, mode="clip")  # "raise" would copy twice

    def _damaged(self, value: object) -> InputError:
        return InputError(source=self.path, rule="the cache must be whole and undamaged", value=value, remedy=REBUILD)


def open_or_build(folder: Path, *, name: str, key: dict[str, Any], shape: tuple[int, ...],
                  blocks: Iterable[np.ndarray]) -> Cache:
    """Open, verified, the cache of `key` in `folder`, written first where there is none.

    Parameters
    ----------
    folder, name : where it lies; the name is for the eye, a part of the file's
    key : JSON content that decides every value of the samples
    shape, blocks : [N, C, H, W], and the samples, float32 [n, C, H, W] in turn, only asked for when they are written
    """
    key = {**key, "shape": list(shape), "dtype": "float32", "cbedgan": versions().get("cbedgan")}
    path = Path(folder) / f"{name}-{digest(key)[:24]}.npy"
    if path.exists() and path.with_suffix(".json").exists():
        cache = Cache(path, key)
        cache.verify()
        return cache
    _write(path, key, shape, blocks)
    return Cache(path, key)


def open_or_fit(folder: Path, *, name: str, key: dict[str, Any], config: IntensityConfig,
                blocks: Callable[[], Iterable[np.ndarray]]) -> IntensityTransform:
    """The intensity scale fitted on the stacks of `key`; kept in `folder` for the next time.

    Parameters
    ----------
    folder, name, key : as in open_or_build
    config, blocks : which scale; gives the stacks anew each time, float32 [n, 3, H, W] in turn
    """
    key = {**key, "intensity": config.model_dump(mode="json"), "cbedgan": versions().get("cbedgan")}
    path = Path(folder) / f"{name}-fit-{digest(key)[:24]}.json"
    if path.exists():
        stored = read_json(path)
        if (stored.get("format"), stored.get("key"), stored.get("digest")) != (FORMAT, key, digest(stored.get("fit"))):
            raise InputError(source=path, rule="the cached fit must be whole and belong to these stacks",
                             value="another content", remedy="Delete this file: the same command makes it again.")
        return IntensityTransform.from_plain(stored["fit"])
    fitted = IntensityTransform.fit_blocks(blocks, config)
    with reported(path, **WRITABLE):
        write_json(path, {"format": FORMAT, "key": key, "fit": fitted.plain(), "digest": digest(fitted.plain())})
    return fitted


def _write(path: Path, key: dict[str, Any], shape: tuple[int, ...], blocks: Iterable[np.ndarray]) -> None:
    """Write samples and header; both are whole or absent, and the header, which counts, comes last."""
    crc32: list[int] = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        needed, free = 4 * int(np.prod(shape)) + SPARE_BYTES, shutil.disk_usage(path.parent).free
        if free < needed:
            raise InputError(source=path, value=f"{free / 1e9:.3g} GB free of {needed / 1e9:.3g} GB", **WRITABLE)
        with StopRequest() as stop, atomic_path(path) as temporary, temporary.open("wb") as stream, \
                progress(f"write {path.name}", shape[0]) as bar:
            # Written, not mapped: a disk that fills up under a map kills the process.
            np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
            for block in blocks:
                stream.write(np.ascontiguousarray(block, dtype="<f4").data)
                crc32 += [zlib.crc32(sample) for sample in block]
                bar.advance(len(block))
                if stop.requested:
                    raise Interrupted(stop.signal_number)
            if len(crc32) != shape[0]:
                raise RuntimeError(f"{len(crc32)} samples for a cache of {shape[0]}")
        write_json(path.with_suffix(".json"), {"format": FORMAT, "key": key, "crc32": crc32, "versions": versions()})
    except OSError as error:
        raise InputError(source=path, value=error, **WRITABLE) from error
