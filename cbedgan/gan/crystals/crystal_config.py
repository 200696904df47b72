"""What decides the training of a generator of crystals."""

from typing import Annotated, Literal

from pydantic import Field

from cbedgan.gan.adversarial import PenaltyConfig
from cbedgan.gan.augmentation import AugmentationConfig
from cbedgan.gan.batch import Draws
from cbedgan.gan.crystals.network.crystal_generator import CrystalGeneratorConfig
from cbedgan.gan.crystals.prior import PriorConfig
from cbedgan.gan.ema import EmaConfig
from cbedgan.gan.network.contract import SharedConfig
from cbedgan.gan.network.discriminator import DiscriminatorConfig
from cbedgan.gan.optimiser import OptimiserConfig
from cbedgan.simulate.cbed.simulate_config import RenderConfig
from classifier.foundation.config import Config, added
from classifier.pattern.geometry import ViewConfig
from classifier.pattern.intensity import IntensityConfig


class CrystalNetworkConfig(SharedConfig):
    """The network that moves crystals, and the discriminator."""

    generator: CrystalGeneratorConfig
    discriminator: DiscriminatorConfig


class NearnessConfig(Config):
    """Atoms that a move brings nearer than `least` summed covalent radii cost `weight` times the square, a crystal."""

    least: Annotated[float, Field(gt=0, lt=1.5)] = 0.8
    weight: Annotated[float, Field(ge=0)] = 10.0


class TrainCrystalsConfig(Config):
    """images, batch, sampling_power, burn_in_share: see TrainGanConfig; workers: processes that draw the prior;
    render: as RenderConfig says, for sets that the exact engine has made; real: stacks as the set has them, or, where
    their crystals are known, rendered as the generated ones are; staying: weight of the squares of moves, over the most
    that they may be, so that what nothing asks for does not drift; sheet_samples: stacks of each group in samples.png,
    0: no picture."""

    seed: int = 0
    threads: int = 1
    workers: Annotated[int, Field(ge=1)] = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    images: int
    batch: int = 16
    sampling_power: float = 0.5
    burn_in_share: float = 1.0
    checkpoint_every_images: int = 2000
    report_every_images: Annotated[int, Field(ge=1)] = 500
    sheet_samples: Annotated[int, Field(ge=0)] = added(3)
    view: ViewConfig
    intensity: IntensityConfig = IntensityConfig()
    augmentation: AugmentationConfig
    prior: PriorConfig
    render: RenderConfig = RenderConfig()
    real: Literal["stored", "rendered"] = "stored"
    network: CrystalNetworkConfig
    nearness: NearnessConfig = NearnessConfig()
    staying: Annotated[float, Field(ge=0)] = 0.1
    optimiser: OptimiserConfig = OptimiserConfig()
    penalty: PenaltyConfig
    ema: EmaConfig

    def draws(self, images_seen: int) -> Draws:
        """What decides the draws of a step."""
        return Draws(self.seed, images_seen, self.batch, self.sampling_power, self.network.generator.latent_dim)

    def burnt_in(self, images_seen: int) -> float:
        """Share of the schedules that is over."""
        return images_seen / max(1.0, self.burn_in_share * self.images)
