"""What prepare left out, doubted or found twice, as JSON content: files, samples, attributes, poses, partitions."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from classifier.samples.sampletable import SampleTable

SHOWN = 5  # samples named for each kind of doubt: a systematic one would name them all


def preparation_report(records: dict[str, dict[str, Any]], table: SampleTable) -> dict[str, Any]:
    """Report on the records of all batches {"<folder>/<file>": record} and the table of the written samples, in order.

    Names of samples are those of the table, also for skipped ones. doubts: by attribute, how many samples and the
    first few (d_hkls_angstrom: a disagreement with z_dirs and the cell); remarks: what was mended, likewise. leaks:
    what a published partition holds on both sides: materials, compounds (reduced formula and space group), stacks.
    """
    named = table.formula != ""
    compound = np.char.add(np.char.add(table.formula, " in space group "), table.space_group.astype(str))
    fingerprint = [text for record in records.values() for text in record.get("fingerprints", ())]
    doubts, skipped = _by_sample(records, "doubts"), _by_sample(records, "skipped")
    equal = _equal_stacks(fingerprint, table)
    return {
        "files": len(records),
        "unreadable_files": {name: record["unreadable"] for name, record in records.items() if record["unreadable"]},
        "samples": len(table),
        "samples_by_partition": _counts(table.partition),
        "skipped_samples": skipped,
        "skipped_by_reason": _counts(re.sub(r"\d[\d.e+-]*", "#", reason) for reason in skipped.values()),
        "missing_attributes": _counts(doubt.removesuffix(": missing") for texts in doubts.values() for doubt in texts
                                      if doubt.endswith(": missing")),
        "doubts": _by_kind(doubts, lambda doubt: doubt.partition(":")[0]),
        "remarks": _by_kind(_by_sample(records, "remarks"), lambda remark: remark.lstrip("0123456789 ")),
        "poses": dict(sum((Counter(record["poses"]) for record in records.values()), Counter())),
        "equal_stacks": equal,
        "equal_file_names": _in_several(*(np.array(names, dtype=str) for names in (
            [Path(name).name for name in records], [name.split("/")[0] for name in records]))) if any(
                name.endswith(".h5") for name in records) else {},
        "materials_of_several_groups": _in_several(*(column[table.material != ""] for column in (
            table.material, table.space_group.astype(str)))),
        "compounds_of_several_materials": _in_several(compound[named], table.material[named]),
        "leaks": {
            "materials": _in_several(*(column[table.material != ""] for column in (table.material, table.partition))),
            # The same compound under another name would be seen in training all the same.
            "compounds": _in_several(compound[named], table.partition[named]),
            "stacks": [group for group in equal if len(group["partitions"]) > 1],
        },
    }


def _equal_stacks(fingerprints: list[str], table: SampleTable) -> list[dict[str, Any]]:
    """Groups of samples whose published stacks have the same bytes, with their materials and partitions."""
    _, code, count = np.unique(np.array(fingerprints, dtype=str), return_inverse=True, return_counts=True)
    twins: dict[int, list[int]] = defaultdict(list)
    for row in np.flatnonzero(count[code] > 1) if len(code) else ():
        twins[int(code[row])].append(int(row))
    return [{"samples": len(rows), "first": table.sample_id[rows[:SHOWN]].tolist(),
             **{f"{name}s": np.unique(getattr(table, name)[rows]).tolist() for name in ("material", "partition")}}
            for rows in twins.values()]


def _by_sample(records: dict[str, dict[str, Any]], kind: str) -> dict[str, Any]:
    return {f"{Path(name).with_suffix('')}/{group}": texts
            for name, record in records.items() for group, texts in record[kind].items()}


def _by_kind(by_sample: dict[str, list[str]], kind: Callable[[str], str]) -> dict[str, dict[str, Any]]:
    """Texts of many samples as {kind: {"samples": how many, "first": {sample: text}}}."""
    kinds: dict[str, dict[str, Any]] = {}
    for sample, texts in by_sample.items():
        for text in texts:
            entry = kinds.setdefault(kind(text), {"samples": 0, "first": {}})
            entry["samples"] += 1
            if len(entry["first"]) < SHOWN:
                entry["first"][sample] = text
    return kinds


def _counts(names: Iterable[Any]) -> dict[str, int]:
    return {str(name): count for name, count in sorted(Counter(map(str, names)).items())}


def _in_several(names: np.ndarray, places: np.ndarray) -> dict[str, list[str]]:
    """{name: its places} of the names that occur in more than one."""
    pairs = np.unique(np.stack([names, places], axis=1), axis=0) if len(names) else np.zeros((0, 2), dtype=str)
    distinct, times = np.unique(pairs[:, 0], return_counts=True)
    repeated = set(distinct[times > 1].tolist())
    places_of: dict[str, list[str]] = defaultdict(list)
    for name, place in pairs.tolist():
        if name in repeated:
            places_of[name].append(place)
    return dict(places_of)
