"""Many stack files as one table: how much there is of each space group, and what is wrong with the files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from classifier import spacegroup
from classifier.errors import InputError
from classifier.metrics import SHOT_CLASSES, shot_class
from classifier.run import progress
from classifier.sampletable import PARTITIONS, SampleTable
from classifier.stackfile import StackFile


@dataclass(frozen=True)
class FileEntry:
    """One stack file: what it holds and how its patterns lie; pixel_size in `unit`, stage: the one that wrote it."""

    path: str
    digest: str
    samples: int
    size_pixels: int
    pixel_size: float
    unit: str
    pose: str
    intensity_unit: str
    stage: str

    def __str__(self) -> str:
        return (f"{self.path}: {self.samples} samples of {self.size_pixels} x {self.size_pixels} pixels, "
                f"{self.pixel_size:.6g} {self.unit} each, {self.pose} pose; intensity unit: {self.intensity_unit}; "
                f"written by {self.stage or 'an unknown stage'}; digest {self.digest[:12]}")


@dataclass(frozen=True)
class GroupCount:
    """One space group: its name and how many samples, structure types and materials there are of it.

    shot: few, medium or many by the materials of the published train partition, or by all where none is published.
    """

    space_group: int
    symbol: str
    crystal_system: str
    shot: str
    samples: int
    structure_types: int
    materials: int
    train: int
    validation: int
    test: int


@dataclass(frozen=True, eq=False)
class Catalog:
    """files [F]; samples: the tables of all files under each other; file_idx int64 [N]: the file of each sample;
    findings: one sentence for each thing that is wrong, or that should be looked at."""

    files: tuple[FileEntry, ...]
    samples: SampleTable
    file_idx: np.ndarray
    findings: tuple[str, ...]

    def groups(self) -> list[GroupCount]:
        """Counts of the labelled space groups, ascending."""
        table = self.samples
        return [_count(table.take(table.space_group == number))
                for number in np.unique(table.space_group[table.space_group > 0])]

    def table(self) -> RenderableType:
        """Files, counts of the groups and findings, to print on a rich console."""
        groups, shown = self.groups(), []
        shots = ", ".join(f"{sum(g.shot == shot for g in groups)} {shot}" for shot in SHOT_CLASSES)
        counts = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False, title_justify="left", title_style="bold", title=(
            f"{len(self.samples)} samples, {_distinct(self.samples.material)} materials, {len(groups)} of 230 space "
            f"groups ({shots}); train, validation, test: materials of a published partition"))
        for column in fields(GroupCount):
            values = [str(getattr(group, column.name)) for group in groups]
            if set(values) - {"0"}:
                name, is_text = column.name.replace("_", " "), column.type == "str"
                counts.add_column(name, justify="left" if is_text else "right", max_width=None if is_text else 9)
                shown.append(values)
        for row in zip(*shown, strict=True):
            counts.add_row(*row)
        findings = [Text(f"! {finding}", style="yellow") for finding in self.findings] or [Text("Nothing found wrong.")]
        return Group(*map(str, self.files), counts, *findings)

    def to_json(self) -> dict[str, Any]:
        """The same as JSON content: files, groups, findings."""
        return {"files": [asdict(entry) for entry in self.files], "groups": [asdict(group) for group in self.groups()],
                "findings": list(self.findings)}


def catalog(paths: Iterable[Path], *, verify: bool = False) -> Catalog:
    """Open stack files, or all *.h5 of folders, and count what they hold; verify: also read and check every stack.

    A file that cannot be opened is a finding, not an error, so that one bad file hides no others. InputError: no file.
    """
    files, tables, findings = [], [], []
    for path in _stack_paths(paths):
        try:
            with StackFile(path) as file:
                files.append(_entry(file))
                tables.append(file.table)
        except InputError as fault:
            findings.append(str(fault))
    samples = SampleTable.concatenate(tables)
    file_idx = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    findings += _inconsistencies(files, samples)
    if verify:
        findings += _stack_findings(files)
    return Catalog(tuple(files), samples, file_idx, tuple(findings))


def _stack_paths(paths: Iterable[Path]) -> list[Path]:
    paths = [Path(path) for path in paths]
    found = [file for path in paths for file in (sorted(path.glob("*.h5")) if path.is_dir() else [path])]
    if not found:
        raise InputError(source="catalog", rule="there must be a stack file",
                         value=", ".join(map(str, paths)) or "none", remedy="Name files, or folders with *.h5 files.")
    return found


def _entry(file: StackFile) -> FileEntry:
    return FileEntry(path=str(file.path), digest=file.digest, samples=len(file), size_pixels=file.detector.size_pixels,
                     pixel_size=file.detector.pixel_size, unit=file.detector.unit, pose=file.pose,
                     intensity_unit=file.intensity_unit, stage=str(file.provenance.get("stage", "")))


def _count(table: SampleTable) -> GroupCount:
    number = int(table.space_group[0])
    materials = {part: _distinct(table.material[table.partition == part]) for part in PARTITIONS if part}
    total = _distinct(table.material)
    published = bool((table.partition != "").any())
    return GroupCount(
        space_group=number, symbol=spacegroup.symbol(number), crystal_system=spacegroup.crystal_system(number),
        shot=str(shot_class(np.array([materials["train"] if published else total]))[0]), samples=len(table),
        structure_types=_distinct(table.structure_type), materials=total, **materials)


def _inconsistencies(files: list[FileEntry], samples: SampleTable) -> Iterator[str]:
    """Say what does not fit together in the tables and settings of the files."""
    for setting in ("size_pixels", "pixel_size", "unit", "pose", "intensity_unit"):
        values = {str(getattr(entry, setting)) for entry in files}
        if len(values) > 1:
            yield f"The files differ in {setting}: {', '.join(sorted(values))}."
    ids, times = np.unique(samples.sample_id, return_counts=True)
    if (times > 1).any():
        yield _some("Sample ids in more than one file", ids[times > 1])
    unlabelled = samples.sample_id[samples.space_group == 0]
    if len(unlabelled):
        yield _some("Samples without a space group", unlabelled)
    named = samples.material != ""
    if not named.all():
        yield _some("Samples without a material, which cannot be split or resampled", samples.sample_id[~named])
    pairs = np.unique(np.stack([samples.material[named], samples.space_group[named].astype(str)], axis=1), axis=0)
    names, times = np.unique(pairs[:, 0], return_counts=True)
    if (times > 1).any():
        yield _some("Materials under more than one space group", names[times > 1])


def _stack_findings(files: list[FileEntry]) -> Iterator[str]:
    """Read every stack; report damage, patterns without intensity, and one stack under several materials."""
    material_of: dict[bytes, str] = {}
    with progress("Verify stacks", sum(entry.samples for entry in files)) as bar:
        for entry in files:
            with StackFile(Path(entry.path)) as file:
                for row, name in enumerate(file.table.sample_id):
                    bar.advance()
                    try:
                        stack = file.read([row])[0]
                    except InputError as fault:
                        yield str(fault)
                        continue
                    if not stack.any(axis=(1, 2)).all():
                        yield f"{entry.path}, sample {name}: a pattern has no intensity."
                    material = str(file.table.material[row])
                    twin = material_of.setdefault(hashlib.blake2b(stack, digest_size=16).digest(), material)
                    if twin != material:
                        yield f"{entry.path}, sample {name}: its stack also stands under material {twin}."


def _some(what: str, names: np.ndarray) -> str:
    return f"{what} ({len(names)}): {', '.join(names[:5])}{', ...' if len(names) > 5 else '.'}"


def _distinct(names: np.ndarray) -> int:
    return len(np.unique(names[names != ""]))
