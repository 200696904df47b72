"""The losses against class imbalance, each with its paper and its own configuration; tensors in, terms out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from classifier.foundation.config import Config


@dataclass(frozen=True)
class ClassSizes:
    """What is known of the K classes of a training.

    prior: float32 [K], frequencies of the classes in the batches, none zero; materials: float32 [K], training
    materials of each, at least one.
    """

    prior: Tensor
    materials: Tensor

    def to(self, device: torch.device) -> ClassSizes:
        """The same on another device."""
        return ClassSizes(self.prior.to(device), self.materials.to(device))


class CrossEntropy(Config):
    """-log softmax(f)_y."""

    kind: Literal["cross_entropy"]

    def terms(self, logits: Tensor, target: Tensor, sizes: ClassSizes, done: float) -> tuple[Tensor, Tensor]:
        """Losses [B] and their weights [B] of logits [B, K] and target probabilities [B, K]; every loss has these.

        sizes: of the classes; done: share of the training that is over. The step's loss is the weighted mean.
        """
        return cross_entropy(logits, target), torch.ones_like(logits[:, 0])


class Weighted(Config):
    """Cross-entropy weighted by class: 1 / n_c, or (1 - beta) / (1 - beta^n_c), the inverse effective number.

    Cui et al. 2019 (arXiv 1901.05555), eq. 4; beta -> 1 is the inverse number itself.
    """

    kind: Literal["weighted"]
    weights: Literal["inverse", "effective"]
    beta: Annotated[float, Field(ge=0, lt=1)]  # of the effective number only

    def terms(self, logits: Tensor, target: Tensor, sizes: ClassSizes, done: float) -> tuple[Tensor, Tensor]:
        """See CrossEntropy.terms."""
        weights = (class_weights(1 / sizes.materials) if self.weights == "inverse"
                   else effective_number_weights(sizes.materials, self.beta))
        return cross_entropy(logits, target), target @ weights


class Focal(Config):
    """-(1 - p_y)^gamma log p_y: easy samples count less. Lin et al. 2017 (arXiv 1708.02002), eq. 4."""

    kind: Literal["focal"]
    gamma: Annotated[float, Field(ge=0)]

    def terms(self, logits: Tensor, target: Tensor, sizes: ClassSizes, done: float) -> tuple[Tensor, Tensor]:
        """See CrossEntropy.terms."""
        log_p = F.log_softmax(logits, dim=1)
        return -(target * (1 - log_p.exp()) ** self.gamma * log_p).sum(1), torch.ones_like(logits[:, 0])


class Ldam(Config):
    """Margins proportional to n_c^(-1/4), and class weights that begin late (LDAM-DRW).

    Cao et al. 2019 (arXiv 1906.07413), eq. 11 and 13, algorithm 1. The network's head should be "cosine", which scales
    its logits: largest_margin is in units of logits, the paper's 0.5 times that scale.
    """

    kind: Literal["ldam"]
    largest_margin: Annotated[float, Field(ge=0)]
    deferred_from: Annotated[float, Field(ge=0, le=1)]  # share of the training after which classes are weighted
    beta: Annotated[float, Field(ge=0, lt=1)]  # of the effective number that then weighs them

    def terms(self, logits: Tensor, target: Tensor, sizes: ClassSizes, done: float) -> tuple[Tensor, Tensor]:
        """See CrossEntropy.terms; a soft label takes its share of each margin."""
        margin = sizes.materials ** -0.25
        losses = cross_entropy(logits - target * (self.largest_margin / margin.max() * margin), target)
        if done < self.deferred_from:
            return losses, torch.ones_like(losses)
        return losses, target @ effective_number_weights(sizes.materials, self.beta)


class LogitAdjusted(Config):
    """Cross-entropy of f + tau log(prior).

    Menon et al. 2021 (arXiv 2007.07314), eq. 10. tau = 1 is the balanced softmax, -log(n_y e^f_y / sum_j n_j e^f_j):
    Ren et al. 2020 (arXiv 2007.10740), eq. 4.
    """

    kind: Literal["logit_adjusted"]
    tau: Annotated[float, Field(ge=0)]

    def terms(self, logits: Tensor, target: Tensor, sizes: ClassSizes, done: float) -> tuple[Tensor, Tensor]:
        """See CrossEntropy.terms."""
        return cross_entropy(logits + self.tau * sizes.prior.log(), target), torch.ones_like(logits[:, 0])


Loss = Annotated[CrossEntropy | Weighted | Focal | Ldam | LogitAdjusted, Field(discriminator="kind")]


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """-sum_k target_k log softmax(logits)_k, [B], of logits and target probabilities [B, K]."""
    return -(target * F.log_softmax(logits, dim=1)).sum(1)


def effective_number_weights(materials: Tensor, beta: float) -> Tensor:
    """Class weights [K] of mean 1, proportional to (1 - beta) / (1 - beta^n) (Cui et al. 2019, eq. 4)."""
    return class_weights((1 - beta) / (1 - beta ** materials.double())).float()


def class_weights(share: Tensor) -> Tensor:
    """Weights [K] of mean 1, proportional to `share`."""
    return share * (len(share) / share.sum())


def adjust_logits(logits: Tensor, prior: Tensor, tau: float) -> Tensor:
    """Post-hoc adjustment logits - tau log(prior) [B, K] of a model trained with plain cross-entropy.

    Menon et al. 2021 (arXiv 2007.07314), eq. 9.
    """
    return logits - tau * prior.log()


def class_prior(class_probability: Tensor, smallest: float) -> Tensor:
    """Return the prior [K] of the classes a batch holds, never below `smallest`: log(prior) stays finite."""
    prior = torch.clamp(class_probability, min=smallest)
    return prior / prior.sum()
