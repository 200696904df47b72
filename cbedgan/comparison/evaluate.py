"""From the logits of all arms and seeds to the numbers of the report: scores, differences and verdicts, as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Shaped

from classifier.foundation.atomic import plain
from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.prediction.predict import Predictions
from classifier.statistics.bootstrap import Bootstrap
from classifier.statistics.metrics import (
    SHOT_CLASSES,
    confusion,
    found_within,
    material_weights,
    mean_present,
    shot_class,
)
from classifier.statistics.significance import Difference, Interval, family, mcnemar
from classifier.statistics.trials import Trials


class PrimaryConfig(Config):
    """The one question fixed beforehand: mean recall of the groups of one shot class, arm minus reference."""

    arm: str
    reference: str
    shot: Literal["few", "medium", "many"]


class VerdictConfig(Config):
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


def trials_of(predictions: Predictions, unit: Literal["material", "structure_type"]) -> Trials:
    """Gather predictions of known truth; every material counts once, and is the unit where its type is unknown."""
    by_type = (unit == "structure_type") & (predictions.structure_type != "")
    return Trials.of(predictions.class_map.indices(predictions.space_group),
                     np.where(by_type, predictions.structure_type, predictions.material), len(predictions.class_map),
                     material_weights(predictions.material))


def recalls_and_accuracies(trials: Trials, logits: Float[np.ndarray, "S N K"], drawn: Bootstrap,
                           shot: Shaped[np.ndarray, " K"], top: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Replicates [R+1] of the scores that comparison and ranking both report, by name.

    Parameters
    ----------
    trials : of N test samples
    logits : of S trainings that differ in their seed alone
    drawn : units and seeds of each replicate
    shot : few, medium or many, of each class
    top : k of each top-k accuracy: the true class is among the first k answers
    """
    truth, tested = trials.class_idx, trials.units_per_class() > 0
    recall = trials.recall(logits.argmax(axis=2) == truth, drawn)
    members = {"balanced_accuracy": np.ones_like(tested), **{
        f"{name}_recall": shot == name for name in SHOT_CLASSES if (tested & (shot == name)).any()}}
    within = np.stack([found_within(truth, of_seed, max(top.values())) for of_seed in logits])
    return {**{name: mean_present(recall[:, classes]) for name, classes in members.items()},
            **{name: trials.accuracy(within[..., k - 1], drawn) for name, k in top.items()}}


