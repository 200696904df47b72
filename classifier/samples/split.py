"""split [stage]: which materials are for training, validation and test; the digest is the lock against leakage.

The lock rests on the plan of the stacks, so that one split serves every build of a set and every file of its samples.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from classifier.foundation.atomic import read_json, write_json
from classifier.foundation.config import Config, parse_config
from classifier.foundation.errors import InputError
from classifier.samples.holdout import Materials, bundle, hold_out
from classifier.samples.plan import (
    SetIdentity,
    identity_named,
    is_of,
    names_of,
    split_digest,
    stacks_named,
    told,
)
from classifier.samples.stackfile import SampleTable, StackFile

PARTS = ("train", "validation", "test")
# A held-out part, and those whose learning it measures.
HELD_OUT = (("test", ("train", "validation")), ("validation", ("train",)))


class SplitConfig(Config):
    """group_by: what never crosses parts: whole structure types of a space group, or single materials.

    validation_fraction, test_fraction: share of each group's materials to hold out; minimum_materials: a group with
    fewer materials to cut from gives none; adopt_partition: keep the file's own train and test (and validation, where
    it has one), and cut only what is missing from train; near_duplicates: materials of one formula and space group
    under several names are kept together, or, where an adopted partition parts them, are refused or dropped from the
    training side; seed: of the random choice.
    """

    group_by: Literal["structure_type", "material"]
    validation_fraction: float
    test_fraction: float
    minimum_materials: int
    adopt_partition: bool
    near_duplicates: Literal["refuse", "drop"]
    seed: int


class _WrittenPart(Config):
    sample_ids: tuple[str, ...]
    materials: tuple[str, ...]


class _Written(Config):
    """What split.json holds beside its digest.

    plan_digest: of the plan of the stacks, which the split's digest covers; stack_digest: of the pixels that lay before
    whoever cut it, covered only where there is no plan, or was none when the split was written.
    """

    config: dict[str, Any]
    plan_digest: str | None = None
    stack_digest: str
    listed: dict[str, tuple[str, ...]]
    space_groups: tuple[Annotated[int, Field(ge=1, le=230)], ...]
    parts: dict[Literal["train", "validation", "test"], _WrittenPart]
    counts: dict[str, Any]

    @model_validator(mode="after")
    def _parts_are_apart(self) -> "_Written":
        names = [name for part in self.parts.values() for name in part.sample_ids]
        if set(self.parts) != set(PARTS) or len(set(names)) < len(names):
            raise ValueError("there must be train, validation and test, and no sample in two of them")
        return self


@dataclass(frozen=True)
class Split:
    """parts, materials: sample ids and materials by part (train, validation, test); space_groups: ascending;
    stack_digest: what names the stacks to a run, see SetIdentity.seen (of an older split: the digest of their pixels);
    digest: sha256 of all of it and of the stacks' plan; listed: {reason: names} of what could not be treated as asked;
    identity: of the stacks; names: every digest by which this split is known, its own first. Before plans had digests,
    each build of one set gave the same split another one."""

    parts: dict[str, tuple[str, ...]]
    materials: dict[str, tuple[str, ...]]
    space_groups: tuple[int, ...]
    stack_digest: str
    digest: str
    listed: dict[str, list[str]]
    identity: SetIdentity
    names: tuple[str, ...]


def split(config: SplitConfig, *, stacks: Path, out: Path) -> Path:
    """Write split.json for a stack file; an existing one of the same config and stacks is kept, another is refused."""
    with StackFile(stacks) as file:
        table, identity = file.table, file.identity
    part, listed = assign_parts(table, config, source=stacks)
    return write_split(out, table, part, listed, config=config.model_dump(mode="json"), identity=identity)


def write_split(out: Path, table: SampleTable, part: np.ndarray, listed: dict[str, list[str]], *,
                config: dict[str, Any], identity: SetIdentity) -> Path:
    """Write split.json; an existing one of the same config and stacks is kept, another is refused.

    Parameters
    ----------
    out, config, identity : split.json, and what it is made of
    table, part : the samples, and the part of each, str [N], "" for a dropped one
    listed : {reason: names} of what could not be treated as asked
    """
    out = Path(out)
    if out.exists():
        written = _verified(out)
        if is_of(written, identity) and written["config"] == config:
            return out
        raise InputError(source=out, rule="an existing split must be of these stacks and this configuration",
                         value="another split", remedy="Choose another output path, or remove this file.")
    content: dict[str, Any] = {
        "config": config, **stacks_named(identity), "listed": listed,
        "space_groups": np.unique(table.space_group[part != ""]).tolist(),
        "parts": {name: {"sample_ids": table.sample_id[part == name].tolist(),
                         "materials": np.unique(table.material[part == name]).tolist()} for name in PARTS},
        "counts": _counts(table, part)}
    write_json(out, {**content, "digest": split_digest(content)})
    return out


def load_split(path: Path, *, stack_digest: str | SetIdentity) -> Split:
    """Read split.json; changed content, or stacks of another set than the one that was split, is an InputError.

    stack_digest: the identity of the stack file, or a digest that the split names (its plan's, or its pixels').
    """
    content = _verified(path)
    identity = stack_digest if isinstance(stack_digest, SetIdentity) else identity_named(content, stack_digest)
    if not is_of(content, identity):
        raise InputError(source=path, rule="the split must belong to the stack file it is used with",
                         value=f"{told(content)}, given {told(stacks_named(identity))}",
                         remedy="Give the stack file that was split, a build of the same plan, or split this one.")
    parts, materials = ({name: tuple(content["parts"][name][what]) for name in PARTS} for what in (
        "sample_ids", "materials"))
    return Split(parts, materials, tuple(content["space_groups"]),
                 identity.seen if "plan_digest" in content or identity.condition else content["stack_digest"],
                 content["digest"], content["listed"], identity, names_of(content, identity))


def assign_parts(table: SampleTable, config: SplitConfig, *, source: object) -> tuple[np.ndarray, dict[str, list[str]]]:
    """Return the part of each sample, str [N] ("" for a dropped one), and {reason: names} of every exception made.

    Each space group is cut by itself, first for test and then for validation. With group_by = "structure_type" whole
    types are cut: for test where one type remains, else the group has no test; for validation where two remain, else it
    is cut by material and listed as sharing structure types. With fewer than minimum_materials nothing is cut.
    """
    listed: dict[str, list[str]] = defaultdict(list)
    table = _with_materials(table, config, listed, source)
    _check_table(table, source)
    materials = Materials.of(table, by_type=config.group_by == "structure_type")
    part = np.full(len(materials.names), "train", dtype="<U10")
    if config.adopt_partition:
        part = _published(table, materials, source)
        _part_near_duplicates(part, materials, config, listed, source)
        _check_kinds(part, materials, source)
    for name, fraction in (("test", config.test_fraction), ("validation", config.validation_fraction)):
        given = config.adopt_partition and (name == "test" or (part == name).any())
        for group in np.unique(materials.space_group) if fraction > 0 and not given else ():
            rows = np.flatnonzero((part == "train") & (materials.space_group == group))
            part[_cut(rows, materials, config, fraction, name, int(group), listed)] = name
    for group in np.setdiff1d(materials.space_group, materials.space_group[part == "train"]):
        listed["no training material"].append(f"space group {group}")
    return part[materials.of_sample], listed


def _with_materials(table: SampleTable, config: SplitConfig, listed: dict[str, list[str]],
                     source: object) -> SampleTable:
    """Refuse to cut stacks that name no material; where nothing is cut, each becomes a material of its own."""
    unknown = table.material == ""
    if not unknown.any():
        return table
    cut = not config.adopt_partition or config.validation_fraction > 0 and not (table.partition == "validation").any()
    _refuse(source, "stacks with no material may not be split anew: those of one material are near-copies and would "
                    "fall on both sides, so that the published partition is the only honest one",
            table.sample_id[unknown & cut],
            "Set adopt_partition = true, and validation_fraction = 0 where no validation part is published.")
    listed["no material: the published partition is taken on trust"].append(f"{int(unknown.sum())} samples")
    return replace(table, material=np.where(unknown, np.char.add("unknown, of ", table.sample_id), table.material))


def _check_table(table: SampleTable, source: object) -> None:
    _refuse(source, "only measured or simulated stacks may be split", table.sample_id[table.origin == "synthetic"],
            "Give synthetic stacks to training as an added source; they never enter validation or test.")
    _refuse(source, "every sample to split needs its space group", table.sample_id[table.space_group == 0],
            "Complete the table.")
    names, first, code = np.unique(table.material, return_index=True, return_inverse=True)
    for column in ("space_group", "structure_type", "formula"):
        values = getattr(table, column)
        _refuse(source, f"all samples of a material must agree in {column}",
                names[np.unique(code[values != values[first][code]])], "Correct the table.")


def _published(table: SampleTable, materials: Materials, source: object) -> np.ndarray:
    """Part of each material, str [M], by the file's column `partition`."""
    part = np.full(len(materials.names), "", dtype="<U10")
    part[materials.of_sample] = table.partition
    _refuse(source, "an adopted partition must name a part for every sample", table.sample_id[table.partition == ""],
            "Set adopt_partition = false, or write the partition into the stack file.")
    crossing = np.unique(table.material[table.partition != part[materials.of_sample]])
    _refuse(source, "a material may not cross train, validation and test", crossing, "Set adopt_partition = false.")
    return part


