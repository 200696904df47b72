"""What a synthesized set says of itself: by kind and group, how much was made, and what was refused and why."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from cbedgan.synthesis.crystals.parts import Cell, Part

NO_CLASS = "no class is a maximal sub- or supergroup in the same cell"
Quota = dict[str, dict[int, int]]
"""{kind: {space group: stacks asked for}}"""


class KeptPart(NamedTuple):
    """A part, what it says of itself, which of its stacks are kept, and the crystals that these stem from."""

    part: Part
    record: dict[str, Any]
    rows: Int[np.ndarray, " n"]
    crystals: tuple[str, ...]


def report_of(parts: Sequence[KeptPart], quota: Quota, cells: Mapping[Cell, int]) -> dict[str, Any]:
    """The report, as JSON content.

    Parameters
    ----------
    parts : that were made
    quota, cells : of each kind and group, and of each cell
    """
    of = {(kind, group): [one for one in parts if (one.part.cell.kind, one.part.cell.space_group) == (kind, group)]
          for kind, groups in quota.items() for group in groups}
    made = {kind: {str(group): _of_group(of[kind, group], number) | _pairs(of[kind, group], {
        cell: share for cell, share in cells.items() if cell[:2] == (kind, group) and cell.partner})
        for group, number in groups.items()} for kind, groups in quota.items()}
    return {"quota": {kind: {str(group): number for group, number in groups.items()} for kind, groups in quota.items()},
            "made": made, "short": {kind: [int(group) for group, row in groups.items() if row["made"] < row["asked"]]
                                    for kind, groups in made.items()},
            "processor_seconds": round(sum(one.record["processor_seconds"] for one in parts), 1)}


def _of_group(parts: list[KeptPart], asked: int) -> dict[str, Any]:
    refused = sum((Counter(one.record["refused"]) for one in parts), Counter())
    row: dict[str, Any] = {"asked": asked, "made": sum(len(one.rows) for one in parts),
                           "refused": dict(sorted(refused.items())) if parts else {NO_CLASS: 1},
                           "crystals": len({name for one in parts for name in one.crystals})}
    drawn = sum(one.record["made"] for one in parts)
    if drawn > row["made"]:
        row["pool"] = drawn
    pool = [p for one in parts for p in one.record.get("probability", ())]
    if pool:
        kept = [one.record["probability"][k] for one in parts for k in one.rows.tolist()]
        row |= {"mean probability, pool": round(float(np.mean(pool)), 4),
                "mean probability, chosen": round(float(np.mean(kept)), 4)}
    return row


def _pairs(parts: list[KeptPart], cells: Mapping[Cell, int]) -> dict[str, Any]:
    """Of each side and partner of a group how many were asked for and made; {} where there are no pairs."""
    rows = {f"{cell.side}, {cell.partner}": {"asked": number, "made": sum(
        len(one.rows) for one in parts if one.part.cell == cell)} for cell, number in sorted(cells.items())}
    return {"pairs": rows} if rows else {}
