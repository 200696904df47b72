"""How well the added tasks are answered, each against the best that can be said without looking: the training mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from classifier import metrics
from classifier.tasks import CLASSES, COLUMNS, PRESENCES, Task, columns_of


def score_tasks(answers: np.ndarray, truth: np.ndarray, training_mean: np.ndarray, tasks: tuple[Task, ...],
                weight: np.ndarray) -> dict[str, Any]:
    """Scores of answers float [N, T] against targets [N, T] (columns as in tasks.columns_of), by task.

    training_mean: float [T], the guess to beat; weight: [N], see metrics.material_weights. Samples whose target is
    unknown are left out; None is what nothing defines.
    """
    scores: dict[str, Any] = {}
    for task, columns in columns_of(tasks).items():
        known = np.isfinite(truth[:, columns]).all(1)
        mine = (answers[known][:, columns], truth[known][:, columns], training_mean[columns], weight[known])
        if not known.any():
            scores[task] = {"samples": 0}
        elif task in CLASSES:
            scores[task] = _one_of(*mine)
        elif task in PRESENCES:
            scores[task] = _presence(*mine)
        else:
            scores[task] = {name: _value(*(part[..., k] for part in mine[:3]), mine[3], relative=name.startswith("log"))
                            for k, name in enumerate(COLUMNS[task])}
    return scores


def average_precision(score: np.ndarray, present: np.ndarray, weight: np.ndarray) -> float:
    """Area under precision against recall, sum of (R_n - R_n-1) P_n, of scores [N] for present [N]; ties enter at once.

    NaN when nothing is present.
    """
    order = np.argsort(-score, kind="stable")
    score, hits, all_of = score[order], np.cumsum((weight * present)[order]), np.cumsum(weight[order])
    if not len(score) or hits[-1] <= 0:
        return float("nan")
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    recall, precision = hits[last] / hits[-1], hits[last] / all_of[last]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def _value(answer: np.ndarray, truth: np.ndarray, guess: float, weight: np.ndarray, *, relative: bool
           ) -> dict[str, float | None]:
    """R2 against the guess, and median absolute errors of both; relative ones of logarithms."""
    def median_error(given: np.ndarray) -> float:
        error = np.abs(np.expm1(given - truth)) if relative else np.abs(given - truth)
        order = np.argsort(error)
        reached = np.cumsum(weight[order])
        return float(error[order][np.searchsorted(reached, reached[-1] / 2)])

    squares = [float(weight @ (given - truth) ** 2) for given in (answer, np.full_like(truth, guess))]
    kind = "median_relative_error" if relative else "median_error"
    return {"r2": 1 - squares[0] / squares[1] if squares[1] > 0 else None, kind: median_error(answer),
            f"{kind}_of_the_training_mean": median_error(np.full_like(truth, guess))}


def _one_of(answer: np.ndarray, truth: np.ndarray, guess: np.ndarray, weight: np.ndarray) -> dict[str, float]:
    found = {}
    for name, given in (("", answer), ("_of_the_training_mean", np.broadcast_to(guess, answer.shape))):
        matrix = metrics.confusion(truth.argmax(1), given.argmax(1), truth.shape[1], weight)
        found |= {f"accuracy{name}": float(np.trace(matrix) / matrix.sum()),
                  f"balanced_accuracy{name}": metrics.balanced_accuracy(matrix)}
    return found


def _presence(answer: np.ndarray, truth: np.ndarray, guess: np.ndarray, weight: np.ndarray
              ) -> dict[str, float | None]:
    """Average precision over the elements that occur both here and in training; without looking it is their share."""
    judged = np.flatnonzero((truth.sum(0) > 0) & (guess > 0))
    precision = [average_precision(answer[:, k], truth[:, k], weight) for k in judged]
    share = [float(weight @ truth[:, k] / weight.sum()) for k in judged]
    # Elements that only one of both parts has leave nothing to score: then there is no mean.
    return {"elements": len(judged),
            "macro_average_precision": float(np.mean(precision)) if len(judged) else None,
            "macro_average_precision_of_the_training_mean": float(np.mean(share)) if len(judged) else None}
