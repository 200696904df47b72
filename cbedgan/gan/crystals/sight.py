"""What the discriminator sees of a stack: the normalised picture, and what is told beside it, as constant channels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cbedgan.gan.adversarial import Augmentation
from cbedgan.gan.crystals.crystal_config import CrystalNetworkConfig
from cbedgan.gan.crystals.instrument import TOLD
from cbedgan.gan.network.blocks import placed
from cbedgan.gan.network.contract import SampleSpec
from cbedgan.gan.network.discriminator import Discriminator
from classifier.pattern.intensity import IntensityTransform

LEAST_SPREAD = 1e-3  # of what is told: a number that hardly differs between stacks is not told


@dataclass(frozen=True, eq=False)
class Seen:
    """intensity: scale of the picture; mean, scale: of what is told, so that it has about mean 0 and deviation 1, or is
    0 throughout where the train part does not tell it of every stack."""

    intensity: IntensityTransform
    mean: Float[Tensor, " TOLD"]
    scale: Float[Tensor, " TOLD"]

    @classmethod
    def fit(cls, intensity: IntensityTransform, told: Float[np.ndarray, "N TOLD"]) -> "Seen":
        """The scale of a train part."""
        known = np.isfinite(told).all(axis=0)
        spread = np.where(known, told.std(axis=0), 0)
        scale = np.where(spread > LEAST_SPREAD, 1 / np.maximum(spread, LEAST_SPREAD), 0)
        mean = np.where(known, told.mean(axis=0), 0)
        return cls(intensity, torch.from_numpy(mean).float(), torch.from_numpy(scale).float())

    def told(self, told: Float[Tensor, "n TOLD"]) -> Float[Tensor, "n TOLD"]:
        """On their scale."""
        return (torch.nan_to_num(told.float()) - self.mean.to(told.device)) * self.scale.to(told.device)

    def joined(self, x: Float[Tensor, "n 3 S S"], told: Float[Tensor, "n TOLD"]) -> Float[Tensor, "n channels S S"]:
        """Normalised pictures, and channels of what is told (on its scale)."""
        return torch.cat([x, told[:, :, None, None].expand(-1, -1, *x.shape[2:])], 1)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"intensity": self.intensity.state(), "mean": self.mean, "scale": self.scale}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Seen":
        """What `state` gave."""
        return cls(IntensityTransform.from_state(state["intensity"]), state["mean"], state["scale"])


def of_pictures(augmentation: Augmentation) -> Augmentation:
    """The augmentation, of the pictures alone."""
    def joined(x: Tensor, class_idx: Int[Tensor, " B"]) -> tuple[Tensor, Tensor]:
        pictures, label = augmentation(x[:, :-TOLD], class_idx)
        return torch.cat([pictures, x[:, -TOLD:]], 1), label
    return joined


def discriminator_of(spec: SampleSpec, network: CrystalNetworkConfig, device: torch.device) -> Discriminator:
    """An untrained one for pictures of this kind; the checkpoint says how deep a picture is."""
    channels, *side = spec.shape
    built = Discriminator(spec._replace(shape=(channels + TOLD, *side)), network.discriminator, network)
    placed(built, device, len(side))
    return built
