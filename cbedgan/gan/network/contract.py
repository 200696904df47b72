"""What every generator offers, what it is told of a batch, and the settings that all kinds share."""

from abc import ABC, abstractmethod
from typing import Annotated, Literal, NamedTuple, Protocol

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.config import Config
from classifier.pattern.geometry import ViewConfig
from classifier.pattern.intensity import IntensityTransform

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
    """What the settings of every kind of generator offer; a user's own kind is a Config that does, see `registry`.

    form_strain: standard deviation of the strains of forms that are drawn; None for a generator without forms.
    """

    @property
    def latent_dim(self) -> int: ...

    @property
    def form_strain(self) -> float | None: ...

    def build(self, spec: SampleSpec, shared: SharedConfig) -> "Generator": ...  # untrained


class LatentConfig(Config):
    """Sizes of z, of w and of the mapping network between them."""

    latent_dim: Width = 64
    mapping_dim: Width = 128
    mapping_layers: Depth = 2


class Condition(NamedTuple):
    """What a generator is told beside z: class_idx int64 [B], and forms [B, C, COLUMNS] where it draws crystals.

    Forms may lie on the CPU, where disks are laid out, so that nothing waits for a GPU.
    """

    class_idx: Tensor
    form: Tensor | None = None


class Generator(nn.Module, ABC):
    """(z, condition) -> x, by way of e (the class's embedding) and w (what the mapping network makes of z and e).

    e begins with the embedding [embedding_dim], w with what is learned [mapping_dim]; a kind may add to both.
    """

    latent_dim: int
    mapping_dim: int

    @abstractmethod
    def fit(self, x: Float[Tensor, "N C *spatial"], condition: Condition) -> None:
        """Take what is given rather than learned from the training samples."""

    @abstractmethod
    def embed(self, condition: Condition) -> Float[Tensor, "B E"]:
        """The condition -> e; sums of e with weights that sum to 1 are soft classes."""

    @abstractmethod
    def mapping(self, z: Float[Tensor, "B L"], e: Float[Tensor, "B E"]) -> Float[Tensor, "B W"]:
        """z, of which only the direction matters, and e -> w."""

    @abstractmethod
    def form_of(self, joined: Float[Tensor, "B any"]) -> Float[Tensor, "B C columns"] | None:
        """The forms that e or w hand on; None for a generator without forms."""

    @abstractmethod
    def synthesise(self, w: Float[Tensor, "B W"]) -> Float[Tensor, "B C *spatial"]:
        """w -> x, float32."""

    @abstractmethod
    def forward(self, z: Float[Tensor, "B L"], condition: Condition,
                noise: Float[Tensor, "B E"] | None = None) -> Float[Tensor, "B C *spatial"]:
        """z and condition -> x; noise is added to the class's embedding."""


def noisy(e: Float[Tensor, "B E"], noise: Float[Tensor, "B D"] | None) -> Float[Tensor, "B E"]:
    """e with class noise on the class's part, with which e begins."""
    return e if noise is None else e + functional.pad(noise, (0, e.shape[1] - noise.shape[1]))


def sent(drawn: Tensor, device: torch.device) -> Tensor:
    """Bring a draw to the device without waiting for what a GPU still has to do."""
    if drawn.device == device:
        return drawn
    return drawn.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else drawn.to(device)
