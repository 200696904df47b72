"""Maps from logits to calibrated probabilities: by a temperature, and by a linear map of log probabilities."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import minimize, minimize_scalar

from classifier.statistics.metrics import softmax

TEMPERATURES = (0.05, 20.0)  # searched
LEAST_PROBABILITY = 1e-12  # whose logarithm is taken


class CalibrationMap(Protocol):
    """What makes calibrated probabilities of logits, and its content for a checkpoint."""

    @property
    def kind(self) -> str: ...

    def probability(self, logits: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N K"]:
        """Calibrated probabilities float64."""
        ...

    def state(self) -> dict[str, Any]:
        """Plain values and tensors, by which the map can be rebuilt."""
        ...

    def require(self, classes: int) -> None:
        """Raise ValueError where the map cannot belong to so many classes."""
        ...


@dataclass(frozen=True)
class Temperature:
    """Divides the logits by one number; kind says what it was fitted to."""

    kind: str
    value: float

    def probability(self, logits: np.ndarray) -> np.ndarray:
        return softmax(np.asarray(logits, dtype=np.float64) / self.value)

    def state(self) -> dict[str, Any]:
        return {"kind": self.kind, "value": self.value}

    def require(self, classes: int) -> None:
        if not 0 < self.value < np.inf:
            raise ValueError(f"temperature {self.value}")


@dataclass(frozen=True, eq=False)
class Dirichlet:
    """softmax(weight log p + bias) of the classifier's own probabilities p: weight float64 [K, K], bias [K].

    Kull et al. 2019, arXiv 1910.12656, section 3.
    """

    weight: np.ndarray
    bias: np.ndarray
    kind: str = "dirichlet"

    def probability(self, logits: np.ndarray) -> np.ndarray:
        return softmax(_log_probability(logits) @ self.weight.T + self.bias)

    def state(self) -> dict[str, Any]:
        return {"kind": self.kind, "weight": torch.from_numpy(self.weight), "bias": torch.from_numpy(self.bias)}

    def require(self, classes: int) -> None:
        if self.weight.shape != (classes, classes) or self.bias.shape != (classes,):
            raise ValueError(f"a map of {self.weight.shape} beside {classes} classes")
        if not (np.isfinite(self.weight).all() and np.isfinite(self.bias).all()):
            raise ValueError("a map that is not finite")


def fit_temperature(logits: Float[np.ndarray, "N K"], truth: Int[np.ndarray, " N"], weight: Float[np.ndarray, " N"]
                    ) -> float:
    """Temperature T by which logits [N, K] are best divided: least cross-entropy against class_idx [N], weighted [N].

    Guo et al. 2017, arXiv 1706.04599, section 4.2. A normal prior on log T, as heavy as one sample, keeps T finite
    where a few samples are all right. In log T the minimum is the only one, and a bounded search finds it.
    """
    logits = np.asarray(logits, dtype=np.float64)
    logits = logits - logits.max(axis=1, keepdims=True)
    own = logits[np.arange(len(logits)), truth]

    def loss(log_t: float) -> float:
        scale = np.exp(-log_t)
        return float(weight @ (np.log(np.exp(scale * logits).sum(axis=1)) - scale * own)) + log_t**2 / 2

    return _least(loss)


def fit_first_answer(logits: Float[np.ndarray, "N K"], truth: Int[np.ndarray, " N"], weight: Float[np.ndarray, " N"]
                     ) -> float:
    """Temperature after which the first answer is right as often as its probability says: least squared difference.

    A few answers that are wrong and sure pull the cross-entropy of all classes, and with it `fit_temperature`, up; what
    a reader takes for the confidence is the first answer's. The prior on log T is that of fit_temperature.
    """
    right = np.argmax(logits, axis=1) == truth

    def loss(log_t: float) -> float:
        confidence = softmax(np.asarray(logits, dtype=np.float64) * np.exp(-log_t)).max(axis=1)
        return float(weight @ np.square(confidence - right)) + log_t**2 / 2

    return _least(loss)


def fit_dirichlet(logits: Float[np.ndarray, "N K"], truth: Int[np.ndarray, " N"], weight: Float[np.ndarray, " N"],
                  *, penalty: float) -> Dirichlet:
    """Least cross-entropy and penalty times the mean square of what is off the diagonal and of the intercepts (ODIR).

    With few samples a class the diagonal would be free to follow each of them: its differences from the diagonal's mean
    are penalised as what is off it, so that a large penalty leaves a temperature.

    Parameters
    ----------
    logits, truth, weight : of the samples; class_idx and how much each counts
    penalty : of a mean square of 1, in samples
    """
    x, classes = _log_probability(logits), np.shape(logits)[1]
    target = np.eye(classes)[truth]
    weight = np.asarray(weight, dtype=np.float64) / np.sum(weight)
    diagonal = np.eye(classes, dtype=bool)
    start = np.eye(classes) / fit_temperature(logits, truth, weight * len(weight))
    strength = penalty / len(weight)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        matrix, bias = flat[:-classes].reshape(classes, classes), flat[-classes:]
        p = softmax(x @ matrix.T + bias)
        away = np.where(diagonal, matrix - np.diagonal(matrix).mean(), matrix)
        value = -float(weight @ np.log(np.maximum(p[np.arange(len(p)), truth], LEAST_PROBABILITY)))
        slope = weight[:, None] * (p - target)
        total = value + strength * (np.square(away).sum() + np.square(bias).sum())
        # The mean of the diagonal moves with each of its entries; their differences from it sum to zero.
        return total, np.append((slope.T @ x + 2 * strength * away).ravel(), slope.sum(axis=0) + 2 * strength * bias)

    best: Any = minimize(loss, np.append(start.ravel(), np.zeros(classes)), jac=True, method="L-BFGS-B",
                         options={"maxiter": 200})
    return Dirichlet(best.x[:-classes].reshape(classes, classes), best.x[-classes:])


def _log_probability(logits: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(softmax(logits), LEAST_PROBABILITY))


def _least(loss: Any) -> float:
    least: Any = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(least.x))
