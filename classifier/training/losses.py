"""The losses against class imbalance: what a loss promises, and each with its paper and its own configuration."""

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from classifier.foundation.config import Config
from classifier.foundation.registry import Kinds


@dataclass(frozen=True)
class ClassSizes:
    """What a loss knows of the K classes of a training."""

    prior: Float[Tensor, " K"]  # frequencies in the batches, none zero
    materials: Float[Tensor, " K"]  # training materials of each, at least one

    def to(self, device: torch.device) -> "ClassSizes":
        """The same on another device."""
        return ClassSizes(self.prior.to(device), self.materials.to(device))


class Loss(Protocol):
    """A loss: a batch's is the mean of `losses`, weighted by `sample_weights`.

    target: probabilities; done: share of the training that is over.
    """

    @property
    def kind(self) -> str: ...

    def sample_weights(self, target: Float[Tensor, "B K"], sizes: ClassSizes, done: float) -> Float[Tensor, " B"]:
        """Weights >= 0, from the labels alone; the step divides them by their sum over the whole batch."""
        ...

    def losses(self, logits: Float[Tensor, "B K"], target: Float[Tensor, "B K"], sizes: ClassSizes, done: float
               ) -> Float[Tensor, " B"]:
        """Loss of each sample, from its own row alone: parts of a batch give what the whole gives."""
        ...


class EqualWeights(Config):
    """A loss in which every sample counts alike."""

    def sample_weights(self, target: Tensor, sizes: ClassSizes, done: float) -> Tensor:
        return torch.ones_like(target[:, 0])


class CrossEntropy(EqualWeights):
    """-log softmax(f)_y."""

    kind: Literal["cross_entropy"]

    def losses(self, logits: Tensor, target: Tensor, sizes: ClassSizes, done: float) -> Tensor:
        return cross_entropy(logits, target)


class Weighted(Config):
    """Cross-entropy weighted by class: 1 / n_c, or (1 - beta) / (1 - beta^n_c), the inverse effective number.

    Cui et al. 2019 (arXiv 1901.05555), eq. 4; beta -> 1 is the inverse number itself.
    """

    kind: Literal["weighted"]
    weights: Literal["inverse", "effective"]
    beta: Annotated[float, Field(ge=0, lt=1)]  # of the effective number only

    def sample_weights(self, target: Tensor, sizes: ClassSizes, done: float) -> Tensor:
        return target @ (class_weights(1 / sizes.materials) if self.weights == "inverse"
                         else effective_number_weights(sizes.materials, self.beta))

    def losses(self, logits: Tensor, target: Tensor, sizes: ClassSizes, done: float) -> Tensor:
        return cross_entropy(logits, target)


class Focal(EqualWeights):
    """-(1 - p_y)^gamma log p_y: easy samples count less. Lin et al. 2017 (arXiv 1708.02002), eq. 4."""

    kind: Literal["focal"]
    gamma: Annotated[float, Field(ge=0)] = 2.0

    def losses(self, logits: Tensor, target: Tensor, sizes: ClassSizes, done: float) -> Tensor:
        log_p = F.log_softmax(logits, dim=1)
        return -(target * (1 - log_p.exp()) ** self.gamma * log_p).sum(1)


class Ldam(Config):
    """Margins proportional to n_c^(-1/4), and class weights that begin late (LDAM-DRW).

    Cao et al. 2019 (arXiv 1906.07413), eq. 11 and 13, algorithm 1. The network's head should be "cosine", which scales
    its logits: largest_margin is in units of logits, the paper's 0.5 times that scale.
    """

    kind: Literal["ldam"]
    largest_margin: Annotated[float, Field(ge=0)]
    deferred_from: Annotated[float, Field(ge=0, le=1)]  # share of the training after which classes are weighted
    beta: Annotated[float, Field(ge=0, lt=1)]  # of the effective number that then weighs them

    def sample_weights(self, target: Tensor, sizes: ClassSizes, done: float) -> Tensor:
        if done < self.deferred_from:
            return torch.ones_like(target[:, 0])
        return target @ effective_number_weights(sizes.materials, self.beta)

    def losses(self, logits: Tensor, target: Tensor, sizes: ClassSizes, done: float) -> Tensor:
        margin = sizes.materials ** -0.25  # a soft label takes its share of each margin
        return cross_entropy(logits - target * (self.largest_margin / margin.max() * margin), target)


class LogitAdjusted(EqualWeights):
    """Cross-entropy of f + tau log(prior).

    Menon et al. 2021 (arXiv 2007.07314), eq. 10. tau = 1 is the balanced softmax, -log(n_y e^f_y / sum_j n_j e^f_j):
    Ren et al. 2020 (arXiv 2007.10740), eq. 4.
    """

    kind: Literal["logit_adjusted"]
    tau: Annotated[float, Field(ge=0)] = 1.0

    def losses(self, logits: Tensor, target: Tensor, sizes: ClassSizes, done: float) -> Tensor:
        return cross_entropy(logits + self.tau * sizes.prior.log(), target)


AnyLoss = Annotated[Loss, Kinds(CrossEntropy, Weighted, Focal, Ldam, LogitAdjusted)]


def cross_entropy(logits: Float[Tensor, "B K"], target: Float[Tensor, "B K"]) -> Float[Tensor, " B"]:
    """-sum_k target_k log softmax(logits)_k of logits and target probabilities."""
    return -(target * F.log_softmax(logits, dim=1)).sum(1)


def effective_number_weights(materials: Tensor, beta: float) -> Tensor:
    """Class weights [K] of mean 1, proportional to (1 - beta) / (1 - beta^n) (Cui et al. 2019, eq. 4)."""
    return class_weights((1 - beta) / (1 - beta ** materials.double())).float()


def class_weights(share: Tensor) -> Tensor:
    """Weights [K] of mean 1, proportional to `share`."""
    return share * (len(share) / share.sum())


def class_prior(class_probability: Tensor, smallest: float) -> Tensor:
    """Return the prior [K] of the classes a batch holds, never below `smallest`: log(prior) stays finite."""
    prior = torch.clamp(class_probability, min=smallest)
    return prior / prior.sum()
