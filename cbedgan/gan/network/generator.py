"""The trained generator as a file: everything that sampling, walking between classes and scoring samples need."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cbedgan.gan.network.blocks import placed
from cbedgan.gan.network.config import NetworkConfig
from cbedgan.gan.network.contract import Generator, SampleSpec
from cbedgan.gan.network.discriminator import Discriminator
from cbedgan.gan.network.latents import latents, z_seeds
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.checkpoint import kind_of, load_checkpoint, save_checkpoint
from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError, reported
from classifier.pattern.geometry import Detector, ViewConfig
from classifier.pattern.intensity import IntensityTransform
from classifier.samples.dataset import Frame

CRYSTALS = "crystal-generator"  # the checkpoints of gan.crystals


@dataclass(frozen=True, eq=False)
class TrainedGenerator:
    """The averaged generator and its discriminator, with the view, intensity scale and classes of their training.

    frame: detector (after the view), pose and intensity unit; digest: of the checkpoint, "" before saving. All methods
    run in float32 and let gradients through to z, e and w.
    """

    generator: Generator
    discriminator: Discriminator
    network: NetworkConfig
    class_map: ClassMap
    view: ViewConfig
    frame: Frame
    intensity: IntensityTransform
    split_digest: str
    stack_digest: str
    provenance: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def detector(self) -> Detector:
        """Detector of the generated patterns."""
        return self.frame.detector

    @property
    def latent_dim(self) -> int:
        """Length of z."""
        return self.generator.latent_dim

    def embed(self, class_idx: Int[Tensor, " B"]) -> Float[Tensor, "B E"]:
        """Classes -> e; sums of e with weights that sum to 1 are soft classes."""
        return self.generator.embed(class_idx)

    def mapping(self, z: Float[Tensor, "B L"], e: Float[Tensor, "B E"]) -> Float[Tensor, "B W"]:
        """z and e -> w."""
        return self.generator.mapping(z, e)

    def synthesise(self, w: Float[Tensor, "B W"]) -> Float[Tensor, "B C *spatial"]:
        """w -> x, normalised as `intensity` does."""
        return self.generator.synthesise(w)

    def score(self, x: Float[Tensor, "B C *spatial"], class_idx: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
        """Class logit of the discriminator; only differences within a class count."""
        return self.discriminator(x, class_idx)[:, 0]

    def sample(self, z: Float[Tensor, "N L"], class_idx: Int[Tensor, " N"]) -> Float[Tensor, "N C *spatial"]:
        """z and classes -> x, batch by batch, without a graph."""
        return self.generator.sample(z, class_idx)

    def save(self, path: Path) -> str:
        """Write the checkpoint (kind "generator") and return its digest."""
        parts = {"generator": self.generator.state_dict(), "discriminator": self.discriminator.state_dict(),
                 "network": self.network.model_dump(mode="json"), "space_groups": list(self.class_map.space_groups),
                 "view": self.view.model_dump(), "detector": asdict(self.detector), "intensity": self.intensity.state()}
        header = {"split_digest": self.split_digest, "stack_digest": self.stack_digest, "pose": self.frame.pose,
                  "intensity_unit": self.frame.intensity_unit, "provenance": self.provenance}
        return save_checkpoint(path, kind="generator", parts=parts, header=header)


def load_generator(path: Path, *, split_digest: str | tuple[str, ...] | None = None) -> TrainedGenerator:
    """Read a generator in evaluation mode, on the CPU; one of another split than split_digest is an InputError."""
    if kind_of(path) == CRYSTALS:
        raise InputError(source=path, rule="this verb needs a generator that paints stacks from e and w",
                         value='one of kind "crystals"',
                         remedy="Draw its stacks by `cbedgan sample`; `cbedgan distort` finds boundaries.")
    checkpoint = load_checkpoint(path, kind="generator", split_digest=split_digest)
    parts, header = checkpoint.parts, checkpoint.header
    with reported(path, rule="the checkpoint must hold a complete generator", remedy="Train it again."):
        if "generator" not in parts["network"]:
            raise ValueError("settings of the network as version 0.1 wrote them")
        network = parse_config(parts["network"], NetworkConfig, source=path)
        if network.model_dump(mode="json") != parts["network"]:
            raise ValueError("a setting of the network is left to the code's defaults")
        network = network.model_copy(update={"precision": "float32"})
        class_map, view = ClassMap(tuple(parts["space_groups"])), ViewConfig(**parts["view"])
        intensity = IntensityTransform.from_state(parts["intensity"])
        spec = SampleSpec(tuple(parts["discriminator"]["mean_sample"].shape), class_map, view, intensity)
        generator = network.generator.build(spec, network)
        discriminator = Discriminator(spec, network.discriminator, network)
        for name, built in (("generator", generator), ("discriminator", discriminator)):
            built.load_state_dict(parts[name])
            placed(built, torch.device("cpu"), len(spec.shape) - 1)
            built.eval().requires_grad_(False)
        return TrainedGenerator(generator, discriminator, network, class_map, view,
                                Frame(Detector(**parts["detector"]), header["pose"], header["intensity_unit"]),
                                intensity, header["split_digest"], header["stack_digest"], header["provenance"],
                                checkpoint.digest)


def seeded_sampler(trained: TrainedGenerator, seed: int) -> Callable[[Tensor], Tensor]:
    """Generate class_idx [M] -> x [M, C, *spatial], with latents that depend on the seed and the place alone."""
    return lambda class_idx: trained.sample(latents(z_seeds(seed, n=len(class_idx)), trained.latent_dim), class_idx)
