"""What decides a training of the classifier, and the learning rate that follows from it."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.network.model import ModelConfig
from classifier.pattern.augment import AugmentConfig
from classifier.pattern.geometry import ViewConfig
from classifier.pattern.intensity import IntensityConfig
from classifier.training.losses import AnyLoss
from classifier.training.stopping import EarlyStopConfig


class TrainClassifierConfig(Config):
    """Everything that decides a training; arms of a comparison differ only in whether an added source is given.

    images, batch: stacks seen in all and in a step, whatever their origin and however many processes share it;
    micro_batch: stacks that are in the network at once, where a whole batch does not fit (None: all of a process);
    precision: of the body's products, "bf16" under autocast with float32 weights, head and loss ("fp32" lets a GPU's
    convolutions use TF32); learning_rate: its peak, reached after warmup_images and falling to zero along a cosine;
    ema_half_life_images: of the averaged weights that leave training (0: the last weights); early_stop: end, and take
    the weights, where the validation part is judged best (None: nothing is selected on any held-out part);
    sampling_power: p(class) ~ (training materials)^power; mixup_alpha: of the Beta distribution from which mixup draws
    its shares (0: no mixup); synthetic_share: share of each batch taken from the added source; synthetic_weight: of its
    samples in the loss; max_skipped_share: share of steps that may be skipped because loss or gradient is not finite.
    """

    seed: int
    threads: int
    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["fp32", "bf16"]
    view: ViewConfig
    intensity: IntensityConfig
    augment: AugmentConfig
    model: ModelConfig
    loss: AnyLoss
    mixup_alpha: Annotated[float, Field(ge=0)] = Field(0.0, exclude_if=lambda alpha: alpha == 0)
    images: int
    batch: int
    micro_batch: Annotated[int, Field(ge=1)] | None = Field(None, exclude_if=lambda size: size is None)
    learning_rate: float
    warmup_images: int
    weight_decay: float
    gradient_clip: float
    ema_half_life_images: int
    early_stop: EarlyStopConfig | None = Field(None, exclude_if=lambda stop: stop is None)
    sampling_power: float
    synthetic_share: float
    synthetic_weight: float
    max_skipped_share: float
    report_every_images: int
    checkpoint_every_images: int

    @model_validator(mode="after")
    def _mixed_stacks_have_no_cell(self) -> TrainClassifierConfig:
        """Refuse mixup where a stack's pose or cell is needed: between two crystals there is no third."""
        if self.mixup_alpha and (self.model.pose_input or self.model.tasks is not None):
            raise InputError(source="mixup_alpha", rule="must be 0 with model.pose_input or model.tasks",
                             value=self.mixup_alpha, remedy="Leave mixup, or pose input and tasks, out.")
        return self


def learning_rate(config: TrainClassifierConfig, images_seen: int) -> float:
    """Linear warm-up to config.learning_rate, then a cosine to zero at config.images."""
    if images_seen < config.warmup_images:
        return config.learning_rate * (images_seen + config.batch) / (config.warmup_images + config.batch)
    share = (images_seen - config.warmup_images) / max(1, config.images - config.warmup_images)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
