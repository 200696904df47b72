"""From test predictions to learning curves: scores against labelled materials, areas, differences to random."""

from typing import Any

import numpy as np
from scipy.stats import t as student

from cbedgan.acquisition.rounds import Base
from cbedgan.comparison.evaluate import trials_of
from cbedgan.comparison.study import training_materials
from classifier.foundation.atomic import plain
from classifier.prediction.predict import Predictions
from classifier.statistics.bootstrap import Bootstrap
from classifier.statistics.metrics import mean_present, shot_class
from classifier.statistics.significance import Interval
from classifier.statistics.trials import Trials

METRICS = {"balanced_accuracy": "balanced accuracy", "few_recall": "recall of few-shot groups"}
"""Few-shot: by the materials of the whole train part, so that a strategy does not move the goal."""


def learning_curves(predictions: dict[str, list[list[Predictions]]], labelled: dict[str, list[list[tuple[str, ...]]]],
          base: Base, *, replicates: int, alpha: float) -> dict[str, Any]:
    """Curves, areas and differences of every strategy as JSON content.

    Intervals resample seeds and, at the same time, test structure types (materials where types are unknown), the same
    for all strategies and rounds.

    Parameters
    ----------
    predictions, labelled : {strategy: [round][seed]}, of one test part
    base : stacks and split of the study
    replicates, alpha : of the intervals
    """
    first = next(iter(predictions.values()))[0][0]
    typed = (first.structure_type != "").all()
    trials = trials_of(first, "structure_type" if typed else "material")
    names, group = base.training_materials()
    few = shot_class(training_materials(base.split, base.table)) == "few"
    members = {"balanced_accuracy": np.ones_like(few), "few_recall": few}
    seeds = len(next(iter(predictions.values()))[0])
    draws = trials.draw(replicates=replicates, seed=0, seeds=seeds)
    rounds = np.array([len(of_round[0]) for of_round in labelled["random"]])
    drawn, by_seed = ({strategy: _scores(of_rounds, trials, which, members) for strategy, of_rounds in
                       predictions.items()} for which in (draws, draws.each_seed()))
    poor = set(names[np.isin(group, np.array(base.split.space_groups)[few])].tolist())
    return plain({
        "labelled_materials": rounds.tolist(), "seeds": seeds, "alpha": alpha,
        "resampled_by": "seed and structure type" if typed else "seed and material",
        "test_materials": len(np.unique(first.material)), "metrics": METRICS,
        "strategies": {strategy: {
            "few_shot_materials": [float(np.mean([len(poor & set(materials)) for materials in of_round]))
                                   for of_round in labelled[strategy]],
            **{metric: {
                "curve": [Interval.of(values, alpha).content() for values in drawn[strategy][metric]],
                "curve_of_seed": by_seed[strategy][metric].T.tolist(),
                "area": Interval.of(area(rounds, drawn[strategy][metric]), alpha).content(),
                "difference": None if strategy == "random" else _difference(
                    area(rounds, drawn[strategy][metric]) - area(rounds, drawn["random"][metric]),
                    area(rounds, by_seed[strategy][metric]) - area(rounds, by_seed["random"][metric]), alpha),
            } for metric in METRICS}} for strategy in predictions}})


def area(labelled: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Area under scores [rounds, ...] against labelled materials [rounds] by trapezia, over their range: a mean score.

    The mean over the part of the curve on which strategies can differ, in the unit of the score.
    """
    return np.trapezoid(score, labelled, axis=0) / (labelled[-1] - labelled[0])


def student_interval(values: np.ndarray, alpha: float) -> tuple[float, float]:
    """Student's interval at level 1 - alpha for the mean of values [S], S >= 2: the only honest one for few seeds."""
    reach = student.ppf(1 - alpha / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - reach), float(values.mean() + reach)


def _scores(predictions: list[list[Predictions]], trials: Trials, drawn: Bootstrap, members: dict[str, np.ndarray]
            ) -> dict[str, np.ndarray]:
    """Every metric in every round and replicate, {metric: [rounds, R]}, of predictions [rounds][seeds]."""
    recall = [trials.recall(np.stack([one.logits.argmax(axis=1) == trials.class_idx for one in seeds]), drawn)
              for seeds in predictions]
    return {metric: np.stack([mean_present(of_round[:, classes]) for of_round in recall])
            for metric, classes in members.items()}


def _difference(replicates: np.ndarray, of_seed: np.ndarray, alpha: float) -> dict[str, Any]:
    """Difference of areas: with the bootstrap's interval, and with Student's over the seeds on this very test part."""
    low, high = student_interval(of_seed, alpha)
    return {**Interval.of(replicates, alpha).content(), "of_seed": of_seed.tolist(),
            "student": {"low": low, "high": high}}
