"""What synthesize says beside its stacks, of either kind of generator, in one form."""

from pathlib import Path
from typing import Any

from classifier.foundation.atomic import read_json

NOTHING = {"asked": 0, "accepted": 0, "drawn": 0, "yield": 0.0}  # of a kind of which a group was to get none


def synthesis_told(synthetic: Path) -> dict[str, Any] | None:
    """Of each kind and group what was asked for, accepted and drawn, and of each kind why not more; None without it.

    The latent generator tells it in synthetic.json, one of crystals in synthetic.h5.report.json.
    """
    latent, crystals = synthetic.with_suffix(".json"), synthetic.with_name(f"{synthetic.name}.report.json")
    if not latent.exists() and not crystals.exists():
        return None
    told = read_json(latent if latent.exists() else crystals)
    made = {kind: {group: _row(row) for group, row in groups.items()} for kind, groups in told["made"].items()}
    groups = sorted({group for of_kind in made.values() for group in of_kind}, key=int)
    reasons = sorted({reason for of_kind in made.values() for row in of_kind.values() for reason in row["rejected"]})
    rejected = {kind: {reason: sum(row["rejected"].get(reason, 0) for row in of_kind.values()) for reason in reasons}
                for kind, of_kind in made.items()}
    return {"quota": told["quota"], "groups": groups, "rejected": rejected, "made": {
        kind: {group: of_kind.get(group, NOTHING) for group in groups} for kind, of_kind in made.items()}}


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """One of a latent generator as it is; of crystals all that were refused were drawn, and so was a whole pool."""
    if "accepted" in row:
        return row
    drawn = row.get("pool", row["made"]) + sum(row["refused"].values())
    return {"asked": row["asked"], "accepted": row["made"], "drawn": drawn, "rejected": row["refused"],
            "yield": row["made"] / drawn if drawn else 0.0}
