"""From the logits of all arms and seeds to the numbers of the report: scores, differences and verdicts, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from cbedgan.comparison.arms import ARMS
from cbedgan.comparison.paired import (
    Interval,
    Resample,
    Trials,
    accuracy,
    bootstrap_p,
    class_recall,
    holm,
    majority_right,
    mcnemar,
    mean_recall,
    number,
    verdict,
)
from classifier.foundation.config import Config
from classifier.statistics.metrics import SHOT_CLASSES, confusion, shot_class


class PrimaryConfig(Config):
    """The one question fixed beforehand: mean recall of the groups of one shot class, arm minus reference."""

    arm: str
    reference: str
    shot: Literal["few", "medium", "many"]


class JudgementConfig(Config):
    """unit: what is resampled; replicates, seed: of the bootstrap; alpha: family-wise error rate; band: differences
    of recall within +-band count as none; minimum_units: no verdict on fewer; top_k: of the table of arms."""

    unit: Literal["material", "structure_type"]
    primary: PrimaryConfig
    replicates: int
    seed: int
    alpha: float
    band: float
    minimum_units: int
    top_k: int


class Evaluation:
    """The test logits of every arm, {arm: float [S, N, K]}, on one set of trials, with shared bootstrap replicates.

    training_materials: int [K], which decides what is few, medium and many.
    """

    def __init__(self, config: JudgementConfig, logits: Mapping[str, np.ndarray], trials: Trials,
                 training_materials: np.ndarray) -> None:
        self.config, self.logits, self.trials = config, logits, trials
        self.class_idx = trials.cell_class[trials.cell]
        self.training_materials, self.shot = training_materials, shot_class(training_materials)
        self.predicted = {arm: values.argmax(axis=2) for arm, values in logits.items()}
        self.hits = {arm: predicted == self.class_idx for arm, predicted in self.predicted.items()}
        n_seeds = len(next(iter(logits.values())))
        self.resample = Resample.draw(trials.n_units, n_seeds, replicates=config.replicates, seed=config.seed)
        self.one_seed = Resample(np.ones((n_seeds, trials.n_units)), np.eye(n_seeds))
        self.recall = {arm: class_recall(hits, trials, self.resample) for arm, hits in self.hits.items()}
        self.recall_of_seed = {arm: class_recall(hits, trials, self.one_seed) for arm, hits in self.hits.items()}
        self.tested = trials.units_per_class() > 0

    def arms(self) -> dict[str, dict[str, Any]]:
        """Scores of each arm with plain intervals at level 1 - alpha, whatever the other arms do."""
        return {arm: {name: self._interval(values) for name, values in self._scores(arm).items()}
                for arm in self.logits}

    def _scores(self, arm: str) -> dict[str, np.ndarray]:
        scores = {"balanced_accuracy": mean_recall(self.recall[arm], np.ones_like(self.tested))}
        for shot in self._shots():
            scores[f"{shot}_recall"] = mean_recall(self.recall[arm], self.shot == shot)
        own = self.logits[arm][:, np.arange(len(self.class_idx)), self.class_idx]
        rank = (self.logits[arm] >= own[:, :, None]).sum(axis=2)
        scores["top_1"] = accuracy(self.hits[arm], self.trials, self.resample)
        scores["top_k"] = accuracy(rank <= self.config.top_k, self.trials, self.resample)
        return scores

    def primary(self) -> dict[str, Any]:
        """The one difference fixed beforehand: it stands alone, so its interval needs no correction."""
        chosen = self.config.primary
        return self._family([(chosen.arm, chosen.reference, self.shot == chosen.shot, {"shot": chosen.shot})])[0]

    def contrasts(self) -> list[dict[str, Any]]:
        """Every arm against the one it differs from in one argument and the primary arm against all, by shot class.

        One family: Holm's rule and the corrected intervals run over all of them.
        """
        chosen = self.config.primary
        pairs = [(arm, ARMS[arm].reference) for arm in self.logits if ARMS[arm].reference in self.logits]
        pairs += [(chosen.arm, other) for other in self.logits if other != chosen.arm]
        return self._family([(arm, reference, self.shot == shot, {"shot": shot})
                             for arm, reference in dict.fromkeys(pairs) for shot in self._shots()])

    def groups(self) -> list[dict[str, Any]]:
        """The primary arm against its reference in each tested group: one family."""
        chosen, single = self.config.primary, np.eye(len(self.shot), dtype=bool)
        return self._family([(chosen.arm, chosen.reference, single[k], {"class_idx": int(k)})
                             for k in np.flatnonzero(self.tested)])

    def recall_intervals(self, arm: str) -> list[dict[str, Any]]:
        """Recall of each class in one arm with plain intervals, one entry a class."""
        return [self._interval(self.recall[arm][:, k]) for k in range(len(self.shot))]

    def confusion(self, arm: str) -> list[list[float]]:
        """Mean confusion matrix over the seeds, [K, K], each tested row summing to 1."""
        counts = np.mean([confusion(self.class_idx, predicted, len(self.shot), self.trials.weight)
                          for predicted in self.predicted[arm]], axis=0)
        return (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)).tolist()

    def _shots(self) -> list[str]:
        return [shot for shot in SHOT_CLASSES if (self.tested & (self.shot == shot)).any()]

    def _interval(self, replicates: np.ndarray) -> dict[str, Any]:
        return Interval.of(replicates, self.config.alpha).to_json()

    def _family(self, members: list[tuple[str, str, np.ndarray, dict[str, Any]]]) -> list[dict[str, Any]]:
        """Judge (arm, reference, classes bool [K], labels) together under Holm's rule."""
        replicates = [mean_recall(self.recall[arm], classes) - mean_recall(self.recall[reference], classes)
                      for arm, reference, classes, _ in members]
        p_values = [bootstrap_p(values) for values in replicates]
        rejected, level = holm(p_values, self.config.alpha)
        return [self._difference(*member, values, p, bool(reject), alpha)
                for member, values, p, reject, alpha
                in zip(members, replicates, p_values, rejected, level, strict=True)]

    def _difference(self, arm: str, reference: str, classes: np.ndarray, labels: dict[str, Any], replicates: np.ndarray,
                    p: float, rejected: bool, alpha: float) -> dict[str, Any]:
        cells = classes[self.trials.cell_class]
        units = len(np.unique(self.trials.cell_unit[cells]))
        corrected = Interval.of(replicates, alpha)
        right = [majority_right(self.predicted[name], self.trials)[cells] for name in (reference, arm)]
        lost, won, exact_p = mcnemar(*right)
        per_seed = (mean_recall(self.recall_of_seed[arm], classes)
                    - mean_recall(self.recall_of_seed[reference], classes))
        return {
            **labels, "arm": arm, "reference": reference, "groups": int((classes & self.tested).sum()), "units": units,
            "before": number(mean_recall(self.recall[reference][:1], classes)[0]),
            "after": number(mean_recall(self.recall[arm][:1], classes)[0]),
            **self._interval(replicates), "p": p,
            "corrected": {"alpha": float(alpha), "low": number(corrected.low), "high": number(corrected.high)},
            "per_seed": [number(value) for value in per_seed],
            "mcnemar": {"only_reference_right": lost, "only_arm_right": won, "p": exact_p},
            "verdict": verdict(corrected, rejected=rejected, band=self.config.band, units=units,
                               minimum_units=self.config.minimum_units),
        }
