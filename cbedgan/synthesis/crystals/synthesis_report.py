"""What a synthesized set says of itself: by kind and group, how much was made, and what was refused and why."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from cbedgan.synthesis.crystals.parts import Part

NO_CLASS = "no class is a maximal sub- or supergroup in the same cell"
Quota = dict[str, dict[int, int]]
"""{kind: {space group: stacks asked for}}"""


class KeptPart(NamedTuple):
    """A part, what it says of itself, and which of its stacks are kept."""

    part: Part
    record: dict[str, Any]
    rows: Int[np.ndarray, " n"]


def report_of(parts: Sequence[KeptPart], quota: Quota) -> dict[str, Any]:
    """The report, as JSON content."""
    of = {(kind, group): [one for one in parts if (one.part.kind, one.part.space_group) == (kind, group)]
          for kind, groups in quota.items() for group in groups}
    made = {kind: {str(group): _of_group(of[kind, group], number) for group, number in groups.items()}
            for kind, groups in quota.items()}
    return {"quota": {kind: {str(group): number for group, number in groups.items()} for kind, groups in quota.items()},
            "made": made, "short": {kind: [int(group) for group, row in groups.items() if row["made"] < row["asked"]]
                                    for kind, groups in made.items()},
            "processor_seconds": round(sum(one.record["processor_seconds"] for one in parts), 1)}


def _of_group(parts: list[KeptPart], asked: int) -> dict[str, Any]:
    refused = sum((Counter(one.record["refused"]) for one in parts), Counter())
    row: dict[str, Any] = {"asked": asked, "made": sum(len(one.rows) for one in parts),
                           "refused": dict(sorted(refused.items())) if parts else {NO_CLASS: 1}}
    pool = [p for one in parts for p in one.record.get("probability", ())]
    if pool:
        kept = [one.record["probability"][k] for one in parts for k in one.rows.tolist()]
        row |= {"pool": len(pool), "mean probability, pool": round(float(np.mean(pool)), 4),
                "mean probability, chosen": round(float(np.mean(kept)), 4)}
    return row