class Evaluation:
    """The test logits of every arm, {arm: float [S, N, K]}, on one set of trials, with shared bootstrap replicates.

    training_materials: int [K], which decides what is few, medium and many; references: the arm that each is held
    against, where there is one; by_derivation: the same of real-derived and of random crystals apart, where it is known
    which are which.
    """

    def __init__(self, config: VerdictConfig, logits: Mapping[str, np.ndarray], trials: Trials,
                 training_materials: np.ndarray, references: Mapping[str, str | None] | None = None,
                 by_derivation: "Mapping[str, Evaluation] | None" = None) -> None:
        self.references, self.by_derivation = references or {}, by_derivation or {}
        self.config, self.logits, self.trials = config, logits, trials
        self.training_materials, self.shot = training_materials, shot_class(training_materials)
        self.predicted = {arm: values.argmax(axis=2) for arm, values in logits.items()}
        self.hits = {arm: predicted == trials.class_idx for arm, predicted in self.predicted.items()}
        seeds = len(next(iter(logits.values())))
        self.drawn = trials.draw(replicates=config.replicates, seed=config.seed, seeds=seeds)
        self.recall = {arm: trials.recall(hits, self.drawn) for arm, hits in self.hits.items()}
        self.recall_of_seed = {arm: trials.recall(hits, self.drawn.each_seed()) for arm, hits in self.hits.items()}
        self.tested = trials.units_per_class() > 0

    def arms(self) -> dict[str, dict[str, Any]]:
        """Scores of each arm with plain intervals at level 1 - alpha, whatever the other arms do."""
        top = {"top_1": 1, "top_k": self.config.top_k}
        return {arm: {name: self._interval(values) for name, values in recalls_and_accuracies(
            self.trials, logits, self.drawn, self.shot, top).items()} for arm, logits in self.logits.items()}

    def primary(self) -> dict[str, Any]:
        """The one difference fixed beforehand: it stands alone, so its interval needs no correction."""
        chosen = self.config.primary
        return self.differences([(chosen.arm, chosen.reference, self.shot == chosen.shot, {"shot": chosen.shot})])[0]

    def contrasts(self) -> list[dict[str, Any]]:
        """Every arm against the one it differs from in one argument and the primary arm against all, by shot class.

        One family: Holm's rule and the corrected intervals run over all of them.
        """
        chosen = self.config.primary
        pairs = [(arm, reference) for arm in self.logits for reference in [self.references.get(arm)]
                 if reference is not None and reference in self.logits]
        pairs += [(chosen.arm, other) for other in self.logits if other != chosen.arm]
        return self.differences([(arm, reference, self.shot == shot, {"shot": shot})
                                 for arm, reference in dict.fromkeys(pairs) for shot in self.shots()])

    def groups(self, arm: str, reference: str) -> list[dict[str, Any]]:
        """One arm against another in each tested group: one family."""
        single = np.eye(len(self.shot), dtype=bool)
        return self.differences([(arm, reference, single[k], {"class_idx": int(k)})
                                 for k in np.flatnonzero(self.tested)])

    def recall_intervals(self, arm: str) -> list[dict[str, Any]]:
        """Recall of each class in one arm with plain intervals, one entry a class."""
        return [self._interval(self.recall[arm][:, k]) for k in range(len(self.shot))]

    def confusion(self, arm: str) -> list[list[float]]:
        """Mean confusion matrix over the seeds, [K, K], each tested row summing to 1."""
        counts = np.mean([confusion(self.trials.class_idx, predicted, len(self.shot), self.trials.weight)
                          for predicted in self.predicted[arm]], axis=0)
        return (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)).tolist()

    def shots(self) -> list[str]:
        """Shot classes that are tested."""
        return [shot for shot in SHOT_CLASSES if (self.tested & (self.shot == shot)).any()]

    def _interval(self, replicates: np.ndarray) -> dict[str, Any]:
        return plain(Interval.of(replicates, self.config.alpha).content())

    def differences(self, members: Sequence[tuple[str, str, np.ndarray, dict[str, Any]]]) -> list[dict[str, Any]]:
        """Compare the mean recall of (arm, reference, classes bool [K], labels), all as one family."""
        replicates = [mean_present(self.recall[arm][:, classes]) - mean_present(self.recall[reference][:, classes])
                      for arm, reference, classes, _ in members]
        differences = family(replicates, self.config.alpha)
        return [self._content(*member, difference) for member, difference in zip(members, differences, strict=True)]

    def _content(self, arm: str, reference: str, classes: np.ndarray, labels: dict[str, Any], difference: Difference
                 ) -> dict[str, Any]:
        units = self.trials.units(classes)
        right = [self.trials.majority_right(self.predicted[name])[classes[self.trials.cell_class]]
                 for name in (reference, arm)]
        lost, won, exact_p = mcnemar(*right)
        before, after = (float(mean_present(self.recall[name][:1, classes])[0]) for name in (reference, arm))
        per_seed = (mean_present(self.recall_of_seed[arm][:, classes])
                    - mean_present(self.recall_of_seed[reference][:, classes]))
        return plain({
            **labels, "arm": arm, "reference": reference, "groups": int((classes & self.tested).sum()), "units": units,
            "before": before, "after": after, **difference.content(), "per_seed": per_seed.tolist(),
            "mcnemar": {"only_reference_right": lost, "only_arm_right": won, "p": exact_p},
            "verdict": difference.verdict(band=self.config.band, units=units, minimum_units=self.config.minimum_units),
        })


def evaluate(judgement: VerdictConfig, answers: Mapping[str, Sequence[Predictions]], materials: np.ndarray, *,
             split_names: Sequence[str], references: Mapping[str, str | None]) -> Evaluation:
    """Evaluate what all arms and seeds answer to the same samples of known truth; other samples are an InputError.

    Parameters
    ----------
    judgement : of the comparison
    answers : {arm: predictions of each seed}
    materials : int [K], training materials of each class
    split_names : digests of the split that all are of
    references : {arm: the one that it is held against, or None}
    """
    first = next(iter(answers.values()))[0]
    for arm, of_seeds in answers.items():
        for place, one in enumerate(of_seeds):
            if not np.array_equal(one.sample_id, first.sample_id) or one.split_digest not in split_names:
                raise InputError(source=f"predictions of {arm}, seed number {place + 1}",
                                 value="other samples or another split", rule="all arms must answer the same samples",
                                 remedy="Remove the run folder and compare again.")
    logits = {arm: np.stack([one.logits for one in of_seeds]) for arm, of_seeds in answers.items()}
    apart = {name: Evaluation(judgement, {arm: values[:, first.derivation == name] for arm, values in logits.items()},
                              trials_of(some, judgement.unit), materials, references)
             for name, some in first.by_derivation().items()}
    return Evaluation(judgement, logits, trials_of(first, judgement.unit), materials, references, apart)
