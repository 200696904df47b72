"""Many stack files as one table: how much there is of each space group, what parts share, and what is damaged."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from classifier.crystal import spacegroup
from classifier.foundation.atomic import read_json
from classifier.foundation.errors import InputError
from classifier.foundation.run import progress
from classifier.inspection.leaks import ADDED, Leak, equal_stacks, find_leaks, leaking_stacks
from classifier.inspection.survey import FileEntry, distinct, sampled_rows, survey
from classifier.samples.plan import is_of, told
from classifier.samples.sampletable import SampleTable
from classifier.samples.split import PARTS, load_split
from classifier.samples.stackfile import StackFile
from classifier.statistics.metrics import SHOT_CLASSES, shot_class


@dataclass(frozen=True)
class GroupCount:
    """One space group: its name and how many samples, structure types and materials there are of it.

    shot: few, medium or many by the materials of the train part, or by all where there are no parts.
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
    part: str [N], train, validation, test, added or ""; faults: a sentence for each damaged file or stack; leaks: what
    parts share; findings: a sentence for each other thing that is wrong, or that should be looked at."""

    files: tuple[FileEntry, ...]
    samples: SampleTable
    file_idx: np.ndarray
    part: np.ndarray
    faults: tuple[str, ...]
    leaks: tuple[Leak, ...]
    findings: tuple[str, ...]

    def groups(self) -> list[GroupCount]:
        """Counts of the labelled space groups, ascending."""
        table = self.samples
        return [_count(int(number), table.take(rows), self.part[rows])
                for number in np.unique(table.space_group[table.space_group > 0])
                for rows in [np.flatnonzero(table.space_group == number)]]

    def headline(self) -> str:
        """How much there is, in one line."""
        groups = self.groups()
        shots = ", ".join(f"{sum(g.shot == shot for g in groups)} {shot}" for shot in SHOT_CLASSES)
        return (f"{len(self.samples)} samples, {distinct(self.samples.material)} materials, {len(groups)} of 230 space "
                f"groups ({shots})")

    def table(self) -> RenderableType:
        """Files, counts of the groups and what is wrong, to print on a rich console."""
        groups, shown = self.groups(), []
        counts = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False, title_justify="left", title_style="bold",
                       title=f"{self.headline()}; train, validation, test: materials of a part")
        for column in fields(GroupCount):
            values = [str(getattr(group, column.name)) for group in groups]
            if set(values) - {"0"}:
                name, is_text = column.name.replace("_", " "), column.type is str
                counts.add_column(name, justify="left" if is_text else "right", max_width=None if is_text else 9)
                shown.append(values)
        for row in zip(*shown, strict=True):
            counts.add_row(*row)
        remarks = [Text(f"! {remark}", style=style) for style, several in
                   (("red", self.faults), ("magenta", self.leaks), ("yellow", self.findings)) for remark in several]
        return Group(*(Text(str(entry)) for entry in self.files), counts, *(remarks or [Text("Nothing found wrong.")]))

    def to_json(self) -> dict[str, Any]:
        """The same as JSON content: files, groups, faults, leaks, findings."""
        return {"files": [asdict(entry) for entry in self.files], "groups": [asdict(group) for group in self.groups()],
                "faults": list(self.faults), "leaks": [asdict(leak) for leak in self.leaks],
                "findings": list(self.findings)}


def catalog(paths: Iterable[Path], *, verify: bool, split: Path | None) -> Catalog:
    """Open stack files, or all *.h5 of folders, and count what they hold; verify: also read and check every stack.

    split: split.json of one of the files, whose parts then count in place of the published ones. A file that cannot be
    read is a fault, not an error, so that one bad file hides no others. InputError: no file, or no file of the split.
    """
    faults: list[str] = []
    findings: list[str] = []
    with ExitStack() as exits:
        opened = []
        for path in _stack_paths(paths):
            try:
                opened.append(exits.enter_context(StackFile(path)))
            except InputError as fault:
                faults.append(str(fault))
        total = sum(len(sampled_rows(len(file), verify)) for file in opened)
        with progress("Verify stacks" if verify else "Sample stacks", total) as bar:
            entries = [survey(file, every_stack=verify, faults=faults, findings=findings, advance=bar.advance)
                       for file in opened]
        # Per-sample provenance is most of a table's bytes, and nothing here asks for it.
        samples = SampleTable.concatenate([replace(file.table, provenance=np.full(len(file), "")) for file in opened])
        file_idx = np.repeat(np.arange(len(opened)), list(map(len, opened)))
        part, shared_types = _parts(opened, samples, file_idx, split, findings)
        pairs = equal_stacks(opened, faults)
    leaks = [*find_leaks(samples, part, shared_types=shared_types), *leaking_stacks(pairs, samples, part)]
    findings += [*_inconsistencies(entries, samples, file_idx), *_twins(pairs, samples)]
    return Catalog(tuple(entries), samples, file_idx, part, tuple(dict.fromkeys(faults)), tuple(leaks), tuple(findings))


def _stack_paths(paths: Iterable[Path]) -> list[Path]:
    paths = [Path(path) for path in paths]
    files = [file for path in paths for file in (sorted(path.glob("*.h5")) if path.is_dir() else [path])]
    missing = [str(path) for path in files if not path.exists()]
    if missing or not files:
        raise InputError(source="inspect", rule="there must be a stack file",
                         value=", ".join(missing or map(str, paths)) or "none",
                         remedy="Name files, or folders with *.h5 files.")
    return files


def _parts(files: Sequence[StackFile], samples: SampleTable, file_idx: np.ndarray, split: Path | None,
           findings: list[str]) -> tuple[np.ndarray, list[int]]:
    """The part of each sample, and the space groups in which the split lets validation share structure types."""
    part, shared_types = samples.partition.astype("<U10"), []
    if split is not None:
        wanted = {"stack_digest": None, **read_json(split)}
        owners = [number for number, file in enumerate(files) if is_of(wanted, file.identity)]
        if not owners:
            raise InputError(source=split, rule="one of the files must be the one that was split",
                             value=f"{told(wanted)}, files {', '.join(file.plan_digest[:12] for file in files)}",
                             remedy="Name that stack file too.")
        parted = load_split(split, stack_digest=files[owners[0]].identity)
        mine = np.isin(file_idx, owners)  # files of one plan hold the same samples
        part[mine] = ""
        for name in PARTS:
            part[mine & np.isin(samples.sample_id, parted.parts[name])] = name
        shared_types = [int(name.split()[-1])
                        for name in parted.listed.get("validation shares structure types with train", [])]
        findings += [f"{file.path}: its synthetic stacks come of another split." for file in files
                     if (file.table.origin == "synthetic").any()
                     and file.provenance.get("split_digest") not in parted.names]
        part[~mine & (part == "")] = ADDED
    elif (part != "").any():
        part[part == ""] = ADDED
    return part, shared_types


def _count(number: int, table: SampleTable, part: np.ndarray) -> GroupCount:
    materials = {name: distinct(table.material[part == name]) for name in PARTS}
    total = distinct(table.material)
    decisive = materials["train"] if np.isin(part, PARTS).any() else total
    return GroupCount(
        space_group=number, symbol=spacegroup.symbol(number), crystal_system=spacegroup.crystal_system(number),
        shot=str(shot_class(np.array([decisive]))[0]), samples=len(table),
        structure_types=distinct(table.structure_type), materials=total, **materials)


def _inconsistencies(files: Sequence[FileEntry], samples: SampleTable, file_idx: np.ndarray) -> Iterator[str]:
    """Say what does not fit together in the tables and settings of the files."""
    for setting in ("kind", "size_pixels", "pixel_size", "unit", "pose", "intensity_unit"):
        values = {str(getattr(entry, setting)) for entry in files}
        if len(values) > 1:
            yield f"The files differ in {setting}: {', '.join(sorted(values))}."
    plans = [entry.plan_digest for entry in files]
    of_plan = np.array([plans.index(plan) for plan in plans], dtype=np.int64)[file_idx]  # files of one plan are one set
    for plan, condition in dict.fromkeys((entry.plan_digest, entry.condition) for entry in files):
        builds = [entry.path for entry in files if (entry.plan_digest, entry.condition) == (plan, condition)]
        if len(builds) > 1:
            yield f"Builds of one set, to be compared with --against: {', '.join(builds)}."
    ids, times = np.unique(np.unique(np.stack([samples.sample_id, of_plan.astype(str)], axis=1), axis=0)[:, 0],
                           return_counts=True)
    if (times > 1).any():
        yield _some("Sample ids in more than one file", ids[times > 1])
    unlabelled = samples.sample_id[samples.space_group == 0]
    if len(unlabelled):
        yield _some("Samples without a space group", unlabelled)
    named = samples.material != ""
    if not named.all():
        yield _some("Samples without a material, which cannot be split or resampled", samples.sample_id[~named])
    for what, other in (("Materials under more than one space group", samples.space_group),
                        ("Materials in more than one file", of_plan)):
        pairs = np.unique(np.stack([samples.material[named], other[named].astype(str)], axis=1), axis=0)
        names, times = np.unique(pairs[:, 0], return_counts=True)
        if (times > 1).any():
            yield _some(what, names[times > 1])


def _twins(pairs: Sequence[tuple[int, int]], samples: SampleTable) -> Iterator[str]:
    """Say which equal stacks stand under one material, and which under several."""
    same = [samples.material[one] == samples.material[other] for one, other in pairs]
    for what, wanted in (("Equal stacks under different materials", False), ("Equal stacks of one material", True)):
        named = np.array([f"{samples.sample_id[one]} = {samples.sample_id[other]}"
                          for (one, other), alike in zip(pairs, same, strict=True) if alike == wanted])
        if len(named):
            yield _some(what, named)


def _some(what: str, names: np.ndarray) -> str:
    return f"{what} ({len(names)}): {', '.join(names[:5])}{', ...' if len(names) > 5 else '.'}"
