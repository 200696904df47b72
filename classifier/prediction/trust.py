"""How far to trust a classifier: calibrated probabilities, and thresholds that validation chooses; kept with it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from classifier.pattern.plausibility import Plausibility
from classifier.prediction.feature_bank import FeatureBank
from classifier.prediction.one_crystal import OneCrystal
from classifier.statistics.calibration_choice import FittedMap, map_from_state
from classifier.statistics.metrics import calibration_error, softmax

USUAL_DISTANCE = 0.99  # of validation stacks count as near enough to training
PLAUSIBLE = 0.95  # of validation: how often the groups that are not ruled out hold the true one
CURVE_POINTS = 20  # of the curve that is written out
LEAST_PROBABILITY = 1e-12  # whose logarithm is taken


def coverage_curve(confidence: np.ndarray, correct: np.ndarray, weight: np.ndarray
                   ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thresholds, descending, with the share answered and its accuracy when confidence [N] must reach them.

    Selective classification (Geifman and El-Yaniv 2017, arXiv 1705.08500); samples count by weight [N].
    """
    order = np.argsort(-confidence, kind="stable")
    answered = np.cumsum(weight[order])
    accuracy = np.cumsum((weight * correct)[order]) / answered
    # Samples of equal confidence are answered together.
    last = np.append(np.diff(confidence[order]) != 0, True)
    return confidence[order][last], answered[last] / answered[-1], accuracy[last]


def confidence_threshold(confidence: np.ndarray, correct: np.ndarray, weight: np.ndarray, accuracy: float) -> float:
    """Lowest confidence [N] from which on the answers reach this accuracy, by weight [N]; infinite where none do."""
    threshold, _, reached = coverage_curve(confidence, correct, weight)
    good = np.flatnonzero(reached >= accuracy)
    return float(threshold[good[-1]]) if len(good) else float("inf")


def plausible_probability(probability: np.ndarray, truth: np.ndarray) -> float | None:
    """Probability that the true class reaches in PLAUSIBLE of validation [N, K]; a class below it is ruled out.

    Sadinle et al. 2019, arXiv 1609.00451: least ambiguous sets, with the finite-sample quantile of conformal
    prediction; None where there are too few samples for that (fewer than 19).
    """
    own = np.sort(probability[np.arange(len(truth)), truth])
    place = int(np.floor((len(own) + 1) * (1 - PLAUSIBLE) + 1e-9)) - 1
    return float(own[place]) if place >= 0 else None


