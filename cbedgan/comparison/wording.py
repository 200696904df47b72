"""The verdicts of the comparison in plain words; "it hurt" reads as plainly as "it helped"."""

from collections.abc import Mapping
from typing import Any

from cbedgan.comparison.arms import ARMS
from classifier.foundation.page import percent, points

SUBJECTS = {None: ("the logit-adjusted loss", "helps"), "duplicated": ("duplicated real stacks", "help"),
            "reserve": ("an equal number of new real stacks", "helps"),
            "interior": ("interior synthetic stacks", "help"), "boundary": ("boundary synthetic stacks", "help"),
            "hard": ("hard synthetic stacks", "help"),
            "shuffled": ("boundary stacks with shuffled labels", "help")}
SHOT_RULES = {"few": "at most 20", "medium": "21 to 99", "many": "at least 100"}


def subject(arm: str) -> tuple[str, str]:
    """What an arm of compare adds, and the verb that follows it."""
    return SUBJECTS[ARMS[arm].source]


def spread(interval: dict[str, Any]) -> str:
    """The ends of the interval of a difference, e.g. "+1.2 to +11.0"."""
    return f"{points(interval['low'])} to {points(interval['high'])}"


def headline(primary: dict[str, Any], told: tuple[str, str], *, alpha: float, band: float) -> str:
    """Return the sentence that answers the question of the comparison.

    Parameters
    ----------
    primary : the one difference
    told : what the arm adds, and the verb that follows it
    alpha, band : of the judgement
    """
    added, verb = told
    opening = added[:1].upper() + added[1:]
    change = f"{points(primary['estimate'])} points ({100 * (1 - alpha):.0f}\u00a0% interval {spread(primary)})"
    recall = f"mean recall of the groups with {SHOT_RULES[primary['shot']]} training materials"
    if primary["verdict"] in ("helped", "hurt"):
        moved = "rose" if primary["verdict"] == "helped" else "fell"
        return (f"{opening} {primary['verdict']}: {recall} {moved} from {percent(primary['before'])} to "
                f"{percent(primary['after'])}\u00a0%, {change}.")
    if primary["verdict"] == "no difference":
        return (f"{opening} made no difference: {recall} changed by {change}, inside "
                f"±{100 * band:g} points.")
    return f"We cannot tell whether {added} {verb}: {recall} changed by {change}."


def setting(primary: dict[str, Any], labels: Mapping[str, str], *, unit: str, seeds: int) -> str:
    """Say what the headline rests on."""
    return (f"Against the arm “{labels[primary['reference']]}” with the same configuration, seeds and number of "
            f"images seen. {primary['groups']} such groups (called “{primary['shot']}” below), judged on "
            f"{primary['units']} test {unit.replace('_', ' ')}s that no training has seen, with {seeds} seeds.")


def comparison(row: dict[str, Any], labels: Mapping[str, str]) -> str:
    """One contrast in a line, e.g. "boundary synthetic against interior synthetic, few groups: +0.4 points (...)"."""
    return (f"{labels[row['arm']]} against {labels[row['reference']]}, {row['shot']} groups: "
            f"{points(row['estimate'])} points ({spread(row['corrected'])})")
