"""The arms of the comparison, and the training sources that set them apart, all at one number of stacks a group."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Int

from classifier.foundation.errors import InputError
from classifier.pattern.geometry import ViewConfig
from classifier.pattern.grid import seen
from classifier.samples.split import Split
from classifier.samples.stackfile import SampleTable, StackFile, StackWriter
from classifier.training.losses import CrossEntropy, LogitAdjusted, Loss

Source = Literal["duplicated", "reserve", "interior", "boundary", "hard", "shuffled"]
KINDS = {"interior": "interior", "boundary": "boundary", "hard": "hard", "shuffled": "boundary"}
"""Of the synthetic stacks that a source takes; "shuffled": a control, the boundary stacks with each other's labels."""
BATCH = 64
"""Stacks copied at a time."""


@dataclass(frozen=True)
class Arm:
    """One training condition; it differs from its reference arm in one argument, the loss or the added source."""

    label: str
    loss: Loss
    source: Source | None
    reference: str | None


PLAIN, ADJUSTED = CrossEntropy(kind="cross_entropy"), LogitAdjusted(kind="logit_adjusted", tau=1.0)

ARMS = {
    "real": Arm("real", PLAIN, None, None),
    "real_logit_adjusted": Arm("real (LA)", ADJUSTED, None, "real"),
    "duplicated_reals": Arm("duplicated reals", PLAIN, "duplicated", "real"),
    "reserve_reals": Arm("equal number of real stacks", PLAIN, "reserve", "real"),
    "interior_synthetic": Arm("interior synthetic", PLAIN, "interior", "real"),
    "boundary_synthetic": Arm("boundary synthetic", PLAIN, "boundary", "real"),
    "hard_synthetic": Arm("hard synthetic", PLAIN, "hard", "real"),
    "boundary_shuffled_labels": Arm("boundary, shuffled labels", PLAIN, "shuffled", "real"),
    "duplicated_reals_logit_adjusted": Arm(
        "duplicated reals (LA)", ADJUSTED, "duplicated", "real_logit_adjusted"),
    "reserve_reals_logit_adjusted": Arm(
        "equal number of real stacks (LA)", ADJUSTED, "reserve", "real_logit_adjusted"),
    "interior_synthetic_logit_adjusted": Arm(
        "interior synthetic (LA)", ADJUSTED, "interior", "real_logit_adjusted"),
    "boundary_synthetic_logit_adjusted": Arm(
        "boundary synthetic (LA)", ADJUSTED, "boundary", "real_logit_adjusted"),
    "hard_synthetic_logit_adjusted": Arm("hard synthetic (LA)", ADJUSTED, "hard", "real_logit_adjusted"),
    "boundary_shuffled_labels_logit_adjusted": Arm(
        "boundary, shuffled labels (LA)", ADJUSTED, "shuffled", "real_logit_adjusted"),
}
"""Every arm by name; (LA) marks the logit-adjusted loss, the cheap remedy that synthetic stacks have to beat."""


def kinds(table: SampleTable) -> np.ndarray:
    """Kind of each synthetic stack, str [N], from the key "kind" of its provenance ("" where it has none)."""
    return np.array([json.loads(text or "{}").get("kind", "") for text in table.provenance], dtype=str)


def equal_numbers(table: SampleTable, sources: set[Source], trained: np.ndarray,
                  reserve: SampleTable | None = None) -> dict[int, int]:
    """Number of stacks to add to each space group: the fewest that any of the sources holds of it.

    Parameters
    ----------
    table : synthetic stacks
    sources : from which stacks are added
    trained : space groups that have real training stacks; no other group is added to
    reserve : real stacks of the source of that name; groups of which it has none get none from any source
    """
    kind, used = kinds(table), sources - {"duplicated"}
    asked = {KINDS[source] for source in sources if source in KINDS}
    usable = np.isin(kind, list(asked)) if asked else kind != ""
    numbers = {}
    for group in np.intersect1d(table.space_group[usable], trained).tolist():
        of_group = kind[usable & (table.space_group == group)]
        numbers[group] = min(((of_group == one).sum() for one in asked), default=len(of_group))
    if reserve is not None:
        numbers = {group: min(number, (reserve.space_group == group).sum()) for group, number in numbers.items()}
    numbers = {group: int(number) for group, number in numbers.items() if number}
    if not numbers:
        raise InputError(source="synthetic file", rule=f"some group must hold stacks of every kind of {sorted(used)}",
                         value=dict(zip(*np.unique(kind, return_counts=True), strict=True)) or "an empty file",
                         remedy="Synthesize more, or leave out the arms whose kind is missing.")
    return numbers


