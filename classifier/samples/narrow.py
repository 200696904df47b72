"""A split whose train part is cut down to chosen materials, as a split file of its own; what is held out stays."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from classifier.foundation.atomic import write_json
from classifier.foundation.config import digest
from classifier.foundation.errors import InputError
from classifier.samples.split import PARTS, load_split
from classifier.samples.stackfile import StackFile


def narrow_split(split: Path, *, stacks: Path, materials: Collection[str], out: Path) -> Path:
    """Write `split` with no other training materials than `materials`; its digest and class map name the origin.

    The class map stays that of the whole split, so that classifiers of several such splits give the same logits.
    """
    with StackFile(stacks) as file:
        held, table = load_split(split, stack_digest=file.digest), file.table
    foreign = sorted(set(materials) - set(held.materials["train"]))
    if foreign or not len(materials):
        raise InputError(source=split, rule="chosen materials must be of the train part, and there must be one",
                         value=", ".join(foreign[:5]) or "none", remedy="Choose among its training materials.")
    in_train = np.isin(table.sample_id, held.parts["train"]) & np.isin(table.material, list(materials))
    kept = set(table.sample_id[in_train].tolist())
    samples = {**held.parts, "train": [name for name in held.parts["train"] if name in kept]}
    names = {**held.materials, "train": sorted(materials)}
    first = np.unique(table.material[in_train], return_index=True)[1]
    groups, count = np.unique(table.space_group[in_train][first], return_counts=True)
    content = {
        "config": {"narrowed_from": held.digest}, "stack_digest": held.stack_digest, "listed": held.listed,
        "space_groups": list(held.space_groups),
        "parts": {part: {"sample_ids": list(samples[part]), "materials": list(names[part])} for part in PARTS},
        "counts": {str(group): {"train": {"material": int(number)}}
                   for group, number in zip(groups, count, strict=True)}}
    write_json(out, {**content, "digest": digest(content)})
    return out
