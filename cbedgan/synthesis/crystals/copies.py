"""Which stacks are near-copies of real ones: nearer to one than real stacks of different materials mostly lie."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from cbedgan.gan.crystals.trained_crystals import TrainedCrystals
from cbedgan.synthesis.acceptance import copy_distance, nearest_distance
from classifier.foundation.atomic import atomic_path
from classifier.pattern.intensity import IntensityTransform
from classifier.samples.split import PARTS, Split
from classifier.samples.stackfile import StackFile
from classifier.samples.viewed import Viewed

SIDE = 16  # pixels of a side at which patterns are compared: fine enough for disks, and all of a set lies in memory


@dataclass(frozen=True, eq=False)
class Copies:
    """real: of every part, as they are compared; limit: the distance below which a stack is a copy."""

    intensity: IntensityTransform
    real: Float[Tensor, "N D"]
    limit: float

    @classmethod
    def measured(cls, file: StackFile, split: Split, source: TrainedCrystals, quantile: float) -> "Copies":
        """Read the real stacks of all parts; the limit is that quantile of the train part's nearest distances.

        Parameters
        ----------
        file, split : of the real stacks
        source : whose view and scale of intensity are taken
        quantile : of distances to the nearest stack of another material
        """
        viewed = Viewed.of(file, source.view, [name for part in PARTS for name in split.parts[part]])
        real = torch.cat([coarse(torch.from_numpy(block), source.seen.intensity) for block in viewed.blocks()])
        train = torch.from_numpy(np.isin(viewed.table().sample_id, split.parts["train"]))
        code = torch.from_numpy(np.unique(viewed.table().material, return_inverse=True)[1])
        return cls(source.seen.intensity, real, copy_distance(real[train], code[train], quantile))

    def holds(self, stack: Float[np.ndarray, "3 S S"]) -> bool:
        """Whether the stack is a near-copy."""
        x = coarse(torch.from_numpy(stack)[None], self.intensity)
        return bool(nearest_distance(x, self.real)[0] < self.limit)

    def save(self, path: Path) -> Path:
        """Write what was measured, for the processes that draw."""
        with atomic_path(path) as unfinished, unfinished.open("wb") as stream:
            np.savez(stream, real=self.real.numpy(), limit=np.array(self.limit))
        return path

    @classmethod
    def load(cls, path: Path, source: TrainedCrystals) -> "Copies":
        """What `save` has written."""
        with np.load(path) as held:
            return cls(source.seen.intensity, torch.from_numpy(held["real"]), float(held["limit"]))


def coarse(intensity: Float[Tensor, "n 3 S S"], transform: IntensityTransform) -> Float[Tensor, "n D"]:
    """Normalised patterns at `SIDE` pixels a side, or fewer where they have fewer."""
    x = transform.normalise(intensity.float())
    return adaptive_avg_pool2d(x, min(SIDE, x.shape[-1])).flatten(1)
