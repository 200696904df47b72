"""What prepare left out or doubted, as JSON content: files, samples, attributes, poses and the published partition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from classifier.sampletable import SampleTable

SHOWN = 5  # samples named for each kind of doubt: a systematic one would name them all


def preparation_report(records: dict[str, dict[str, Any]], table: SampleTable) -> dict[str, Any]:
    """Report on the records of all batch files {"<folder>/<file>": record} and the table of the written samples.

    Names of samples are those of the table, also for skipped ones. doubts: by attribute, how many samples and the
    first few (d_hkls_angstrom: a disagreement with z_dirs and the cell); remarks: what was mended, likewise.
    """
    return {
        "files": len(records),
        "unreadable_files": {name: record["unreadable"] for name, record in records.items() if record["unreadable"]},
        "samples": len(table),
        "samples_by_partition": _counts(table.partition),
        "skipped_samples": _by_sample(records, "skipped"),
        "doubts": _by_kind(_by_sample(records, "doubts"), lambda doubt: doubt.partition(":")[0]),
        "remarks": _by_kind(_by_sample(records, "remarks"), lambda remark: remark.lstrip("0123456789 ")),
        "poses": dict(sum((Counter(record["poses"]) for record in records.values()), Counter())),
        "materials_in_several_partitions": _in_several(table.material, table.partition),
        # The same compound under another name would be seen in training all the same.
        "formulas_in_several_partitions": _in_several(*(column[table.formula != ""] for column in (
            np.char.add(np.char.add(table.formula, " in space group "), table.space_group.astype(str)),
            table.partition))),
    }


def _by_sample(records: dict[str, dict[str, Any]], kind: str) -> dict[str, Any]:
    return {f"{Path(name).with_suffix('')}/{group}": found
            for name, record in records.items() for group, found in record[kind].items()}


def _by_kind(found: dict[str, list[str]], kind: Callable[[str], str]) -> dict[str, dict[str, Any]]:
    """Texts of many samples as {kind: {"samples": how many, "first": {sample: text}}}."""
    kinds: dict[str, dict[str, Any]] = {}
    for sample, texts in found.items():
        for text in texts:
            entry = kinds.setdefault(kind(text), {"samples": 0, "first": {}})
            entry["samples"] += 1
            if len(entry["first"]) < SHOWN:
                entry["first"][sample] = text
    return kinds


def _counts(names: Any) -> dict[str, int]:
    return {str(name): count for name, count in sorted(Counter(map(str, names)).items())}


def _in_several(names: np.ndarray, partition: np.ndarray) -> dict[str, list[str]]:
    """{name: its partitions} of the names that occur in more than one."""
    pairs = np.unique(np.stack([names, partition], axis=1), axis=0) if len(names) else np.zeros((0, 2), dtype=str)
    distinct, times = np.unique(pairs[:, 0], return_counts=True)
    return {str(name): pairs[pairs[:, 0] == name, 1].tolist() for name in distinct[times > 1]}