@dataclass(frozen=True, eq=False)
class Trust:
    """What a classifier's validation says of it, and the training stacks to compare a new one with.

    temperature: divides the logits; logits float32 [V, K], class_idx int64 [V], weight float64 [V] of validation, every
    group weighing the same; usual_distance: from the bank, of USUAL_DISTANCE of validation; plausibility: what training
    patterns look like; calibration: the map in place of the temperature, with what it said of the samples that it was
    fitted on, each without its own fold; one_crystal: notices patterns of different crystals, None where it was not
    taught.
    """

    temperature: float
    logits: np.ndarray
    class_idx: np.ndarray
    weight: np.ndarray
    usual_distance: float
    bank: FeatureBank
    plausibility: Plausibility
    calibration: FittedMap | None = None
    one_crystal: OneCrystal | None = None

    def calibrate(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated probabilities float64 [N, K] of logits [N, K]."""
        if self.calibration is not None:
            return self.calibration.map.probability(logits)
        return softmax(np.asarray(logits, dtype=np.float64) / self.temperature)

    def calibrated_logits(self, logits: np.ndarray) -> np.ndarray:
        """Logits [N, K] whose softmax is the calibrated probability: logits [N, K] themselves, or log probabilities."""
        if self.calibration is None:
            return logits / self.temperature
        return np.log(np.maximum(self.calibrate(logits), LEAST_PROBABILITY))

    @cached_property
    def validation(self) -> np.ndarray:
        """Calibrated probabilities float64 [V, K] of validation."""
        return self.calibrate(self.logits) if self.calibration is None else self.calibration.held_out

    def require(self, *, classes: int, features: int, size_pixels: int) -> None:
        """Raise ValueError where it cannot belong to a network of these classes, features and pixels."""
        sizes = self.logits.shape[1], self.bank.features.shape[1]
        if sizes != (classes, features):
            raise ValueError(f"trust of {sizes[0]} classes and {sizes[1]} features beside {classes} and {features}")
        if self.calibration is not None:
            self.calibration.map.require(classes)
        if not 0 <= 2 * self.plausibility.shift_pixels < size_pixels - 2:
            raise ValueError(f"shifts of {self.plausibility.shift_pixels} pixels in {size_pixels}")

    def summary(self) -> dict[str, Any]:
        """Temperature, calibration error on validation and accuracy against coverage there, as JSON content."""
        _, coverage, accuracy = coverage_curve(self.validation.max(axis=1),
                                               self.validation.argmax(axis=1) == self.class_idx, self.weight)
        shares = np.arange(1, CURVE_POINTS + 1) / CURVE_POINTS
        place = np.searchsorted(coverage, shares - 1e-9).clip(max=len(coverage) - 1)
        calibrated = self.logits / self.temperature if self.calibration is None else np.log(self.validation)
        errors = {name: calibration_error(self.class_idx, logits, weight=self.weight) for name, logits in
                  (("as_trained", self.logits), ("calibrated", calibrated))}
        chosen = {} if self.calibration is None else {"calibration": {
            "kind": self.calibration.map.kind, "cross_validated_errors": self.calibration.errors}}
        return {"temperature": self.temperature, **chosen, "validation_calibration_error": errors,
                "validation_accuracy_by_coverage": {f"{share:.2f}": float(accuracy[k])
                                                    for share, k in zip(shares, place, strict=True)}}

    def state(self) -> dict[str, Any]:
        """Return plain values and tensors for a checkpoint."""
        state = {"temperature": self.temperature, "logits": torch.from_numpy(self.logits),
                 "class_idx": torch.from_numpy(self.class_idx), "weight": torch.from_numpy(self.weight),
                 "usual_distance": self.usual_distance, "bank": self.bank.state(),
                 "plausibility": self.plausibility.state()}
        if self.calibration is not None:
            state["calibration"] = {"map": self.calibration.map.state(), "errors": self.calibration.errors,
                                    "held_out": torch.from_numpy(self.calibration.held_out)}
        if self.one_crystal is not None:
            state["one_crystal"] = self.one_crystal.state()
        return state

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Trust":
        """Rebuild it from `state()`."""
        trust = cls(float(state["temperature"]), state["logits"].numpy(), state["class_idx"].numpy(),
                    state["weight"].numpy(), float(state["usual_distance"]), FeatureBank.from_state(state["bank"]),
                    Plausibility.from_state(state["plausibility"]), _calibration(state.get("calibration")),
                    OneCrystal.from_state(state["one_crystal"]) if "one_crystal" in state else None)
        count, classes = trust.logits.shape
        if not 0 < count == len(trust.class_idx) == len(trust.weight) or not (
                0 <= trust.class_idx.min() and trust.class_idx.max() < classes and trust.weight.min() > 0):
            raise ValueError(f"validation of {count} stacks with {len(trust.class_idx)} labels and their weights")
        if not (0 < trust.temperature < np.inf and 0 < trust.usual_distance < np.inf):
            raise ValueError(f"temperature {trust.temperature}, usual distance {trust.usual_distance}")
        if trust.calibration is not None and trust.validation.shape != trust.logits.shape:
            raise ValueError(f"probabilities {trust.validation.shape} beside logits {trust.logits.shape}")
        return trust


def _calibration(state: dict[str, Any] | None) -> FittedMap | None:
    """Rebuild the map; older checkpoints have none."""
    if state is None:
        return None
    held_out = state["held_out"].numpy()
    if not (held_out > 0).all():
        raise ValueError("probabilities of validation that are not above 0")
    return FittedMap(map_from_state(state["map"]), held_out, dict(state["errors"]))
