"""How well the added tasks are answered, each against the best that can be said without looking: the training mean."""

from typing import Any

import numpy as np

from classifier.network.tasks import CLASSES, COLUMNS, PRESENCES, Task, columns_of
from classifier.statistics import metrics
from classifier.statistics.bootstrap import Bootstrap

REPLICATES = 1000  # of the bootstrap
ROUNDING = 1e-9  # of the squared errors; below, a target varies by rounding alone
RANKED_REPLICATES = 200  # for what has to be ranked anew in each


def score_tasks(answers: np.ndarray, truth: np.ndarray, training_mean: np.ndarray, tasks: tuple[Task, ...], *,
                weight: np.ndarray, unit: np.ndarray) -> dict[str, Any]:
    """Scores of answers by task, JSON content; samples whose target is unknown are left out, what is undefined is None.

    Parameters
    ----------
    answers, truth, tasks : float [N, T], columns as in tasks.columns_of
    training_mean : float [T], the guess to beat
    weight, unit : [N], see metrics.material_weights; label [N] of what is resampled for the intervals (95 %)
    """
    scores: dict[str, Any] = {}
    for task, columns in columns_of(tasks).items():
        is_known = np.isfinite(truth[:, columns]).all(1)
        mine, wanted, guess = answers[is_known][:, columns], truth[is_known][:, columns], training_mean[columns]
        if not is_known.any():
            scores[task] = {"samples": 0}
            continue
        drawn = Bootstrap.draw(unit[is_known], replicates=REPLICATES, seed=0, weight=weight[is_known])
        if task in CLASSES:
            scores[task] = _one_of(mine, wanted, guess, drawn)
        elif task in PRESENCES:
            scores[task] = _presence(mine, wanted, guess, drawn)
        else:
            scores[task] = {name: _value(mine[:, k], wanted[:, k], float(guess[k]), drawn,
                                         relative=name.startswith("log")) for k, name in enumerate(COLUMNS[task])}
    return scores


def average_precision(score: np.ndarray, present: np.ndarray, weight: np.ndarray) -> float:
    """Area under precision against recall, sum of (R_n - R_n-1) P_n; ties enter at once; NaN where none is present."""
    order = np.argsort(-score, kind="stable")
    score, hits, all_of = score[order], np.cumsum((weight * present)[order]), np.cumsum(weight[order])
    if not len(score) or hits[-1] <= 0:
        return float("nan")
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    recall = hits[last] / hits[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * metrics.ratio(hits[last], all_of[last])))


def _named(name: str, replicates: np.ndarray, *, reflected: bool = False) -> dict[str, Any]:
    """Estimate (the first) and interval of replicates [R+1] under a name; None where they are not defined.

    reflected: at the estimate (basic bootstrap), within 0..1, where resampling itself shifts the value: a rare element
    that is drawn twice is found twice at once.
    """
    low, high = metrics.interval(replicates[1:])
    if reflected:
        low, high = np.clip(2 * replicates[0] - np.array([high, low]), 0, 1).tolist()
    return {name: None if np.isnan(replicates[0]) else float(replicates[0]),
            f"{name}_interval": None if np.isnan(low) else [low, high]}


def _value(answer: np.ndarray, truth: np.ndarray, guess: float, drawn: Bootstrap, *, relative: bool) -> dict[str, Any]:
    """R2 against the guess, and median absolute errors of both; relative ones of logarithms."""
    guessed = np.full_like(truth, guess)
    squares = drawn.sums((np.stack([answer, guessed], axis=1) - truth[:, None]) ** 2)
    kind = "median_relative_error" if relative else "median_error"
    errors = (np.abs(np.expm1(given - truth) if relative else given - truth) for given in (answer, guessed))
    medians = (_weighted_median(error, drawn.weight) for error in errors)
    varies = np.where(squares[:, 1] > ROUNDING * squares.max(), squares[:, 1], 0)
    return {**_named("r2", 1 - metrics.ratio(squares[:, 0], varies)),
            **dict(zip((kind, f"{kind}_of_the_training_mean"), medians, strict=True))}


def _weighted_median(values: np.ndarray, weight: np.ndarray) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


def _one_of(answer: np.ndarray, truth: np.ndarray, guess: np.ndarray, drawn: Bootstrap) -> dict[str, Any]:
    scores, own = {}, truth.argmax(1)
    for name, given in (("", answer.argmax(1)), ("_of_the_training_mean", np.full(len(own), guess.argmax()))):
        recall = metrics.mean_present(drawn.recall(own, given, truth.shape[1]))
        scores |= _named(f"accuracy{name}", drawn.means(given == own)) | _named(f"balanced_accuracy{name}", recall)
    return scores


def _presence(answer: np.ndarray, truth: np.ndarray, guess: np.ndarray, drawn: Bootstrap) -> dict[str, Any]:
    """Average precision over the elements that occur both here and in training; without looking it is their share."""
    present = np.flatnonzero((truth.sum(0) > 0) & (guess > 0))
    weights = drawn.times[:RANKED_REPLICATES + 1, drawn.code] * drawn.weight
    precision = np.array([[average_precision(answer[:, k], truth[:, k], one) for k in present] for one in weights])
    share = metrics.ratio(weights @ truth[:, present], weights.sum(1, keepdims=True).repeat(len(present), 1))
    name = "macro_average_precision"
    return {"elements": len(present), **_named(name, metrics.mean_present(precision), reflected=True),
            **_named(f"{name}_of_the_training_mean", metrics.mean_present(share))}
