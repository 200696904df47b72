"""Adaptive augmentation: as often as the discriminator can bear, fed back from how often a real stack wins its pair."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from classifier.foundation.config import Config


class AdaptiveConfig(Config):
    """Feedback on the probability of augmentation, which begins at augment_probability.

    target: mean of sign(D(x) - D(x^)) that is aimed at, -1..1; images: seen while all real stacks win, after which the
    probability has climbed from 0 to 1; largest: what it never exceeds; by_shots: the groups with few, medium and many
    materials have a probability each, which their own images move, else all have one.
    """

    target: Annotated[float, Field(ge=-1, lt=1)]
    images: Annotated[int, Field(ge=1)]
    largest: Annotated[float, Field(ge=0, le=1)]
    by_shots: bool


def adapted(probability: Tensor, wins: Tensor, pairs: Tensor, config: AdaptiveConfig) -> Tensor:
    """Probability [3] of each shot group after a batch in which real stacks won `wins` [3] of `pairs` [3].

    p <- p + sum_i (s_i - target) / (1 - target) / images over the signs s_i of D(x) - D(x^), x and x^ of one class: a
    relativistic discriminator has no zero to compare a single logit with, as ADA does (arXiv 2006.06676, section 3.2).
    Nor is the sign of a mean fed back, which rests at another target in a group of which a batch holds few.
    """
    if not config.by_shots:
        wins, pairs = wins.sum().expand_as(wins), pairs.sum().expand_as(pairs)
    signs = 2 * wins - pairs
    moved = probability + (signs - config.target * pairs) / ((1 - config.target) * config.images)
    return moved.clamp(0, config.largest)


def wins_by_shots(logits_real: Tensor, logits_fake: Tensor, shots: Tensor) -> tuple[Tensor, Tensor]:
    """How many pairs the real stack wins, and how many there are, float32 [3] by shot group; class logits [B, heads].

    shots: int64 [B], 0..2. A pair whose difference is not finite is left out.
    """
    difference = (logits_real - logits_fake)[:, 0]
    finite, member = torch.isfinite(difference), (shots[:, None] == torch.arange(3, device=shots.device)).float()
    return (finite & (difference > 0)).float() @ member, finite.float() @ member
