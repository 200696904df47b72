"""Samples of a stack file in a network's view, block by block, and the frame that says what their pixels mean."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int

from classifier.foundation.config import digest
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import Detector, ViewConfig, view
from classifier.pattern.intensity import stacks_at_once
from classifier.samples.stackfile import SampleTable, StackFile, opened


@dataclass(frozen=True)
class Frame:
    """What the pixels of a set of stacks mean: the detector (after the view), the pose and the unit of intensity."""

    detector: Detector
    pose: str
    intensity_unit: str

    def require(self, other: "Frame", source: object) -> None:
        """Refuse stacks in another frame than this one; pixel sizes may differ by rounding."""
        mine, theirs = self.detector, other.detector
        alike = (other.pose, other.intensity_unit, theirs.unit, theirs.size_pixels) == (
            self.pose, self.intensity_unit, mine.unit, mine.size_pixels)
        if not alike or abs(theirs.pixel_size / mine.pixel_size - 1) > 1e-6:
            raise InputError(source=source, rule=f"detector, pose and intensity unit must be those of training, {self}",
                             value=other, remedy="Bring the patterns to these, or train on patterns like these.")


@dataclass(frozen=True, eq=False)
class Viewed:
    """Samples of an open stack file (all, or sample_ids in their order) in a view: read block by block."""

    file: StackFile
    config: ViewConfig
    rows: np.ndarray
    shape: tuple[int, ...]  # [N, 3, H, W]
    frame: Frame

    @classmethod
    def of(cls, file: StackFile, config: ViewConfig, sample_ids: Sequence[str] | None) -> "Viewed":
        """The samples' rows, and the detector as the view shows it."""
        rows = np.arange(len(file)) if sample_ids is None else rows_of(file, sample_ids)
        size = file.detector.size_pixels
        empty, detector = view(np.zeros((0, 3, size, size), np.float32), file.detector, config)
        return cls(file, config, rows, (len(rows), *empty.shape[1:]), Frame(detector, file.pose, file.intensity_unit))

    def table(self) -> SampleTable:
        """Rows of the samples."""
        return self.file.table.take(self.rows)

    def read(self) -> Float32[np.ndarray, "N 3 H W"]:
        """All samples."""
        intensity = np.empty(self.shape, dtype=np.float32)
        self._read_into(intensity, 0)
        return intensity

    def _read_into(self, out: np.ndarray, start: int) -> None:
        """Read the samples from `start` on into out float32 [n, 3, H, W], few at a time at full size."""
        size = self.file.detector.size_pixels
        step = stacks_at_once((3, size, size))
        for first in range(0, len(out), step):
            part = out[first:first + step]
            rows = self.rows[start + first:start + first + len(part)]
            part[:] = view(self.file.read(rows), self.file.detector, self.config)[0]

    def blocks(self) -> Iterator[np.ndarray]:
        """The samples in turn, float32 [n, 3, H, W] in blocks that memory has room for."""
        step = stacks_at_once(self.shape[1:])
        for start in range(0, self.shape[0], step):
            block = np.empty((min(step, self.shape[0] - start), *self.shape[1:]), dtype=np.float32)
            self._read_into(block, start)
            yield block

    def key(self) -> dict[str, Any]:
        """What decides every value, for a cache."""
        return {"stacks": self.file.digest, "view": self.config.model_dump(mode="json"),
                "samples": digest(self.file.table.sample_id[self.rows].tolist())}


def load_physical(stacks: Path | StackFile, config: ViewConfig, sample_ids: Sequence[str] | None = None
                  ) -> tuple[np.ndarray, SampleTable, Frame]:
    """Read intensities float32 [N, 3, H, W] in the given view, their table and frame; all samples, or sample_ids."""
    with opened(stacks) as file:
        viewed = Viewed.of(file, config, sample_ids)
        return viewed.read(), viewed.table(), viewed.frame


def rows_of(file: StackFile, sample_ids: Sequence[str]) -> Int[np.ndarray, " n"]:
    """Row of each sample id in the file; an unknown one is an InputError."""
    order = np.argsort(file.table.sample_id)
    wanted = np.asarray(sample_ids, dtype=str)
    place = np.searchsorted(file.table.sample_id, wanted, sorter=order).clip(max=len(order) - 1)
    rows = order[place]
    unknown = file.table.sample_id[rows] != wanted
    if unknown.any():
        raise InputError(source=file.path, rule="must hold the split's samples", remedy="Give the file that was split.",
                         value=f"{int(unknown.sum())} unknown, first {wanted[unknown][0]}")
    return rows
