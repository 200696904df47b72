"""From test predictions to learning curves: scores against labelled materials, areas, differences to random."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import t as student

from cbedgan.acquisition.rounds import Base
from cbedgan.comparison.paired import Interval, Resample, Trials, class_recall, mean_recall, number
from cbedgan.comparison.study import training_materials
from classifier.prediction.predict import Predictions
from classifier.statistics.metrics import shot_class

METRICS = {"balanced_accuracy": "balanced accuracy", "few_recall": "recall of few-shot groups"}
"""Few-shot: by the materials of the whole train part, so that a strategy does not move the goal."""


def judge(predictions: dict[str, list[list[Predictions]]], labelled: dict[str, list[list[tuple[str, ...]]]],
          base: Base, *, replicates: int, alpha: float) -> dict[str, Any]:
    """Curves, areas and differences of every strategy as JSON content.

    predictions, labelled: {strategy: [round][seed]}, of one test part. Intervals resample seeds and, at the same time,
    test structure types (materials where types are unknown), the same for all strategies and rounds.
    """
    first = next(iter(predictions.values()))[0][0]
    truth = first.class_map.indices(first.space_group)
    known = (first.structure_type != "").all()
    trials = Trials.of(first, "structure_type" if known else "material")
    names, group = base.training_materials()
    few = shot_class(training_materials(base.split, base.table)) == "few"
    members = {"balanced_accuracy": np.ones_like(few), "few_recall": few}
    n_seeds = len(next(iter(predictions.values()))[0])
    resample = Resample.draw(trials.n_units, n_seeds, replicates=replicates, seed=0)
    single = Resample(np.ones((n_seeds, trials.n_units)), np.eye(n_seeds))

    rounds = np.array([len(held[0]) for held in labelled["random"]])
    drawn = {strategy: _scores(held, truth, trials, resample, members) for strategy, held in predictions.items()}
    by_seed = {strategy: _scores(held, truth, trials, single, members) for strategy, held in predictions.items()}
    poor = set(names[np.isin(group, np.array(base.split.space_groups)[few])].tolist())
    return {
        "labelled_materials": rounds.tolist(), "seeds": n_seeds, "alpha": alpha,
        "resampled_by": "seed and structure type" if known else "seed and material",
        "test_materials": len(np.unique(first.material)), "metrics": METRICS,
        "strategies": {strategy: {
            "few_shot_materials": [float(np.mean([len(poor & set(seed)) for seed in held]))
                                   for held in labelled[strategy]],
            **{metric: {
                "curve": [Interval.of(values, alpha).to_json() for values in drawn[strategy][metric]],
                "curve_of_seed": [[number(value) for value in seed] for seed in by_seed[strategy][metric].T],
                "area": Interval.of(area(rounds, drawn[strategy][metric]), alpha).to_json(),
                "difference": None if strategy == "random" else _difference(
                    area(rounds, drawn[strategy][metric]) - area(rounds, drawn["random"][metric]),
                    area(rounds, by_seed[strategy][metric]) - area(rounds, by_seed["random"][metric]), alpha),
            } for metric in METRICS}} for strategy in predictions}}


def area(labelled: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Area under scores [rounds, ...] against labelled materials [rounds] by trapezia, over their range: a mean score.

    The mean over the part of the curve on which strategies can differ, in the unit of the score.
    """
    return np.trapezoid(score, labelled, axis=0) / (labelled[-1] - labelled[0])


def student_interval(values: np.ndarray, alpha: float) -> tuple[float, float]:
    """Student's interval at level 1 - alpha for the mean of values [S], S >= 2: the only honest one for few seeds."""
    reach = student.ppf(1 - alpha / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - reach), float(values.mean() + reach)


def _scores(held: list[list[Predictions]], truth: np.ndarray, trials: Trials, resample: Resample,
            members: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every metric in every round and replicate, {metric: [rounds, R]}."""
    recall = [class_recall(np.stack([found.logits.argmax(axis=1) == truth for found in seeds]), trials, resample)
              for seeds in held]
    return {metric: np.stack([mean_recall(found, classes) for found in recall]) for metric, classes in members.items()}


def _difference(replicates: np.ndarray, of_seed: np.ndarray, alpha: float) -> dict[str, Any]:
    """Difference of areas: with the bootstrap's interval, and with Student's over the seeds on this very test part."""
    low, high = student_interval(of_seed, alpha)
    return {**Interval.of(replicates, alpha).to_json(), "of_seed": [number(value) for value in of_seed],
            "student": {"low": number(low), "high": number(high)}}