def _part_near_duplicates(part: np.ndarray, materials: Materials, config: SplitConfig, listed: dict[str, list[str]],
                          source: object) -> None:
    """Refuse, or drop from the training side, materials whose formula and space group a held-out one has too."""
    for held_out, others in HELD_OUT:
        near = np.isin(materials.duplicate, materials.duplicate[part == held_out]) & np.isin(part, others)
        if config.near_duplicates == "refuse":
            _refuse(source, f"a formula and space group of the {held_out} part may not occur in {' or '.join(others)}",
                    materials.names[near], 'Set near_duplicates = "drop" to leave these out of the training side.')
        for name in materials.names[near]:
            listed[f"dropped: formula and space group also in {held_out}"].append(str(name))
        part[near] = ""


def _check_kinds(part: np.ndarray, materials: Materials, source: object) -> None:
    for held_out, others in HELD_OUT:
        shared = np.intersect1d(materials.kind[part == held_out], materials.kind[np.isin(part, others)])
        _refuse(source, f"a structure type of the {held_out} part may not occur in {' or '.join(others)}", shared,
                'Set adopt_partition = false, or group_by = "material".')


def _cut(rows: np.ndarray, materials: Materials, config: SplitConfig, fraction: float, name: str, group: int,
         listed: dict[str, list[str]]) -> np.ndarray:
    """Choose, among the material rows of one group, those that go to the part `name`."""
    rng = np.random.default_rng([config.seed, group, PARTS.index(name)])
    if len(rows) < config.minimum_materials:
        listed[f"no {name}: fewer than {config.minimum_materials} materials"].append(f"space group {group}")
        return rows[:0]
    by_type = config.group_by == "structure_type"
    unit = bundle(materials.kind[rows], materials.duplicate[rows])
    chosen = hold_out(unit, fraction, rng, remaining=2 if by_type and name == "validation" else 1)
    if not len(chosen) and by_type and name == "validation":
        chosen = hold_out(bundle(materials.names[rows], materials.duplicate[rows]), fraction, rng, remaining=1)
        listed["validation shares structure types with train"].append(f"space group {group}")
    if not len(chosen):
        listed[f"no {name}: nothing can be held out whole"].append(f"space group {group}")
    return rows[chosen]


def _counts(table: SampleTable, part: np.ndarray) -> dict[str, Any]:
    """Numbers of samples, materials and structure types of each space group and part."""
    return {str(group): {name: {column: len(np.unique(getattr(table, column)[rows]))
                                for column in ("sample_id", "material", "structure_type")}
                         for name in PARTS for rows in [(table.space_group == group) & (part == name)]}
            for group in np.unique(table.space_group)}


def _verified(path: Path) -> dict[str, Any]:
    content = read_json(path)
    stored = content.pop("digest", None)
    if stored != split_digest(content):
        raise InputError(source=path, rule="the split must be as the split stage wrote it", value="another sha256",
                         remedy="It was edited or damaged; run the split stage again, and everything after it.")
    parse_config(content, _Written, source=path)
    return {**content, "digest": stored}


def _refuse(source: object, rule: str, names: Iterable[Any], remedy: str) -> None:
    faulty = [str(name) for name in names]
    if faulty:
        raise InputError(source=source, rule=rule, remedy=remedy,
                         value=f"{len(faulty)}: {', '.join(faulty[:5])}{' ...' if len(faulty) > 5 else ''}")
