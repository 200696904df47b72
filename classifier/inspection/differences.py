"""In what two stack files differ but for their pixels: plans, frames and columns of shared samples, in sentences."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Int

from classifier.samples.plan import PLANNED_COLUMNS, plan_settings, planned_rows
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import StackFile

SAME, SHARE, OTHER, NO_PLAN = "the same plan", "a share of one plan", "another plan", "no plan"
SHOWN = 5
ROUNDING = 1e-4  # relative, of what is measured from patterns or follows from cells


def shared_rows(first: SampleTable, second: SampleTable) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Rows of the samples that both tables have, in the order of the first."""
    _, mine, theirs = np.intersect1d(first.sample_id, second.sample_id, assume_unique=True, return_indices=True)
    order = np.argsort(mine)
    return mine[order], theirs[order]


def compare_plans(first: StackFile, second: StackFile, mine: Int[np.ndarray, " n"], theirs: Int[np.ndarray, " n"]
                  ) -> tuple[str, list[str]]:
    """How the plans go together (one of SAME, SHARE, OTHER, NO_PLAN), and sentences on what parts them.

    Parameters
    ----------
    first, second : stack files
    mine, theirs : rows of the samples that both have
    """
    planned = first.identity.planned, second.identity.planned
    if first.plan_digest == second.plan_digest:
        return SAME, []
    if not any(planned):
        return NO_PLAN, []
    if not all(planned):
        return OTHER, [f"Only {(first if planned[0] else second).path} has a plan."]
    differences = [*_settings(first, second), *_crystals(first.table.take(mine), second.table.take(theirs))]
    # A share plans anew in place of what it refuses, so that a few of its samples may be its own.
    shares = any("share" in file.provenance.get("inputs", {}) for file in (first, second))
    if not differences and (shares or len(mine) == min(len(first), len(second))):
        return SHARE, []
    return OTHER, [*differences, *_ids(first, second, mine, theirs)]


def compare_frames(first: StackFile, second: StackFile) -> Iterator[str]:
    """Sentences on what the pixels mean, where that differs."""
    for name, one, other in (("pose", first.pose, second.pose), ("detector", first.grid, second.grid),
                             ("unit of intensity", first.intensity_unit, second.intensity_unit),
                             ("condition", first.identity.condition, second.identity.condition)):
        if one != other:
            yield f"Another {name}: {one or 'none'} against {other or 'none'}."


def compare_tables(first: SampleTable, second: SampleTable) -> Iterator[str]:
    """Sentences on columns of the same samples that differ, the plan's own left out."""
    for name, one in first.columns().items():
        other = getattr(second, name)
        if name in ("sample_id", "provenance", *PLANNED_COLUMNS):
            continue
        number = one.dtype.kind == "f"
        same = np.isclose(one, other, rtol=ROUNDING, atol=ROUNDING, equal_nan=True) if number else one == other
        rows = ~same.reshape(len(one), -1).all(axis=1)
        if rows.any():
            apart = np.abs(one - other)[np.isfinite(one) & np.isfinite(other)] if number else np.empty(0)
            most = f", by up to {apart.max():.3g}" if len(apart) else ""
            yield f"{name} differs in {_some(first.sample_id[rows])}{most}."


def _settings(first: StackFile, second: StackFile) -> Iterator[str]:
    one, other = plan_settings(first.provenance), plan_settings(second.provenance)
    for what, mine, theirs in (("inputs", one["inputs"], other["inputs"]),
                               ("config", first.provenance.get("config", {}), second.provenance.get("config", {}))):
        before, after = _flat(mine), _flat(theirs)
        keys = [key for key in (before | after) if before.get(key) != after.get(key)]
        for key in keys[:SHOWN]:
            yield f"{what}, {key}: {before.get(key, 'not set')} against {after.get(key, 'not set')}."
        if len(keys) > SHOWN:
            yield f"{what}: {len(keys) - SHOWN} more keys differ."
    if one["config"] != other["config"] and first.provenance.get("config") == second.provenance.get("config"):
        yield f"config: its digest is {one['config'][:12]} against {other['config'][:12]}."


def _flat(content: Any, prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries and lists as {dotted key: value}."""
    items = (content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ())
    nested = [_flat(value, f"{prefix}.{key}" if prefix else str(key)) for key, value in items]
    if not nested:
        return {prefix: content} if prefix else {}
    return {key: value for part in nested for key, value in part.items()}


def _crystals(first: SampleTable, second: SampleTable) -> Iterator[str]:
    names = ("sample_id", *PLANNED_COLUMNS, "lattice", "sites", "numbers")
    pairs = list(zip(planned_rows(first), planned_rows(second), strict=True))
    for place, name in enumerate(names):
        changed = [str(one[0]) for one, other in pairs if one[place] != other[place]]
        if changed:
            what = f"the crystals' {name}" if name in names[-3:] else name
            yield f"{what}: another in {_some(np.array(changed))}."


def _ids(first: StackFile, second: StackFile, mine: np.ndarray, theirs: np.ndarray) -> Iterator[str]:
    for file, rows in ((first, mine), (second, theirs)):
        alone = np.delete(file.table.sample_id, rows)
        if len(alone):
            yield f"Only {file.path} has {_some(alone)}."


def _some(names: np.ndarray) -> str:
    return (f"{len(names)} sample{'s' if len(names) > 1 else ''} "
            f"({', '.join(names[:SHOWN].tolist())}{', ...' if len(names) > SHOWN else ''})")
