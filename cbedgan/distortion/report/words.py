"""What a distortion takes from crystals, and who sees it from where on, in one sentence for a path and for a pair."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from cbedgan.distortion.report.states import CROSSED
from classifier.foundation.page import number

TURNS = {2: "half turn", 3: "three-fold turn", 4: "four-fold turn", 6: "six-fold turn"}
BEYOND = "> end"  # stands for what is not reached before a path ends


def bounds(measured: dict[str, float | None], unknown: str = BEYOND) -> str:
    """Estimate and interval, e.g. "0.12 (0.08 to 0.2)"; what has no number lies beyond the paths' ends."""
    one, low, high = (number(measured[key], unknown) for key in ("estimate", "low", "high"))
    return f"{one} ({low} to {high})"


def indices(some: Sequence[int], brackets: str = "[]") -> str:
    """E.g. "[1 -1 0]"."""
    return f"{brackets[0]}{' '.join(map(str, some))}{brackets[1]}"


def operation(lost: dict[str, Any]) -> str:
    """E.g. "three-fold turn", "mirror line at 30°, across (1 -1 0)"."""
    if lost["azimuth_degree"] is None:
        return TURNS[lost["turn"]]
    across = "" if lost["hkl"] is None else f", across {indices(lost['hkl'], '()')}"
    return f"mirror line at {lost['azimuth_degree']:.0f}°{across}"


def seen_in(condition: str, view: str) -> str:
    """What classifiers are shown, e.g. "ordinary patterns of the view tilted"."""
    return f"{condition} patterns{f' of the view {view}' if view else ''}"


def of_path(path: dict[str, Any], patterns: str) -> str:
    """A path's sentence, from its record in paths.json and what patterns classifiers were shown."""
    seen = [t for t, state in zip(path["t_star"], path["state"], strict=True) if state == CROSSED]
    classifiers = (f"{len(seen)} of {len(path['state'])} classifiers see it in {patterns}, from "
                   f"{number(float(np.median(seen)))} angstrom on in the median" if seen else
                   f"none of {len(path['state'])} classifiers sees it appear in {patterns}")
    if path["shown_by"] is None:
        return f"Lost {path['lost']['elements']}: no turn or mirror line of the patterns shows it; {classifiers}."
    pattern, rank = path["shown_by"]
    shown = path["lost"]["patterns"][pattern]
    return (f"Lost {path['lost']['elements']}: the patterns show it from {number(path['t_shown'])} angstrom on, first "
            f"number {pattern + 1} along {indices(shown['zone_axis_uvw'])}, which goes from {shown['before']} to "
            f"{shown['after']} and loses its {operation(shown['operations'][rank])}; {classifiers}.")


def of_pair(paths: Sequence[dict[str, Any]], row: dict[str, Any], patterns: str) -> str:
    """A pair's sentence, from its paths, its row of the table, and what patterns classifiers were shown."""
    if "lost" not in paths[0]:  # of a version that did not look
        return ""
    (elements, count), *others = Counter(path["lost"]["elements"] for path in paths).most_common()
    share = f" (in {count} of {len(paths)} paths)" if others else ""
    several = len(row["arms"]) > 1
    arms = ", ".join(f"{f'those of {name} ' if several else ''}from {bounds(own['t_star'])}"
                     for name, own in row["arms"].items())
    return (f"Lost {elements}{share}: the patterns show it from {bounds(row['t_shown'])} angstrom on, the classifiers, "
            f"in {patterns}, {arms}.")


def between_groups(found: dict[str, Any]) -> str:
    """How many unrelated classes paths lead between, and why there are no more."""
    return (f"Between unrelated groups: {found['arcs']} paths, of {found['drawn_pairs']} of {found['unrelated_pairs']} "
            "pairs of classes neither of which is a subgroup of the other. For the other "
            f"{found['unrelated_pairs'] - found['drawn_pairs']} no drawn crystal of a class has both as maximal "
            "subgroups of its cell: none is drawn.")


def crossed_arcs(own: dict[str, Any]) -> str:
    """What the classifiers of an arm make of the arcs of a pair."""
    if not own["crossed"]:
        return f"none of {own['asked']} named rightly at both ends"
    return (f"{own['crossed']} of {own['asked']} named rightly at both ends and crossed, at {own['angle']:.0f} of 90 "
            f"degrees; both plausible along {number(own['thickness_angstrom'])} angstrom; a third class on "
            f"{100 * own['third']:.0f} %, the common group, true between, on {100 * own['common_named']:.0f} %; "
            f"{own['repeated']} cross again")
