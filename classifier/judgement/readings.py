"""What the errors say: what separates the pairs that are confused, and how recall follows the training materials."""

from typing import Any, NamedTuple

import numpy as np

from classifier.crystal.separation import SEPARATIONS, label
from classifier.prediction.scores import REPLICATES
from classifier.statistics import metrics
from classifier.statistics.bootstrap import Bootstrap
from classifier.statistics.measured import Measured
from classifier.statistics.trend import rank_correlation, smoothed_mean

OF_A_SEPARATION = ("errors", "share", "share_by_chance", "enrichment")
OF_NEIGHBOURS = ("direct_edge_share", "direct_edge_share_by_chance", "direct_edge_enrichment")
SMOOTHING = 0.5  # of ln(training materials): groups that differ by less than a factor of about 1.6 are averaged
PLACES = 60  # of the smoothed curve
LEAST_GROUPS = 3


class Reading(NamedTuple):
    """What was measured of one method, and the training materials of its classes, int [K], where they are known."""

    measured: Measured
    training_materials: np.ndarray | None


class Trend(NamedTuple):
    """How recall follows the training materials of so many groups, in replicates of them.

    rho: [R+1], rank correlation; curve: [R+1, X], mean recall near X numbers of training materials.
    """

    groups: int
    rho: np.ndarray
    training_materials: np.ndarray
    curve: np.ndarray


def readings(now: Reading, before: Reading | None) -> dict[str, Any]:
    """JSON content; before: of another method with the same samples, beside which it is set.

    separations: one entry for each of SEPARATIONS. errors are shares of all materials, share is of the errors,
    share_by_chance the same under the null of `direct_edge_shares`, enrichment their ratio. change is that of errors,
    replicate by replicate: the same materials are drawn before and now.
    neighbours_confused: the same of direct group-subgroup neighbours; change is that of the enrichment.
    recall_by_training_materials: None where the training materials are not known, or of fewer than three groups.
    """
    several = {"now": now} | ({"before": before} if before else {})
    measured = {when: one.measured for when, one in several.items()}
    trends = {when: recall_trend(one.measured.values["recall"][0], one.training_materials)
              for when, one in several.items()}
    return {"separations": [_separation(measured, place) for place in range(len(SEPARATIONS))],
            "neighbours_confused": {when: {name: one.content(name) for name in OF_NEIGHBOURS}
                                    for when, one in measured.items()}
            | _change([one.values["direct_edge_enrichment"] for one in measured.values()]),
            "recall_by_training_materials": _along({when: one for when, one in trends.items() if one})
            if trends["now"] else None}


def recall_trend(recall: np.ndarray, training_materials: np.ndarray | None) -> Trend | None:
    """How recall [K] follows training materials [K] over groups, which are resampled.

    Groups of which nothing is judged, and those without a training material, are left out.
    """
    if training_materials is None:
        return None
    known = np.isfinite(recall) & (training_materials > 0)
    if known.sum() < LEAST_GROUPS:
        return None
    x, y = np.log(training_materials[known]), recall[known]
    drawn = Bootstrap.draw(np.arange(len(x)), replicates=REPLICATES, seed=0)
    at = np.linspace(x.min(), x.max(), PLACES)
    return Trend(len(x), rank_correlation(x, y, drawn), np.exp(at), smoothed_mean(x, y, at, SMOOTHING, drawn))


def _separation(measured: dict[str, Measured], place: int) -> dict[str, Any]:
    name, meaning = list(SEPARATIONS.items())[place]
    found = {when: {kind: one.values[f"separation_{kind}"][:, place] for kind in OF_A_SEPARATION}
             for when, one in measured.items()}
    return {"separation": name, "label": label(name), "meaning": meaning, **{
        when: {kind: _content(replicates) for kind, replicates in one.items()} for when, one in found.items()},
        **_change([one["errors"] for one in found.values()])}


def _along(trends: dict[str, Trend]) -> dict[str, Any]:
    return {"groups": trends["now"].groups, "smoothing_ln": SMOOTHING, **{
        when: {"rho": _content(one.rho), "curve": [
            {"training_materials": float(at), **_content(column)}
            for at, column in zip(one.training_materials, one.curve.T, strict=True)]}
        for when, one in trends.items()},
        **(_change([one.rho for one in trends.values()]) if len({one.groups for one in trends.values()}) == 1 else {})}


def _change(replicates: list[np.ndarray]) -> dict[str, Any]:
    """The first less the second, where there are two."""
    return {"change": _content(replicates[0] - replicates[1])} if len(replicates) == 2 else {}


def _content(replicates: np.ndarray) -> dict[str, float]:
    """Estimate, the first of the replicates, and their interval (95 %)."""
    low, high = metrics.interval(replicates[1:])
    return {"estimate": float(replicates[0]), "low": low, "high": high}
