"""The verdicts of the comparison in plain words; "it hurt" reads as plainly as "it helped"."""

from typing import Any

from cbedgan.comparison.arms import ARMS
from classifier.foundation.page import percent, points

SUBJECTS = {None: ("the logit-adjusted loss", "helps"), "duplicated": ("duplicated real stacks", "help"),
            "reserve": ("an equal number of new real stacks", "helps"),
            "interior": ("interior synthetic stacks", "help"), "boundary": ("boundary synthetic stacks", "help"),
            "hard": ("hard synthetic stacks", "help"),
            "shuffled": ("boundary stacks with shuffled labels", "help")}
SHOT_RULES = {"few": "at most 20", "medium": "21 to 99", "many": "at least 100"}


def spread(interval: dict[str, Any]) -> str:
    """The ends of the interval of a difference, e.g. "+1.2 to +11.0"."""
    return f"{points(interval['low'])} to {points(interval['high'])}"


def headline(primary: dict[str, Any], *, alpha: float, band: float) -> str:
    """Return the sentence that answers the question of the comparison."""
    subject, verb = SUBJECTS[ARMS[primary["arm"]].source]
    change = f"{points(primary['estimate'])} points ({100 * (1 - alpha):.0f}\u00a0% interval {spread(primary)})"
    recall = f"mean recall of the groups with {SHOT_RULES[primary['shot']]} training materials"
    if primary["verdict"] in ("helped", "hurt"):
        moved = "rose" if primary["verdict"] == "helped" else "fell"
        return (f"{subject.capitalize()} {primary['verdict']}: {recall} {moved} from {percent(primary['before'])} to "
                f"{percent(primary['after'])}\u00a0%, {change}.")
    if primary["verdict"] == "no difference":
        return (f"{subject.capitalize()} made no difference: {recall} changed by {change}, inside "
                f"±{100 * band:g} points.")
    return f"We cannot tell whether {subject} {verb}: {recall} changed by {change}."


def setting(primary: dict[str, Any], *, unit: str, seeds: int) -> str:
    """Say what the headline rests on."""
    return (f"Against the arm “{ARMS[primary['reference']].label}” with the same configuration, seeds and number of "
            f"images seen. {primary['groups']} such groups (called “{primary['shot']}” below), judged on "
            f"{primary['units']} test {unit.replace('_', ' ')}s that no training has seen, with {seeds} seeds.")


def comparison(row: dict[str, Any]) -> str:
    """One contrast in a line, e.g. "boundary synthetic against interior synthetic, few groups: +0.4 points (...)"."""
    return (f"{ARMS[row['arm']].label} against {ARMS[row['reference']].label}, {row['shot']} groups: "
            f"{points(row['estimate'])} points ({spread(row['corrected'])})")
