"""Augmentation that the discriminator looks through, and its feedback: as often as the discriminator can bear."""

from typing import Annotated

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from cbedgan.gan.adversarial import Augmentation
from cbedgan.gan.batch import TRANSFORMS, Draws
from cbedgan.gan.network.contract import sent
from cbedgan.gan.training_data import Data
from classifier.foundation.config import Config
from classifier.pattern.augment import AugmentConfig, augment


class AdaptiveConfig(Config):
    """Feedback on the probability of augmentation, which begins at the configured one.

    target: mean of sign(D(x) - D(x^)) that is aimed at, -1..1; images: seen while all real stacks win, after which the
    probability has climbed from 0 to 1; largest: what it never exceeds; by_shots: the groups with few, medium and many
    materials have a probability each, which their own images move, else all have one.
    """

    target: Annotated[float, Field(ge=-1, lt=1)]
    images: Annotated[int, Field(ge=1)]
    largest: Annotated[float, Field(ge=0, le=1)]
    by_shots: bool


class AugmentationConfig(Config):
    """probability: share of the samples that the discriminator sees transformed, real and generated alike, or, with
    `adaptive`, that share at the start; transforms: which."""

    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    transforms: AugmentConfig
    adaptive: AdaptiveConfig | None = None


def make_augmentation(config: AugmentationConfig, data: Data, draws: Draws, probability: Float[Tensor, " 3"],
                      rows: range) -> Augmentation:
    """An augmentation of the samples at `rows` that draws the same transforms at every call.

    A mirrored sample brings its mirrored label.

    Parameters
    ----------
    config : which transforms
    data : whose classes have shot groups and mirror images
    draws : of the step
    probability : of each shot group
    rows : of the batch
    """
    def seen_by_discriminator(x: Tensor, class_idx: Tensor) -> tuple[Tensor, Tensor]:
        here, stream = slice(rows.start, rows.stop), draws.stream(TRANSFORMS)
        uniform = sent(torch.rand(draws.batch, generator=stream)[here], x.device)
        chosen = uniform < probability[data.shots[class_idx]]
        label = class_idx.new_zeros(draws.batch)
        label[here] = class_idx
        changed, label = augment(x, label, stream, config.transforms, data.class_map, rows)
        return (torch.where(chosen.reshape(-1, *[1] * (x.ndim - 1)), changed, x),
                torch.where(chosen, label[here], class_idx))

    if config.probability == 0 and config.adaptive is None:
        return lambda x, class_idx: (x, class_idx)
    return seen_by_discriminator


def adapted(probability: Float[Tensor, " 3"], wins: Float[Tensor, " 3"], pairs: Float[Tensor, " 3"],
            config: AdaptiveConfig) -> Float[Tensor, " 3"]:
    """Probability of each shot group after a batch in which real samples won `wins` of `pairs`.

    p <- p + sum_i (s_i - target) / (1 - target) / images over the signs s_i of D(x) - D(x^), x and x^ of one class: a
    relativistic discriminator has no zero to compare a single logit with, as ADA does (arXiv 2006.06676, section 3.2).
    Nor is the sign of a mean fed back, which rests at another target in a group of which a batch holds few.

    Parameters
    ----------
    probability : before the batch
    wins, pairs : of each shot group
    config : the aim
    """
    if not config.by_shots:
        wins, pairs = wins.sum().expand_as(wins), pairs.sum().expand_as(pairs)
    signs = 2 * wins - pairs
    moved = probability + (signs - config.target * pairs) / ((1 - config.target) * config.images)
    return moved.clamp(0, config.largest)


def wins_by_shots(logits_real: Float[Tensor, "B heads"], logits_fake: Float[Tensor, "B heads"],
                  shots: Int[Tensor, " B"]) -> tuple[Float[Tensor, " 3"], Float[Tensor, " 3"]]:
    """How many pairs the real sample wins, and how many there are, by shot group 0..2.

    A pair whose difference is not finite is left out.
    """
    difference = (logits_real - logits_fake)[:, 0]
    finite, member = torch.isfinite(difference), (shots[:, None] == torch.arange(3, device=shots.device)).float()
    return (finite & (difference > 0)).float() @ member, finite.float() @ member
