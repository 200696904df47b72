"""Arcs between unrelated groups, many at once: where each classifier goes over, through what, and how wide its doubt
is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import softmax

from cbedgan.distortion.between import RIGHT_ANGLE, Arc, BetweenConfig
from cbedgan.distortion.held import patterns
from cbedgan.distortion.panel import Panel
from cbedgan.distortion.thresholds import Brackets, find_roots, sign_changes

STEPS = 181  # of an arc, on which what lies between its points is interpolated


def measure_arcs(arcs: Sequence[Arc], panel: Panel, config: BetweenConfig) -> list[dict[str, Any]]:
    """What each classifier makes of each arc, as JSON content.

    margins: log p(second) - log p(first), at each angle; answers: space groups at each angle; crossed: whether it names
    the first group at 0, the second at the end, and so goes over; angle: where, degrees, of its only or first change
    of sign upwards, None where it does not; third: share of the arc on which the likeliest class is neither of the two
    nor the common group, which is true between; common_named: on which it is the common group; thickness_angstrom:
    length of the arc on which both groups are plausible; changes: of the margin's sign.
    """
    angles = np.linspace(0, RIGHT_ANGLE, config.points)
    names = np.asarray(panel.class_map.space_groups)
    pair = panel.class_map.indices(np.array([arc.groups for arc in arcs]))
    stacks = patterns([(arc.held, arc.cell(angle)) for arc in arcs for angle in angles.tolist()])
    materials = [arc.held.crystal.material for arc in arcs]
    logits = panel.logits(stacks, [name for name in materials for _ in angles])
    logits = logits.reshape(len(logits), len(arcs), len(angles), -1).transpose(1, 0, 2, 3)  # [A, C, n, K]
    margins = np.stack([own[:, :, second] - own[:, :, first] for own, (first, second) in
                        zip(logits, pair, strict=True)]).astype(np.float64)
    upwards = (margins[:, :, :-1] < 0) & (margins[:, :, 1:] >= 0)
    arc, member = np.nonzero(upwards.any(axis=2))
    at = upwards[arc, member].argmax(axis=1)
    found = Brackets(arc, member, angles[at], angles[at + 1], margins[arc, member, at], margins[arc, member, at + 1])

    def margin(rows: np.ndarray, angle: np.ndarray) -> np.ndarray:
        drawn = patterns([(arcs[k].held, arcs[k].cell(one)) for k, one in
                          zip(arc[rows].tolist(), angle.tolist(), strict=True)])
        return panel.margins(member[rows], drawn, [materials[k] for k in arc[rows].tolist()], pair[arc[rows]])

    roots = find_roots(margin, found, tolerance=config.tolerance, precision=config.precision_degree,
                       rounds=config.rounds, logarithmic=False)
    angle, left = (np.full(margins.shape[:2], np.nan) for _ in range(2))
    angle[arc, member], left[arc, member] = roots.distortion, roots.margin
    answers = names[logits.argmax(axis=3)]
    changes = sign_changes(margins)
    return [{**one.record(), "angles_degree": angles.tolist(), "margins": margins[k].round(5).tolist(),
             "answers": answers[k].tolist(),
             "crossed": (answers[k][:, [0, -1]] == one.groups).all(axis=1).tolist(),
             "angle": angle[k].tolist(), "margin_left": left[k].tolist(), "changes": changes[k].tolist(),
             **_along(logits[k], angles, pair[k], one, names, config.plausible)} for k, one in enumerate(arcs)]


def _along(logits: Float[np.ndarray, "C n K"], angles: Float[np.ndarray, " n"], pair: np.ndarray, arc: Arc,
           names: np.ndarray, plausible: float) -> dict[str, list[float]]:
    """Shares and lengths of one arc, the logits interpolated."""
    fine = np.linspace(0, RIGHT_ANGLE, STEPS)
    place = np.clip(np.searchsorted(angles, fine, side="right") - 1, 0, len(angles) - 2)
    share = ((fine - angles[place]) / np.diff(angles)[place])[:, None]
    between = (1 - share) * logits[:, place] + share * logits[:, place + 1]
    answers = names[between.argmax(axis=2)]
    both = (softmax(between.astype(np.float64), axis=2)[:, :, pair] >= plausible).all(axis=2)
    length = arc.radius * np.radians(RIGHT_ANGLE)
    return {"third": (~np.isin(answers, [*arc.groups, arc.common])).mean(axis=1).tolist(),
            "common_named": (answers == arc.common).mean(axis=1).tolist(),
            "thickness_angstrom": (length * both.mean(axis=1)).tolist()}
