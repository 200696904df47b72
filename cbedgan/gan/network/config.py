"""What decides both networks: their shared settings, one kind of generator, the discriminator."""

from typing import Annotated

from cbedgan.gan.network.contract import GeneratorKind, SharedConfig
from cbedgan.gan.network.discriminator import DiscriminatorConfig
from cbedgan.gan.network.pixel_generator import PixelConfig
from classifier.foundation.registry import Kinds


class NetworkConfig(SharedConfig):
    """Both networks; `kind` tells which generator: "pixels", or "module:Name" of a user's own file."""

    generator: Annotated[GeneratorKind, Kinds(PixelConfig, elsewhere="crystals are drawn by a configuration such as "
                                              "configs/bench/train_gan_crystals.toml")]
    discriminator: DiscriminatorConfig
