"""From the test logits of all methods and seeds to the numbers of the ranking: scores, differences, verdicts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from cbedgan.comparison.evaluate import recalls_and_accuracies
from classifier.foundation.atomic import plain
from classifier.foundation.config import Config
from classifier.statistics.bootstrap import Bootstrap, over_seeds
from classifier.statistics.calibration import Reliability
from classifier.statistics.metrics import ratio, shot_class
from classifier.statistics.significance import Difference, Interval, family, reflected
from classifier.statistics.subgroup_errors import direct_edge_shares
from classifier.statistics.trials import Trials

BINS = 15  # of confidence
ENRICHMENT_REPLICATES = 1000  # its null is fitted to each replicate, which takes long
Judged = Literal["balanced_accuracy", "few_recall", "medium_recall", "many_recall", "top_1", "top_6", "macro_f1"]


class RankingVerdicts(Config):
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

    def __init__(self, config: RankingVerdicts, answers: Mapping[str, Answers], trials: Trials,
                 training_materials: np.ndarray, edges: np.ndarray) -> None:
        self.config, self.answers, self.trials, self.edges = config, answers, trials, edges
        self.shot, self.tested = shot_class(training_materials), trials.units_per_class() > 0
        self.seeds = len(next(iter(answers.values())).logits)

    @cached_property
    def replicates(self) -> dict[str, dict[str, np.ndarray]]:
        """Replicates [R+1] of every score of every method, {method: {score: ...}}; row 0 is the estimate."""
        drawn = self.trials.draw(replicates=self.config.replicates, seed=self.config.seed, seeds=self.seeds)
        every = {method: self._scores(answers, drawn) for method, answers in self.answers.items()}
        raised = ("calibration_error", "scaled_calibration_error")
        return {method: scores | {name: reflected(scores[name]) for name in raised}
                for method, scores in every.items()}

    @cached_property
    def of_each_seed(self) -> dict[str, dict[str, np.ndarray]]:
        """Every score of every method for each seed alone, {method: {score: [S]}}."""
        alone = self.trials.draw(replicates=0, seed=0, seeds=self.seeds).each_seed()
        return {method: self._scores(answers, alone) for method, answers in self.answers.items()}

    def _scores(self, answers: Answers, drawn: Bootstrap) -> dict[str, np.ndarray]:
        truth, classes, logits = self.trials.class_idx, self.trials.n_classes, answers.logits
        predicted, fewer = logits.argmax(axis=2), drawn.first(ENRICHMENT_REPLICATES)
        scores = recalls_and_accuracies(self.trials, logits, drawn, self.shot, {"top_1": 1, "top_6": 6})
        scores["macro_f1"] = over_seeds([drawn.macro_f1(truth, of_seed, classes) for of_seed in predicted],
                                        drawn.seed_times)
        scores["calibration_error"] = self._calibration_error(logits, drawn)
        scores["scaled_calibration_error"] = (self._calibration_error(answers.scaled(), drawn) if np.isfinite(
            answers.temperature).all() else np.full(len(drawn.times), np.nan))
        scores["direct_edge_enrichment"] = over_seeds(
            [ratio(*direct_edge_shares(truth, of_seed, self.edges, fewer)) for of_seed in predicted], fewer.seed_times)
        return scores

    def _calibration_error(self, logits: np.ndarray, drawn: Bootstrap) -> np.ndarray:
        return over_seeds([Reliability.of(self.trials.class_idx, of_seed, drawn, BINS).calibration_error()
                           for of_seed in logits], drawn.seed_times)

    def has(self, score: str) -> bool:
        """Whether the test part can tell this score."""
        return score in next(iter(self.replicates.values()))

    def scores(self, method: str) -> dict[str, dict[str, Any]]:
        """Scores of a method with plain intervals at level 1 - alpha and the value of each seed."""
        return {name: plain({**Interval.of(values, self.config.alpha).content(),
                             "per_seed": self.of_each_seed[method][name].tolist()})
                for name, values in self.replicates[method].items()}

    def differences(self) -> list[dict[str, Any]]:
        """Every method against the reference in every judged score: one family under Holm's rule."""
        reference = self.replicates[self.config.reference]
        members = [(method, score) for method in self.answers if method != self.config.reference
                   for score in self.config.judged if self.has(score)]
        differences = family([self.replicates[method][score] - reference[score] for method, score in members],
                             self.config.alpha)
        return [self._content(*member, difference) for member, difference in zip(members, differences, strict=True)]

    def _content(self, method: str, score: str, difference: Difference) -> dict[str, Any]:
        classes = self.shot == score.removesuffix("_recall") if score.endswith("_recall") else self.tested
        units = self.trials.units(classes)
        per_seed = self.of_each_seed[method][score] - self.of_each_seed[self.config.reference][score]
        return plain({
            "method": method, "score": score, "groups": int((classes & self.tested).sum()), "units": units,
            **difference.content(), "per_seed": per_seed.tolist(),
            "verdict": difference.verdict(band=self.config.band, units=units, minimum_units=self.config.minimum_units)})
