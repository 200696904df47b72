"""What decides a training of the GAN."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cbedgan.gan.adaptive import AdaptiveConfig
from cbedgan.gan.network.networks import NetworkConfig
from cbedgan.gan.schedule import Schedule
from cbedgan.gan.watch import WatchConfig
from classifier.foundation.config import Config
from classifier.pattern.augment import AugmentConfig
from classifier.pattern.geometry import ViewConfig
from classifier.pattern.intensity import IntensityConfig


class TrainGanConfig(Config):
    """Everything that decides a GAN training.

    augment_probability: share of the samples that the discriminator sees transformed, real and generated alike, or,
    with `adaptive`, that share at the start; images, batch: real stacks seen in all and in a step, however many
    processes share it; micro_batch: stacks that are in the networks at once (None: all of a process);
    generator_rate: learning rate of the generator over the discriminator's, which is `learning_rate`;
    burn_in_share: share of `images` after which the schedules of learning_rate, beta2 and gamma rest; penalty_every: R1
    and R2 act at every k-th step, times k; unconditional_weight: of the class-blind head's loss; class_noise: standard
    deviation added to e(class) in the mapping, larger for rare classes by class_noise_beta; twins_*: NoisyTwins;
    ema_*: half-life of the averaged generator and its ramp; max_skipped_share: of a network's steps, those with a
    gradient not finite; watch: what each report measures (None: nothing); sheet_samples: stacks a group in the contact
    sheet; fidelity_samples: largest number of stacks measured at the end.
    """

    seed: int
    threads: int
    device: Literal["auto", "cpu", "cuda"]
    view: ViewConfig
    intensity: IntensityConfig
    augment: AugmentConfig
    augment_probability: Annotated[float, Field(ge=0, le=1)]
    adaptive: AdaptiveConfig | None = Field(None, exclude_if=lambda feedback: feedback is None)
    network: NetworkConfig
    images: int
    batch: int
    micro_batch: Annotated[int, Field(ge=1)] | None = Field(None, exclude_if=lambda size: size is None)
    sampling_power: float
    burn_in_share: float
    learning_rate: Schedule
    generator_rate: Annotated[float, Field(gt=0)] = Field(1.0, exclude_if=lambda rate: rate == 1)
    beta2: Schedule
    gamma: Schedule
    penalty_every: int
    unconditional_weight: float
    class_noise: float
    class_noise_beta: float
    twins_weight: float
    twins_decorrelation: float
    twins_batch: int
    ema_half_life_images: int
    ema_ramp_up: float
    max_skipped_share: float
    report_every_images: int
    checkpoint_every_images: int
    watch: WatchConfig | None = Field(None, exclude_if=lambda watch: watch is None)
    sheet_samples: int
    fidelity_samples: int
