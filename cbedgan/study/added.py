"""The stacks that arms add: how many of each group, the same for arms that are to be compared, and their files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cbedgan.comparison.arms import copy_stacks, draw_rows, kinds
from cbedgan.study.study_config import DUPLICATED, StudyArm, StudyConfig
from classifier.foundation.errors import InputError
from classifier.samples.split import Split
from classifier.samples.stackfile import SampleTable, StackFile
from classifier.statistics.metrics import shot_class

Numbers = dict[str, dict[int, int]]  # {arm: {space_group: stacks added}}


def eligible_groups(arm: StudyArm, table: SampleTable) -> np.ndarray:
    """Space group of each row of its source that an arm may take, int [N]; 0 where it may not."""
    return table.space_group if arm.kind is None else np.where(kinds(table) == arm.kind, table.space_group, 0)


def added_numbers(config: StudyConfig, tables: Mapping[str, SampleTable], materials: Mapping[int, int]) -> Numbers:
    """Number of stacks that each arm adds to each space group; an arm that could add none is an InputError.

    Parameters
    ----------
    config : of the study
    tables : of the sources by name; of "duplicated" the train part
    materials : {space_group: training materials}; a group without any is not added to
    """
    shots = {group: str(shot_class(np.array(number))) for group, number in materials.items() if number}
    numbers: Numbers = {}
    for name, arm in config.arms.items():
        numbers[name] = {}
        if arm.source is not None:
            groups, held = np.unique(eligible_groups(arm, tables[arm.source]), return_counts=True)
            most = np.full(len(groups), arm.number) if arm.source == DUPLICATED and arm.number else np.minimum(
                held, arm.number or held)
            numbers[name] = {group: number for group, number in zip(groups.tolist(), most.tolist(), strict=True)
                             if shots.get(group) in arm.shots}
    for members in alike(config):
        fewest = {group: min(numbers[name].get(group, 0) for name in members) for group in numbers[members[0]]}
        numbers |= {name: {group: number for group, number in fewest.items() if number} for name in members}
    for name, arm in config.arms.items():
        if arm.source is not None and not numbers[name]:
            raise InputError(source=f"study configuration, arms.{name}", value=f"none of kind {arm.kind or 'any'}, or "
                             "none in an arm that is to have as many", rule="its source must hold stacks of the groups "
                             "that it adds to", remedy="Give another source, kind or number, or equal_numbers = false.")
    return numbers


def alike(config: StudyConfig) -> list[list[str]]:
    """Arms that ask for the same number of stacks of the same groups, and so are to add equally many."""
    families: dict[tuple, list[str]] = {}
    for name, arm in config.arms.items():
        if config.equal_numbers and arm.source is not None and arm.number is not None:
            families.setdefault((arm.number, tuple(sorted(arm.shots))), []).append(name)
    return list(families.values())


def added_path(config: StudyConfig, name: str, seed: int, out: Path) -> Path | None:
    """Where the stacks lie that an arm adds in a training with a seed; None: it adds none."""
    arm = config.arms[name]
    if arm.source is None:
        return None
    return out / "sources" / f"{name}-{'all' if _is_whole(arm) else f'draw{config.source_seed(seed)}'}.h5"


def write_added(config: StudyConfig, numbers: Numbers, files: Mapping[str, StackFile], split: Split, out: Path) -> None:
    """Write what each arm adds, one file a draw, cut to the view of the classifier; one that is as asked for stays.

    Its record names the source, not the study, so that trainings may be taken over into another study.

    Parameters
    ----------
    config, numbers : of the study
    files : sources by name; that of "duplicated" holds the train part
    split : of the study
    out : its folder
    """
    for seed in config.seeds:
        for name, arm in config.arms.items():
            path = added_path(config, name, seed, out)
            if path is None or arm.source is None:
                continue
            file, source_seed = files[arm.source], None if _is_whole(arm) else config.source_seed(seed)
            record = {"source": arm.source, "source_digest": file.digest, "kind": arm.kind, "source_seed": source_seed,
                      "shuffled": arm.shuffled, "numbers": {str(key): one for key, one in numbers[name].items()},
                      "view": config.classifier.view.model_dump(mode="json"), "split_digest": split.digest}
            if path.exists() and _record(path) == record:
                continue
            groups = eligible_groups(arm, file.table)
            if arm.source == DUPLICATED:
                groups = np.where(np.isin(file.table.sample_id, split.parts["train"]), groups, 0)
            copy_stacks(file, draw_rows(groups, numbers[name], source_seed or 0), config.classifier.view, path, record,
                        duplicated=arm.source == DUPLICATED, shuffled=source_seed if arm.shuffled else None)


def _is_whole(arm: StudyArm) -> bool:
    """Whether an arm adds all that there is, so that every draw is the same."""
    return arm.number is None and not arm.shuffled


def _record(path: Path) -> dict[str, Any]:
    with StackFile(path) as file:
        return file.provenance
