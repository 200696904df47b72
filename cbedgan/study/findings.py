"""From an evaluation of all arms to what a study asks: gains, recovery, gain against training materials, harm."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from cbedgan.comparison.evaluate import Evaluation
from classifier.foundation.atomic import plain
from classifier.statistics.metrics import mean_present, ratio
from classifier.statistics.significance import Interval

SMOOTHED_OCTAVES = 0.75  # standard deviation of the Gaussian that smooths gain, in doublings of training materials


def members(evaluation: Evaluation) -> dict[str, Bool[np.ndarray, " K"]]:
    """Classes of each score of a study: few, medium and many groups that are tested, and all of them."""
    return {shot: evaluation.tested & (evaluation.shot == shot) for shot in evaluation.shots()} | {
        "all": evaluation.tested}


def contrasts(evaluation: Evaluation, pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Differences of mean recall of (arm, other) in few, medium, many and all groups: one family."""
    return evaluation.differences([(arm, other, classes, {"shot": shot}) for arm, other in pairs
                                   for shot, classes in members(evaluation).items()])


def recovery(evaluation: Evaluation, arm: str, nothing: str, equal_real: str, shot: str) -> dict[str, Any] | None:
    """(arm - nothing) / (equal number of real stacks - nothing), of mean recall, with its interval.

    None where the shot class is not tested, or the real stacks' own gain is not above zero: a ratio to it says nothing.
    """
    classes = members(evaluation).get(shot)
    if classes is None:
        return None
    before, gain, real = (mean_present(evaluation.recall[one][:, classes]) for one in (nothing, arm, equal_real))
    gain, real = gain - before, real - before
    if not Interval.of(real, evaluation.config.alpha).low > 0:
        return None
    return plain(Interval.of(ratio(gain, np.where(real > 0, real, np.nan)), evaluation.config.alpha).content())


def gain_by_materials(evaluation: Evaluation, arm: str, nothing: str) -> dict[str, Any]:
    """Gain of each group, smoothed over the logarithm of training materials, with pointwise intervals, and harm.

    ends_at: number of training materials from which on the gain is nowhere told above zero, None if it is at the end;
    harms_at: the least number at which it is told below zero, None if it is nowhere.
    """
    tested = np.flatnonzero(evaluation.tested)
    materials = evaluation.training_materials[tested]
    at = np.unique(materials)
    replicates = smoothed(evaluation.recall[arm][:, tested] - evaluation.recall[nothing][:, tested], materials, at)
    intervals = [Interval.of(column, evaluation.config.alpha) for column in replicates.T]
    above, below = ([getattr(one, end) * sign > 0 for one in intervals] for end, sign in (("low", 1), ("high", -1)))
    last = max(np.flatnonzero(above), default=-1)
    return plain({"materials": at.tolist(), "gain": [one.content() for one in intervals],
                  "ends_at": int(at[last + 1]) if last + 1 < len(at) else None,
                  "harms_at": int(at[int(np.argmax(below))]) if any(below) else None})


def smoothed(values: Float[np.ndarray, "R1 G"], materials: np.ndarray, at: np.ndarray) -> Float[np.ndarray, "R1 X"]:
    """Mean of values of groups near each number of materials, by a Gaussian of its logarithm; NaN is left out.

    Parameters
    ----------
    values, materials : of each group, in replicates; int [G], 0 counts as 1
    at : int [X], numbers of materials
    """
    octaves = np.log2(np.maximum(materials, 1))[:, None] - np.log2(np.maximum(at, 1))
    weight = np.exp(-0.5 * (octaves / SMOOTHED_OCTAVES) ** 2)
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0) @ weight, known @ weight)


def harmed(evaluation: Evaluation, arm: str, nothing: str) -> list[dict[str, Any]]:
    """Groups whose recall falls beyond their own interval, the worst first.

    verdict: by Holm's rule over all groups, "cannot tell" of too few units.
    """
    rows = [row for row in evaluation.groups(arm, nothing) if row["high"] is not None and row["high"] < 0]
    return sorted(({"class_idx": row["class_idx"], "shot": str(evaluation.shot[row["class_idx"]]),
                    "training_materials": int(evaluation.training_materials[row["class_idx"]]),
                    **{key: row[key] for key in ("units", "estimate", "low", "high", "verdict")}} for row in rows),
                  key=lambda row: row["estimate"])


def disagreement(evaluation: Evaluation, arm: str, other: str) -> dict[str, float | None]:
    """What the power statement assumed, as found: share of the test samples on which two trainings differ in being
    right, and how much of the variance of that difference seeds share (a correlation)."""
    weight = evaluation.trials.weight / evaluation.trials.weight.sum()
    difference = evaluation.hits[arm].astype(float) - evaluation.hits[other]  # [S, N]
    centred = difference - (difference @ weight)[:, None]
    covariance = (centred * weight) @ centred.T
    alone, seeds = np.trace(covariance) / len(covariance), len(covariance)
    shared = (covariance.sum() - np.trace(covariance)) / (seeds * (seeds - 1))
    return plain({"discordant": float((np.abs(difference) @ weight).mean()),
                  "between_seeds": float(shared / alone) if alone > 0 else None})
