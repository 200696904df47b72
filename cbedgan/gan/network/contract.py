"""What every generator that paints samples offers, and the settings that all kinds share."""

from abc import ABC, abstractmethod
from typing import Annotated, Literal, NamedTuple, Protocol, final

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.config import Config
from classifier.pattern.geometry import ViewConfig
from classifier.pattern.intensity import IntensityTransform

SAMPLE_AT_ONCE = 256  # samples a forward pass
# Bounds, so that a forged checkpoint cannot ask for networks without end.
Width = Annotated[int, Field(ge=1, le=4096)]
Depth = Annotated[int, Field(ge=0, le=64)]
Patch = Annotated[int, Field(ge=1, le=64)]
Widths = Annotated[tuple[Width, ...], Field(max_length=16)]


class SharedConfig(Config):
    """What generator and discriminator share.

    embedding_dim: length of a class's embedding; conditioning: classes share the terms of their crystal system and
    point group, or nothing; quarter_turns: symmetric inputs and outputs have all 8 motions of the square, not the 4
    flips alone; precision: bfloat16 runs the stages of at least 32 pixels under autocast, all else stays float32.
    """

    embedding_dim: Width = 64
    conditioning: Literal["hierarchy", "flat"] = "hierarchy"
    quarter_turns: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"


class SampleSpec(NamedTuple):
    """What samples [C, *spatial] are, for the networks: their shape, classes, what they show, their scale."""

    shape: tuple[int, ...]
    class_map: ClassMap
    view: ViewConfig
    intensity: IntensityTransform


class GeneratorKind(Protocol):
    """What the settings of every kind of generator offer; a user's own kind is a Config that does, see `registry`."""

    @property
    def latent_dim(self) -> int: ...

    def build(self, spec: SampleSpec, shared: SharedConfig) -> "Generator": ...  # untrained


class LatentConfig(Config):
    """Sizes of z, of w and of the mapping network between them."""

    latent_dim: Width = 64
    mapping_dim: Width = 128
    mapping_layers: Depth = 2


class Generator(nn.Module, ABC):
    """(z, class_idx) -> x, by way of e (the class's embedding) and w (what the mapping network makes of z and e)."""

    latent_dim: int

    @abstractmethod
    def fit(self, x: Float[Tensor, "N C *spatial"]) -> None:
        """Take what is given rather than learned from the training samples."""

    @abstractmethod
    def embed(self, class_idx: Int[Tensor, " B"]) -> Float[Tensor, "B E"]:
        """Classes -> e; sums of e with weights that sum to 1 are soft classes."""

    @abstractmethod
    def mapping(self, z: Float[Tensor, "B L"], e: Float[Tensor, "B E"]) -> Float[Tensor, "B W"]:
        """z, of which only the direction matters, and e -> w."""

    @abstractmethod
    def synthesise(self, w: Float[Tensor, "B W"]) -> Float[Tensor, "B C *spatial"]:
        """w -> x, float32."""

    @final
    def forward(self, z: Float[Tensor, "B L"], class_idx: Int[Tensor, " B"]) -> Float[Tensor, "B C *spatial"]:
        """z and classes -> x."""
        return self.synthesise(self.mapping(z, self.embed(class_idx)))

    @final
    @torch.no_grad()
    def sample(self, z: Float[Tensor, "N L"], class_idx: Int[Tensor, " N"]) -> Float[Tensor, "N C *spatial"]:
        """z and classes -> x, batch by batch, without a graph, where the generator lies."""
        device = next(self.parameters()).device
        batches = zip(z.to(device).split(SAMPLE_AT_ONCE), class_idx.to(device).split(SAMPLE_AT_ONCE), strict=True)
        return torch.cat([self(part, classes) for part, classes in batches])


def sent(drawn: Tensor, device: torch.device) -> Tensor:
    """Bring a draw to the device without waiting for what a GPU still has to do."""
    if drawn.device == device:
        return drawn
    return drawn.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else drawn.to(device)
