"""A split whose train part is cut down to chosen materials, as a split file of its own; what is held out stays."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from classifier.foundation.atomic import write_json
from classifier.foundation.errors import InputError
from classifier.samples.plan import split_digest, stacks_named
from classifier.samples.split import PARTS, load_split
from classifier.samples.stackfile import StackFile


def narrow_split(split: Path, *, stacks: Path, materials: Collection[str], out: Path) -> Path:
    """Write `split` with no other training materials than `materials`; its config names the digest it came from.

    The class map stays that of the whole split, so that classifiers of several such splits give the same logits.

    Parameters
    ----------
    split, stacks, out : split.json, the stack file that was split, and the new split.json
    materials : some of the training materials
    """
    with StackFile(stacks) as file:
        whole, table = load_split(split, stack_digest=file.identity), file.table
    foreign = sorted(set(materials) - set(whole.materials["train"]))
    if foreign or not len(materials):
        raise InputError(source=split, rule="chosen materials must be of the train part, and there must be one",
                         value=", ".join(foreign[:5]) or "none", remedy="Choose among its training materials.")
    in_train = np.isin(table.sample_id, whole.parts["train"]) & np.isin(table.material, list(materials))
    chosen = set(table.sample_id[in_train].tolist())
    samples = {**whole.parts, "train": [name for name in whole.parts["train"] if name in chosen]}
    names = {**whole.materials, "train": sorted(materials)}
    first = np.unique(table.material[in_train], return_index=True)[1]
    groups, count = np.unique(table.space_group[in_train][first], return_counts=True)
    content = {
        "config": {"narrowed_from": whole.digest}, **stacks_named(whole.identity), "listed": whole.listed,
        "space_groups": list(whole.space_groups),
        "parts": {part: {"sample_ids": list(samples[part]), "materials": list(names[part])} for part in PARTS},
        "counts": {str(group): {"train": {"material": int(one)}} for group, one in zip(groups, count, strict=True)}}
    write_json(out, {**content, "digest": split_digest(content)})
    return out
