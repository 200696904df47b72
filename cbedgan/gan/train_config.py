"""What decides a training of the GAN."""

from typing import Annotated, Literal

from pydantic import Field

from cbedgan.gan.adversarial import PenaltyConfig
from cbedgan.gan.augmentation import AugmentationConfig
from cbedgan.gan.batch import Draws
from cbedgan.gan.ema import EmaConfig
from cbedgan.gan.network.config import NetworkConfig
from cbedgan.gan.optimiser import OptimiserConfig
from cbedgan.gan.reporting.reports import ReportConfig
from classifier.foundation.config import Config
from classifier.pattern.geometry import ViewConfig
from classifier.pattern.intensity import IntensityConfig


class TrainGanConfig(Config):
    """Everything that decides a GAN training; what a table holds is said where it is used.

    images, batch: real samples seen in all and in a step, however many processes share it; micro_batch: samples that
    are in the networks at once (None: all of a process); sampling_power: p(group) ~ (its training materials)^power;
    burn_in_share: share of `images` after which the schedules of learning_rate, beta2 and gamma rest.
    """

    seed: int = 0
    threads: int = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    images: int
    batch: int = 32
    micro_batch: Annotated[int, Field(ge=1)] | None = None
    sampling_power: float = 0.5
    burn_in_share: float = 1.0
    checkpoint_every_images: int = 10000
    view: ViewConfig
    intensity: IntensityConfig = IntensityConfig()
    augmentation: AugmentationConfig
    network: NetworkConfig
    optimiser: OptimiserConfig = OptimiserConfig()
    penalty: PenaltyConfig
    ema: EmaConfig
    report: ReportConfig

    def draws(self, images_seen: int) -> Draws:
        """What decides the draws of a step."""
        return Draws(self.seed, images_seen, self.batch, self.sampling_power, self.network.generator.latent_dim)

    def burnt_in(self, images_seen: int) -> float:
        """Share of the schedules that is over."""
        return images_seen / max(1.0, self.burn_in_share * self.images)