def write_sources(sources: set[Source], *, synthetic: StackFile, real: StackFile, split: Split, view_config: ViewConfig,
                  seed: int, provenance: dict[str, Any], out: Path,
                  reserve: StackFile | None = None) -> tuple[dict[Source, Path], dict[int, int]]:
    """Write out/<source>.h5 for each source; return the paths and {space_group: number of stacks added}.

    Duplicated stacks are drawn from the train part, each as often as any other; all others without replacement. All
    are cut to one view, so that sources differ from the real stacks in nothing but what they show. Shuffled stacks are
    those of the boundary source, and so are their labels, in another order.

    Parameters
    ----------
    sources : to write
    synthetic : stacks of the kinds that sources take
    real, split : training stacks, which are duplicated
    view_config : in which synthetic stacks are made
    seed : of the draws
    provenance : of the files
    out : folder
    reserve : real stacks of the source of that name
    """
    if not sources:
        return {}, {}
    train = np.isin(real.table.sample_id, split.parts["train"])
    kind = kinds(synthetic.table)
    numbers = equal_numbers(synthetic.table, sources, np.unique(real.table.space_group[train]),
                            reserve.table if reserve is not None and "reserve" in sources else None)
    paths: dict[Source, Path] = {
        source: out / f"{source}.h5" for source in sorted(get_args(Source)) if source in sources}
    for source, path in paths.items():
        file = {"duplicated": real, "reserve": reserve}.get(source, synthetic)
        eligible = {"duplicated": train, "reserve": True}.get(source, kind == KINDS.get(source))
        if not path.exists():
            group_of = np.where(eligible, file.table.space_group, 0)
            copy_stacks(file, draw_rows(group_of, numbers, seed), view_config, path, {**provenance, "source": source},
                        duplicated=source == "duplicated", shuffled=seed if source == "shuffled" else None)
    return paths, numbers


def draw_rows(group_of: Int[np.ndarray, " N"], numbers: Mapping[int, int], seed: int) -> Int[np.ndarray, " n"]:
    """Rows drawn at random, so many of each space group; a row comes again only after all others of its group.

    Parameters
    ----------
    group_of : of each row; those of no group that is asked for are not drawn
    numbers : {space_group: number}
    seed : a larger number of the same seed has all rows of a smaller one
    """
    return np.concatenate([np.resize(np.random.default_rng([seed, group]).permutation(
        np.flatnonzero(group_of == group)), number) for group, number in numbers.items()])


def copy_stacks(file: StackFile, rows: np.ndarray, view_config: ViewConfig, path: Path, provenance: dict[str, Any], *,
                duplicated: bool = False, shuffled: int | None = None) -> None:
    """Copy stacks of a file in a view, so that added sources differ in nothing but what they show.

    Parameters
    ----------
    file, rows : the stack file, and which of it, int [n]
    view_config : in which view
    path, provenance : of the copy
    duplicated : whether they are training stacks that come again: each counts as a material, like any added stack
    shuffled : seed of the order in which they get each other's labels; None: they keep their own
    """
    table = file.table.take(rows)
    if duplicated:
        columns = table.columns()
        columns["provenance"] = np.array([json.dumps({"kind": "duplicated", "of": name}) for name in table.sample_id])
        columns["sample_id"] = np.array([f"{name}/duplicate-{i}" for i, name in enumerate(table.sample_id)])
        columns["material"] = columns["sample_id"]
        columns["origin"] = np.full(len(table), "synthetic")
        columns["partition"] = np.full(len(table), "train")
        table = SampleTable.build(len(table), **columns)
    elif shuffled is not None:
        order = np.random.default_rng([shuffled, len(rows)]).permutation(len(rows))
        told = np.array([json.dumps({"kind": "shuffled", "of": name}) for name in table.sample_id])
        table = replace(table, space_group=table.space_group[order], provenance=told)
    grid = seen(np.zeros((0, *file.grid.shape)), file.grid, view_config)[1]
    with StackWriter(path, detector=grid, pose=file.pose, intensity_unit=file.intensity_unit,
                     provenance=provenance, mantissa_bits=file.mantissa_bits) as writer:
        for start in range(0, len(rows), BATCH):
            part = slice(start, start + BATCH)
            stacks, _ = seen(file.read(rows[part]), file.grid, view_config)
            writer.append(np.ascontiguousarray(stacks, dtype=np.float32), table.take(np.arange(len(rows))[part]))
