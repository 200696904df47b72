"""Patterns as other programs store them: arrays [..., H, W] with their axes; readers of .npy files and TIFF stacks."""

import logging
import tokenize
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from classifier.foundation.errors import InputError, reported
from classifier.samples.stacklayout import HIGHEST_PACKING

READABLE = {"rule": "the file must be whole and of a known layout",
            "remedy": "Write it again with the program that made it."}


@dataclass(frozen=True)
class Axis:
    """Coordinates offset + scale * index along one side of a pattern, in `unit`."""

    scale: float
    offset: float
    unit: str


@dataclass(frozen=True, eq=False)
class PatternArray:
    """Numbers [..., H, W] that are read where they are indexed; rows, columns: axes of H and W where the file says."""

    source: str
    values: Any
    rows: Axis | None = None
    columns: Axis | None = None

    def __post_init__(self) -> None:
        if self.values.dtype.kind not in "uif" or len(self.values.shape) < 2 or 0 in self.values.shape:
            raise InputError(source=self.source, rule="patterns must be numbers [..., H, W], none of the sides empty",
                             value=f"{self.values.dtype} {list(self.values.shape)}",
                             remedy="Give the array that holds the patterns (in HDF5: the key `dataset`).")

    @property
    def lead(self) -> tuple[int, ...]:
        """The axes before H and W."""
        return tuple(self.values.shape[:-2])

    def read(self, at: tuple[int, ...]) -> np.ndarray:
        """One pattern, float64 [H, W], at the indices `at` of the leading axes."""
        if len(at) != len(self.lead) or not all(0 <= k < n for k, n in zip(at, self.lead, strict=True)):
            raise InputError(source=self.source, rule=f"a place must lie within the leading axes {list(self.lead)}",
                             value=list(at), remedy="Count from 0, one number an axis.")
        with reported(self.source, **READABLE):
            return np.asarray(self.values[tuple(at)], dtype=np.float64)


@contextmanager
def open_npy(path: Path) -> Iterator[PatternArray]:
    """Open a .npy array [..., H, W]; it stays on disk. Pickled objects are refused."""
    with reported(path, **READABLE):
        try:
            values = np.load(path, mmap_mode="r", allow_pickle=False)
        except tokenize.TokenError as error:  # of a damaged head, which numpy parses
            raise ValueError(error) from error
    yield PatternArray(str(path), values)


@contextmanager
def open_tiff(path: Path) -> Iterator[PatternArray]:
    """Read the first series of a TIFF file, [..., H, W], one page a pattern; needs the extra "import"."""
    try:
        import tifffile
    except ImportError:
        raise InputError(source=path, rule="TIFF files need the extra 'import'", value="no tifffile",
                         remedy="Install it, in the clone: pip install '.[import]'.") from None
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # of damage it logs much and reports some: one line is due
    with reported(path, **READABLE), tifffile.TiffFile(path) as file:
        series = file.series[0]
        declared, stored = int(np.prod(series.shape, dtype=float)) * series.dtype.itemsize, path.stat().st_size
        if declared > HIGHEST_PACKING * stored:
            raise InputError(source=path, rule=f"must hold the values that it declares ({declared} bytes)",
                             value=f"{stored} stored bytes", remedy="The file is damaged, unfinished or hostile.")
        if "S" in series.axes[-1]:
            raise InputError(source=path, rule="a page must be a grey pattern [H, W]", value=f"axes {series.axes}",
                             remedy="Save it without colours.")
        values = series.asarray()
    yield PatternArray(str(path), values)
