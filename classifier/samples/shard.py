"""A shard: reduced stacks as bare float32, written one by one; its record keeps their table and their checksums.

Beside a stack file it has no fixed cost: a set of thousands of source files passes through as many shards.
"""

import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from classifier.foundation.errors import InputError, reported
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import WRITABLE

AT_A_TIME = 1 << 23  # bytes of stacks held while shards are put together


class ShardWriter:
    """Write a shard as a context manager; it appears whole on a clean exit, or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.partial")
        self._crc32: list[int] = []
        self._columns: dict[str, list[Any]] = {}

    def __enter__(self) -> "ShardWriter":
        with reported(self.path, **WRITABLE):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._temporary.open("wb")
        return self

    def __exit__(self, error_type: type[BaseException] | None, *_: Any) -> None:
        try:
            with reported(self.path, **WRITABLE):
                self._file.close()
                if error_type is None:
                    # Not flushed to the disk, which takes its time: the checksums would find what is lost.
                    os.replace(self._temporary, self.path)
        finally:
            self._temporary.unlink(missing_ok=True)

    def append(self, stack: np.ndarray, row: dict[str, Any]) -> None:
        """Add a stack float32 [3, S, S] and its row {column of SampleTable: value}, the same columns every time."""
        content = np.ascontiguousarray(stack, dtype="<f4").data
        with reported(self.path, **WRITABLE):
            self._file.write(content)
        self._crc32.append(zlib.crc32(content))
        for name, value in row.items():
            self._columns.setdefault(name, []).append(value.tolist() if isinstance(value, np.ndarray) else value)

    @property
    def content(self) -> dict[str, Any]:
        """What the record keeps: samples, crc32 of each, and the table as one text, for numbers may be NaN."""
        return {"samples": len(self._crc32), "crc32": self._crc32, "table": json.dumps(self._columns)}


def read_shard(path: Path, content: dict[str, Any], size_pixels: int) -> Iterator[tuple[np.ndarray, SampleTable]]:
    """Stacks float32 [n, 3, S, S] and their rows, some at a time; a shard that its record disowns is an InputError."""
    n, crc32 = content["samples"], content["crc32"]
    table = SampleTable.build(n, **{name: np.array(values) for name, values in json.loads(content["table"]).items()})
    size = 3 * size_pixels**2
    step = max(1, AT_A_TIME // (4 * size))
    with path.open("rb") as file:
        for start in range(0, n, step):
            rows = np.arange(start, min(start + step, n))
            values = np.fromfile(file, "<f4", len(rows) * size)
            stacks = values[:len(values) // size * size].reshape(-1, 3, size_pixels, size_pixels)
            if [zlib.crc32(stack.data) for stack in stacks] != crc32[start:start + len(rows)]:
                raise InputError(source=path, rule="a shard must be intact", value=f"damage from sample {start} on",
                                 remedy="Remove it and its record.")
            yield stacks, table.take(rows)
