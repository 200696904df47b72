"""The rule of the gate: a group's gain in recall, nearer to that of groups like it where it has few materials."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from classifier.statistics.metrics import material_weights


class Gained(NamedTuple):
    """What added stacks did to a group. materials: held out on the folds; without, within: recall without and with
    added stacks, NaN where nothing was held out; shrunk: the gain that the rule goes by."""

    space_group: int
    shot: str
    materials: int
    without: float
    within: float
    shrunk: float
    least_gain: float

    @property
    def passes(self) -> bool:
        """Whether the group keeps its added stacks."""
        return self.shrunk >= self.least_gain


def gained(space_group: Int[np.ndarray, " N"], material: Shaped[np.ndarray, " N"], without: Float[np.ndarray, " N"],
           within: Float[np.ndarray, " N"], shots: Mapping[int, str], added: Mapping[int, int], *, strength: float,
           least_gain: float) -> list[Gained]:
    """Of each group (n g + strength m) / (n + strength): g its gain on n held-out materials, m the mean gain of
    groups of its shot class that have added stacks.

    A group of which nothing was held out has that mean gain, and 0 where there is none.

    Parameters
    ----------
    space_group, material : of the held-out stacks of all folds
    without, within : how often each is named rightly, without and with added stacks
    shots, added : shot class of every group to be judged, and its number of added stacks
    strength, least_gain : materials that weigh as much as the shot class; with which shrunk gain a group passes
    """
    weight = material_weights(material)
    recall: dict[int, tuple[int, float, float]] = {}
    for group in shots:
        rows = space_group == group
        own = weight[rows] / weight[rows].sum() if rows.any() else np.array([])
        a, b = (float(values[rows] @ own) if rows.any() else np.nan for values in (without, within))
        recall[group] = len(np.unique(material[rows])), a, b
    gains = {group: b - a for group, (_, a, b) in recall.items() if not np.isnan(a)}
    like = {shot: [gain for group, gain in gains.items() if shots[group] == shot and added[group]]
            for shot in set(shots.values())}
    means = {shot: float(np.mean(some)) if some else 0.0 for shot, some in like.items()}
    judged = []
    for group, (count, a, b) in sorted(recall.items()):
        mean = means[shots[group]]
        shrunk = (count * gains[group] + strength * mean) / (count + strength) if count else mean
        judged.append(Gained(group, shots[group], count, a, b, shrunk, least_gain))
    return judged


def table(found: Sequence[Gained], added: Mapping[int, int]) -> str:
    """A line a group that has added stacks, as text."""
    lines = ["group  shot    held-out materials  recall without  with    shrunk gain  added  keeps them"]
    for one in found:
        if added[one.space_group]:
            a, b = ("   n/a" if np.isnan(value) else f"{100 * value:6.1f}" for value in (one.without, one.within))
            lines.append(f"{one.space_group:5d}  {one.shot:6s}  {one.materials:18d}  {a:>14s}  {b}  "
                         f"{100 * one.shrunk:+11.1f}  {added[one.space_group]:5d}  {'yes' if one.passes else 'no'}")
    return "\n".join(lines) + "\n"
