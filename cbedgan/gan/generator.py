"""The trained generator as a file: everything that sampling, walking between classes and judging samples need."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cbedgan.gan.networks import Discriminator, Generator, NetworkConfig
from classifier.checkpoint import load_checkpoint, save_checkpoint
from classifier.dataset import Frame
from classifier.errors import InputError, reported
from classifier.geometry import Detector, ViewConfig
from classifier.intensity import IntensityTransform
from classifier.spacegroup import ClassMap

SAMPLE_AT_ONCE = 256  # stacks a forward pass


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
        return self.network.latent_dim

    def embed(self, class_idx: Tensor) -> Tensor:
        """class_idx [B] -> e [B, embedding_dim]; sums of rows with weights that sum to 1 are soft classes."""
        return self.generator.embed(class_idx)

    def mapping(self, z: Tensor, e: Tensor) -> Tensor:
        """z [B, latent_dim], e [B, embedding_dim] -> w [B, mapping_dim]."""
        return self.generator.mapping(z, e)

    def synthesise(self, w: Tensor) -> Tensor:
        """w [B, mapping_dim] -> x [B, C, *spatial], normalised as `intensity` does."""
        return self.generator.synthesise(w)

    def forward_from(self, z: Tensor, e: Tensor) -> Tensor:
        """z [B, latent_dim], e [B, embedding_dim] -> x [B, C, *spatial]."""
        return self.synthesise(self.mapping(z, e))

    def score(self, x: Tensor, class_idx: Tensor) -> Tensor:
        """Class logit [B] of the discriminator for x [B, C, *spatial]; only differences within a class count."""
        return self.discriminator(x, class_idx)[:, 0]

    @torch.no_grad()
    def sample(self, z: Tensor, class_idx: Tensor) -> Tensor:
        """z [N, latent_dim], class_idx [N] -> x [N, C, *spatial], batch by batch, without a graph."""
        batches = zip(z.split(SAMPLE_AT_ONCE), class_idx.split(SAMPLE_AT_ONCE), strict=True)
        return torch.cat([self.generator(part, classes) for part, classes in batches])

    def save(self, path: Path) -> str:
        """Write the checkpoint (kind "generator") and return its digest."""
        parts = {"generator": self.generator.state_dict(), "discriminator": self.discriminator.state_dict(),
                 "network": self.network.model_dump(), "space_groups": list(self.class_map.space_groups),
                 "view": self.view.model_dump(), "detector": asdict(self.detector), "intensity": self.intensity.state()}
        header = {"split_digest": self.split_digest, "stack_digest": self.stack_digest, "pose": self.frame.pose,
                  "intensity_unit": self.frame.intensity_unit, "provenance": self.provenance}
        return save_checkpoint(path, kind="generator", parts=parts, header=header)


def load_generator(path: Path, *, split_digest: str | None = None) -> TrainedGenerator:
    """Read a generator in evaluation mode, on the CPU; one of another split than split_digest is an InputError."""
    held = load_checkpoint(path, kind="generator")
    parts, header = held.parts, held.header
    if split_digest is not None and header.get("split_digest") != split_digest:
        raise InputError(source=path, rule="the generator must be trained on the split it is used with",
                         value=f"split {str(header.get('split_digest'))[:12]}, not {split_digest[:12]}",
                         remedy="Train it on this split, or give the split it was trained on.")
    with reported(path, rule="the checkpoint must hold a complete generator", remedy="Train it again."):
        widths = {name: tuple(parts["network"][name]) for name in ("generator_widths", "discriminator_widths")}
        network = NetworkConfig(**{**parts["network"], **widths, "precision": "float32"})
        class_map = ClassMap(tuple(parts["space_groups"]))
        shape = tuple(parts["generator"]["mean_sample"].shape)
        networks = []
        for name, kind in (("generator", Generator), ("discriminator", Discriminator)):
            built = kind(shape, network, class_map)
            built.load_state_dict(parts[name])
            layout = torch.channels_last if len(shape) == 3 else torch.preserve_format
            networks.append(built.to(memory_format=layout).eval().requires_grad_(False))
        return TrainedGenerator(*networks, network, class_map, ViewConfig(**parts["view"]),
                                Frame(Detector(**parts["detector"]), header["pose"], header["intensity_unit"]),
                                IntensityTransform.from_state(parts["intensity"]), header["split_digest"],
                                header["stack_digest"], header["provenance"], held.digest)
