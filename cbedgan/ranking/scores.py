"""From the test logits of all methods and seeds to the numbers of the ranking: scores, differences, verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from cbedgan.comparison.paired import (
    Interval,
    Resample,
    Trials,
    accuracy,
    bootstrap_p,
    class_recall,
    holm,
    mean_recall,
    number,
    verdict,
)
from cbedgan.comparison.resampled import calibration_error, direct_edge_enrichment, macro_f1, reflected
from classifier.foundation.config import Config
from classifier.statistics.metrics import SHOT_CLASSES, shot_class

Judged = Literal["balanced_accuracy", "few_recall", "medium_recall", "many_recall", "top_1", "top_6", "macro_f1"]


class RankingJudgement(Config):
    """reference: the method that all others are compared with; judged: scores of the comparisons, the first of which
    orders the table; unit: what is resampled; replicates, seed: of the bootstrap; alpha: family-wise error rate;
    band: differences within +-band count as none; minimum_units: no verdict on fewer."""

    reference: str
    judged: Annotated[tuple[Judged, ...], Field(min_length=1)]
    unit: Literal["material", "structure_type"]
    replicates: Annotated[int, Field(ge=100)]
    seed: int
    alpha: Annotated[float, Field(gt=0, lt=1)]
    band: Annotated[float, Field(ge=0)]
    minimum_units: int


@dataclass(frozen=True)
class Answers:
    """What a method says to the test part: logits float [S, N, K], and the temperature [S] that was fitted on
    validation, NaN for none."""

    logits: np.ndarray
    temperature: np.ndarray

    def scaled(self) -> np.ndarray:
        """Logits divided by the temperature."""
        return self.logits / self.temperature[:, None, None]


class Ranking:
    """The answers of every method on one set of trials, with shared bootstrap replicates.

    training_materials: int [K], which decides what is few, medium and many; edges: bool [K, K], direct neighbours.
    """

    def __init__(self, config: RankingJudgement, answers: Mapping[str, Answers], trials: Trials,
                 training_materials: np.ndarray, edges: np.ndarray) -> None:
        self.config, self.answers, self.trials, self.edges = config, answers, trials, edges
        self.class_idx = trials.cell_class[trials.cell]
        self.shot, self.tested = shot_class(training_materials), trials.units_per_class() > 0
        self.seeds = len(next(iter(answers.values())).logits)

    @cached_property
    def replicates(self) -> dict[str, dict[str, np.ndarray]]:
        """Replicates [R+1] of every score of every method, {method: {score: ...}}; row 0 is the estimate."""
        resample = Resample.draw(self.trials.n_units, self.seeds, replicates=self.config.replicates,
                                 seed=self.config.seed)
        found = {method: self._scores(answers, resample) for method, answers in self.answers.items()}
        raised = ("calibration_error", "scaled_calibration_error")
        return {method: scores | {name: reflected(scores[name]) for name in raised}
                for method, scores in found.items()}

    @cached_property
    def of_each_seed(self) -> dict[str, dict[str, np.ndarray]]:
        """Every score of every method for each seed alone, {method: {score: [S]}}."""
        one_seed = Resample(np.ones((self.seeds, self.trials.n_units)), np.eye(self.seeds))
        return {method: self._scores(answers, one_seed) for method, answers in self.answers.items()}

    def _scores(self, answers: Answers, resample: Resample) -> dict[str, np.ndarray]:
        logits, predicted = answers.logits, answers.logits.argmax(axis=2)
        hits = predicted == self.class_idx
        own = logits[:, np.arange(len(self.class_idx)), self.class_idx]
        rank = (logits >= own[:, :, None]).sum(axis=2)
        recall = class_recall(hits, self.trials, resample)
        scores = {"balanced_accuracy": mean_recall(recall, np.ones_like(self.tested))}
        for shot in SHOT_CLASSES:
            if (self.tested & (self.shot == shot)).any():
                scores[f"{shot}_recall"] = mean_recall(recall, self.shot == shot)
        return {**scores, "top_1": accuracy(hits, self.trials, resample),
                "top_6": accuracy(rank <= 6, self.trials, resample),
                "macro_f1": macro_f1(predicted, self.class_idx, self.trials, resample),
                "calibration_error": calibration_error(logits, self.class_idx, self.trials, resample),
                "scaled_calibration_error": calibration_error(answers.scaled(), self.class_idx, self.trials, resample)
                if np.isfinite(answers.temperature).all() else np.full(len(resample.unit), np.nan),
                "direct_edge_enrichment": direct_edge_enrichment(predicted, self.class_idx, self.edges, self.trials,
                                                                 resample)}

    def has(self, score: str) -> bool:
        """Whether the test part can tell this score."""
        return score in next(iter(self.replicates.values()))

    def scores(self, method: str) -> dict[str, dict[str, Any]]:
        """Scores of a method with plain intervals at level 1 - alpha and the value of each seed."""
        return {name: {**self._interval(values),
                       "per_seed": [number(value) for value in self.of_each_seed[method][name]]}
                for name, values in self.replicates[method].items()}

    def differences(self) -> list[dict[str, Any]]:
        """Every method against the reference in every judged score: one family under Holm's rule."""
        reference = self.replicates[self.config.reference]
        members = [(method, score) for method in self.answers if method != self.config.reference
                   for score in self.config.judged if self.has(score)]
        replicates = [self.replicates[method][score] - reference[score] for method, score in members]
        p_values = [bootstrap_p(values) for values in replicates]
        rejected, level = holm(p_values, self.config.alpha)
        return [self._difference(*member, values, p, bool(reject), alpha)
                for member, values, p, reject, alpha
                in zip(members, replicates, p_values, rejected, level, strict=True)]

    def _difference(self, method: str, score: str, replicates: np.ndarray, p: float, rejected: bool, alpha: float
                    ) -> dict[str, Any]:
        classes = self.shot == score.removesuffix("_recall") if score.endswith("_recall") else self.tested
        units = len(np.unique(self.trials.cell_unit[classes[self.trials.cell_class]]))
        corrected = Interval.of(replicates, alpha)
        per_seed = self.of_each_seed[method][score] - self.of_each_seed[self.config.reference][score]
        return {"method": method, "score": score, "groups": int((classes & self.tested).sum()), "units": units,
                **self._interval(replicates), "p": p,
                "corrected": {"alpha": float(alpha), "low": number(corrected.low), "high": number(corrected.high)},
                "per_seed": [number(value) for value in per_seed],
                "verdict": verdict(corrected, rejected=rejected, band=self.config.band, units=units,
                                   minimum_units=self.config.minimum_units)}

    def _interval(self, replicates: np.ndarray) -> dict[str, Any]:
        return Interval.of(replicates, self.config.alpha).to_json()
