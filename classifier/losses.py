"""The losses against class imbalance, each with its paper; tensors in, one number out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Weighted mean of -sum_k target_k log softmax(logits)_k; logits and target (probabilities) [B, K], weight [B]."""
    loss = -(target * F.log_softmax(logits, dim=1)).sum(1)
    return loss.mean() if weight is None else (loss * weight).sum() / weight.sum()


def logit_adjusted(logits: Tensor, target: Tensor, prior: Tensor, tau: float, weight: Tensor | None = None) -> Tensor:
    """Cross-entropy of logits + tau log(prior), prior [K]; tau = 1 is the balanced softmax.

    Menon et al. 2021 (arXiv 2007.07314), eq. 10; Ren et al. 2020 (arXiv 2007.10740) for tau = 1.
    """
    return cross_entropy(logits + tau * prior.log(), target, weight)


def adjust_logits(logits: Tensor, prior: Tensor, tau: float) -> Tensor:
    """Post-hoc adjustment logits - tau log(prior) [B, K] of a model trained with plain cross-entropy.

    Menon et al. 2021 (arXiv 2007.07314), eq. 9.
    """
    return logits - tau * prior.log()


def class_prior(class_probability: Tensor, smallest: float) -> Tensor:
    """Return the prior [K] of the classes a batch holds, never below `smallest`: log(prior) stays finite."""
    prior = torch.clamp(class_probability, min=smallest)
    return prior / prior.sum()
