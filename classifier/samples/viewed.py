"""Samples of a stack file in a network's view, block by block, and the frame that says what their pixels mean."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int

from classifier.foundation.config import digest
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import Detector, ViewConfig
from classifier.pattern.grid import Grid, SampleGrid, detector_of, seen
from classifier.pattern.intensity import stacks_at_once
from classifier.samples.stackfile import SampleTable, StackFile, opened


@dataclass(frozen=True)
class Frame:
    """What the values of a set of samples mean: the grid (after the view), the pose and the unit of intensity."""

    grid: Grid
    pose: str
    intensity_unit: str

    @property
    def detector(self) -> Detector:
        """What the pixels of CBED patterns mean; of samples of another kind an InputError."""
        return detector_of(self.grid, "frame of the samples")

    def require(self, other: "Frame", source: object) -> None:
        """Refuse samples in another frame than this one; pixel sizes, axes and wavelengths may differ by rounding."""
        alike = (other.pose, other.intensity_unit) == (self.pose, self.intensity_unit)
        if not (alike and _same(self.grid, other.grid)):
            raise InputError(source=source, rule=f"detector, pose and intensity unit must be those of training, {self}",
                             value=other, remedy="Bring the patterns to these, or train on patterns like these.")


def _same(mine: Grid, other: Grid) -> bool:
    """Whether grids are of one kind, size and unit, and their numbers differ by rounding alone."""
    if isinstance(mine, Detector) and isinstance(other, Detector):
        return (mine.unit, mine.size_pixels) == (other.unit, other.size_pixels) and (
            abs(other.pixel_size / mine.pixel_size - 1) <= 1e-6)
    if not (isinstance(mine, SampleGrid) and isinstance(other, SampleGrid)):
        return False
    names, numbers = zip(*(((grid.kind, grid.shape, [(axis.name, axis.unit) for axis in grid.axes]),
                            [grid.wavelength_angstrom or 0.0, *(number for axis in grid.axes
                                                                for number in (axis.first, axis.step))])
                           for grid in (mine, other)), strict=True)
    return names[0] == names[1] and np.allclose(*numbers, rtol=1e-6, atol=1e-9)


@dataclass(frozen=True, eq=False)
class Viewed:
    """Samples of an open stack file (all, or sample_ids in their order) in a view: read block by block."""

    file: StackFile
    config: ViewConfig
    rows: np.ndarray
    shape: tuple[int, ...]  # [N, C, *spatial]
    frame: Frame

    @classmethod
    def of(cls, file: StackFile, config: ViewConfig, sample_ids: Sequence[str] | None) -> "Viewed":
        """The samples' rows, and the grid as the view shows it."""
        rows = np.arange(len(file)) if sample_ids is None else rows_of(file, sample_ids)
        empty, grid = seen(np.zeros((0, *file.grid.shape), np.float32), file.grid, config)
        return cls(file, config, rows, (len(rows), *empty.shape[1:]), Frame(grid, file.pose, file.intensity_unit))

    def table(self) -> SampleTable:
        """Rows of the samples."""
        return self.file.table.take(self.rows)

    def trainable(self) -> Iterator[np.ndarray]:
        """Blocks that a network can learn from, see require_varied."""
        start = 0
        for block in self.blocks():
            self.require_varied(block, start)
            start += len(block)
            yield block

    def require_varied(self, block: Float32[np.ndarray, "n C *spatial"], start: int = 0) -> None:
        """Refuse (InputError) samples from `start` on with an empty or constant pattern: nothing is learnt there."""
        values = block.reshape(*block.shape[:2], -1)
        flat = (values.min(-1) == values.max(-1)).any(-1)
        if flat.any():
            first = self.file.table.sample_id[self.rows[start + int(flat.argmax())]]
            raise InputError(source=self.file.path, rule="no pattern to train on may be empty or constant",
                             value=f"{int(flat.sum())} samples, first {first}",
                             remedy="Leave these samples out, or restore them.")

    def read(self) -> Float32[np.ndarray, "N C *spatial"]:
        """All samples."""
        intensity = np.empty(self.shape, dtype=np.float32)
        self._read_into(intensity, 0)
        return intensity

    def _read_into(self, out: np.ndarray, start: int) -> None:
        """Read the samples from `start` on into out float32 [n, C, *spatial], few at a time, whole."""
        step = stacks_at_once(self.file.grid.shape)
        for first in range(0, len(out), step):
            part = out[first:first + step]
            rows = self.rows[start + first:start + first + len(part)]
            part[:] = seen(self.file.read(rows), self.file.grid, self.config)[0]

    def blocks(self) -> Iterator[np.ndarray]:
        """The samples in turn, float32 [n, C, *spatial] in blocks that memory has room for."""
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
    """Read intensities float32 [N, C, *spatial] in a view, their table and frame; all samples, or sample_ids."""
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
