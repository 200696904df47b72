"""What one stack file holds: sizes, energies, thicknesses and intensities, with little memory however large it is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from classifier.foundation.errors import InputError
from classifier.pattern.geometry import Detector
from classifier.pattern.grid import Grid
from classifier.samples.stackfile import StackFile

SAMPLED_STACKS = 16  # read of each file for the range of intensities, unless every stack is


@dataclass(frozen=True)
class Range:
    """Least, median and greatest of the known values of a quantity, and how many are unknown."""

    least: float
    median: float
    greatest: float
    unknown: int

    @classmethod
    def of(cls, values: np.ndarray) -> "Range | None":
        """The range of values of any shape, NaN where unknown; None when all are."""
        finite = values[np.isfinite(values)]
        if not finite.size:
            return None
        return cls(float(finite.min()), float(np.median(finite)), float(finite.max()), int(values.size - finite.size))

    def __str__(self) -> str:
        unknown = f", {self.unknown} unknown" if self.unknown else ""
        if self.least == self.greatest:
            return f"{self.least:.4g}{unknown}"
        return f"{self.least:.4g} to {self.greatest:.4g}, median {self.median:.4g}{unknown}"


@dataclass(frozen=True)
class Intensities:
    """totals: sums over a pattern; brightest: the greatest pixel; stacks_read: how many of the file's were read."""

    totals: Range
    brightest: float
    stacks_read: int


@dataclass(frozen=True)
class FileEntry:
    """One stack file: what it holds and how its patterns lie; stage: the one that wrote it.

    kind, extent: of measurement, and shape and axes of a sample in words; size_pixels, pixel_size: along the last axis,
    in `unit`.
    """

    path: str
    digest: str
    plan_digest: str
    condition: str
    size_bytes: int
    samples: int
    materials: int
    structure_types: int
    origins: tuple[str, ...]
    kind: str
    extent: str
    size_pixels: int
    pixel_size: float
    unit: str
    pose: str
    intensity_unit: str
    stage: str
    beam_energy_kev: Range | None
    thickness_angstrom: Range | None
    convergence_semi_angle_mrad: Range | None
    intensities: Intensities | None

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.samples} samples of {self.extent}; {self.materials} materials, "
                 f"{self.structure_types} structure types; {' and '.join(self.origins) or 'no origin'}; "
                 f"written by {self.stage or 'an unknown stage'}; digest {self.digest[:12]}{self._set()}"]
        quantities = [f"{name} {text}" for name, text in self.quantities().items() if text]
        return "\n".join([*lines, *([f"  {'; '.join(quantities)}"] if quantities else [])])

    def _set(self) -> str:
        plan = "" if self.plan_digest == self.digest else f", of the plan {self.plan_digest[:12]}"
        return f"{plan}, {self.condition}" if self.condition else plan

    def quantities(self) -> dict[str, str]:
        """Ranges of the physical quantities as text, "" where unknown."""
        given = {"beam energy (keV)": self.beam_energy_kev, "thickness (angstrom)": self.thickness_angstrom,
                 "semi-angle (mrad)": self.convergence_semi_angle_mrad}
        ranges = {name: str(values) if values else "" for name, values in given.items()}
        seen = self.intensities
        ranges["total of a pattern"] = (f"{seen.totals} ({self.intensity_unit}; brightest pixel {seen.brightest:.4g}; "
                                       f"from {seen.stacks_read} of {self.samples} stacks)" if seen else "")
        return ranges


def survey(file: StackFile, *, every_stack: bool, faults: list[str], findings: list[str],
           advance: Callable[[], None]) -> FileEntry:
    """Describe a file and read its stacks.

    Parameters
    ----------
    file : stack file
    every_stack : whether to read all, or a few
    faults, findings : to which damage and empty patterns are added
    advance : called for each stack
    """
    table = file.table
    return FileEntry(
        path=str(file.path), digest=file.digest, plan_digest=file.plan_digest,
        condition=file.identity.condition, size_bytes=file.path.stat().st_size, samples=len(file),
        materials=distinct(table.material), structure_types=distinct(table.structure_type),
        origins=tuple(np.unique(table.origin).tolist()), kind=file.grid.kind,
        extent=_extent(file.grid, file.pose), size_pixels=file.grid.shape[-1], pixel_size=_last_step(file.grid),
        unit=file.grid.described_axes()[-1][2], pose=file.pose,
        intensity_unit=file.intensity_unit, stage=str(file.provenance.get("stage", "")),
        beam_energy_kev=Range.of(table.beam_energy_kev), thickness_angstrom=Range.of(table.thickness_angstrom),
        convergence_semi_angle_mrad=Range.of(table.convergence_semi_angle_mrad),
        intensities=_intensities(file, sampled_rows(len(file), every_stack), faults, findings, advance))


def _extent(grid: Grid, pose: str) -> str:
    """Shape and axes of a sample in words."""
    if isinstance(grid, Detector):
        return f"{grid.size_pixels} x {grid.size_pixels} pixels, {grid.pixel_size:.6g} {grid.unit} each, {pose} pose"
    axes = [f"{axis.name} from {axis.first:.6g} in {axis.points} points, {axis.step:.6g} {axis.unit} apart"
            for axis in grid.axes]
    wave = grid.wavelength_angstrom
    return f"kind {grid.kind}, {' and '.join(axes)}" + (f", wavelength {wave:.6g} angstrom" if wave else "")


def _last_step(grid: Grid) -> float:
    return grid.pixel_size if isinstance(grid, Detector) else grid.axes[-1].step


def sampled_rows(samples: int, every_stack: bool) -> np.ndarray:
    """Rows int64 [n] to read: all, or a few evenly spread."""
    count = samples if every_stack else min(samples, SAMPLED_STACKS)
    return np.linspace(0, samples - 1, count).astype(np.int64) if count else np.zeros(0, np.int64)


def distinct(names: np.ndarray) -> int:
    """How many different names there are, "" not counted."""
    return len(np.unique(names[names != ""]))


def _intensities(file: StackFile, rows: np.ndarray, faults: list[str], findings: list[str],
                 advance: Callable[[], None]) -> Intensities | None:
    totals, brightest = np.full((len(rows), file.grid.shape[0]), np.nan), 0.0
    for place, row in enumerate(rows):
        advance()
        try:
            stack = file.read([row])[0]
        except InputError as fault:
            faults.append(str(fault))
            continue
        each = stack.reshape(len(stack), -1)
        if not each.any(axis=1).all():
            findings.append(f"{file.path}, sample {file.table.sample_id[row]}: a pattern has no intensity.")
        totals[place], brightest = each.sum(axis=1, dtype=np.float64), max(brightest, float(stack.max()))
    read = np.isfinite(totals).all(axis=1)
    total = Range.of(totals[read])
    return Intensities(total, brightest, int(read.sum())) if total else None
