"""folds [stage]: K splits with the test part of one, in which each other material is in validation exactly once."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.samples.holdout import Materials, bundle, deal
from classifier.samples.split import load_split, write_split
from classifier.samples.stackfile import SampleTable, StackFile

ALWAYS_TRAINED = -1  # fold of a material that cannot be held out without all others of its group
NOT_CUT = "no validation: nothing can be held out whole"
BY_MATERIAL = "validation shares structure types with train"


class FoldsConfig(Config):
    """folds: number K of splits; group_by: what never crosses train and validation, whole structure types of a space
    group, or single materials; seed: of the random choice."""

    folds: Annotated[int, Field(ge=2, le=100)]
    group_by: Literal["structure_type", "material"]
    seed: int


def folds(config: FoldsConfig, *, stacks: Path, split: Path, out: Path) -> Path:
    """Write fold-1.json to fold-K.json, each a split with a digest of its own, into the folder `out`.

    Existing files of the same configuration and split are kept.

    Parameters
    ----------
    config, out : how many folds, and what never crosses train and validation; folder
    stacks, split : the file that was split; train and validation are parted anew, test and what was dropped stay
    """
    with StackFile(stacks) as file:
        table, whole = file.table, load_split(split, stack_digest=file.identity)
    learning = np.isin(table.sample_id, whole.parts["train"] + whole.parts["validation"])
    fold = np.full(len(table), ALWAYS_TRAINED)
    fold[learning], cuts = assign_folds(table.take(learning), config, source=stacks)
    Path(out).mkdir(parents=True, exist_ok=True)
    part = np.where(np.isin(table.sample_id, whole.parts["test"]), "test", "").astype("<U10")
    for number in range(config.folds):
        part[learning] = np.where(fold[learning] == number, "validation", "train")
        # What the split says of its own validation part no longer holds.
        listed = {reason: names for reason, names in whole.listed.items() if "validation" not in reason} | cuts
        write_split(Path(out) / f"fold-{number + 1}.json", table, part, listed, identity=whole.identity,
                    config={**config.model_dump(mode="json"), "fold": number + 1, "of_split": whole.digest})
    return Path(out)


def assign_folds(table: SampleTable, config: FoldsConfig, *, source: object) -> tuple[np.ndarray, dict[str, list[str]]]:
    """Fold of each sample, int [N] from 0 (or ALWAYS_TRAINED), and {reason: space groups} of every exception made.

    Each space group is dealt by itself, so that every fold has its share. Whole structure types stay together where
    none makes more than half of the group; else the group is dealt by material. Materials of one formula always stay
    together. A group that is a single unit is always in train.
    """
    if (table.material == "").any():
        raise InputError(source=source, rule="every stack needs its material, by which folds are cut", value="none for "
                         f"{int((table.material == '').sum())} stacks", remedy="Complete the table.")
    materials, listed = Materials.of(table, by_type=config.group_by == "structure_type"), {}
    fold = np.full(len(materials.names), ALWAYS_TRAINED)
    for group in np.unique(materials.space_group):
        rows, rng = materials.space_group == group, np.random.default_rng([config.seed, group])
        unit = bundle(materials.kind[rows], materials.duplicate[rows])
        if config.group_by == "structure_type" and 2 * np.bincount(unit).max() > len(unit):
            unit = bundle(materials.names[rows], materials.duplicate[rows])
            if unit.max():
                listed.setdefault(BY_MATERIAL, []).append(f"space group {group}")
        if unit.max():
            fold[rows] = deal(unit, config.folds, rng)
        else:
            listed.setdefault(NOT_CUT, []).append(f"space group {group}")
    if len(np.setdiff1d(np.arange(config.folds), fold)):
        raise InputError(source=source, rule="every fold needs materials for validation", value=f"{config.folds} folds",
                         remedy="Lower folds.")
    return fold[materials.of_sample], listed
