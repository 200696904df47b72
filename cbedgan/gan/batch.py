"""One step's draws: real samples, latents and transforms, drawn for the whole batch and cut to some rows of it.

So ranks and micro-batches see what one process would see, and only the order of a sum differs.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cbedgan.gan.network.contract import sent
from cbedgan.gan.training_data import Data

LATENTS, TRANSFORMS = range(2)  # what a step draws, each from its own stream


@dataclass(frozen=True)
class Draws:
    """What decides the draws of the step after images_seen.

    power: a class is drawn by (its materials)^power, then a material, a sample; latent_dim: length of z.
    """

    seed: int
    images_seen: int
    batch: int
    power: float
    latent_dim: int

    def samples(self, data: Data, later: int = 0) -> np.ndarray:
        """Numbers int64 [batch] of this step's samples, or of those of the step so many steps later."""
        return data.strata.draw(batch=self.batch, seed=self.seed, images_seen=self.images_seen + later * self.batch,
                                power=self.power)

    def stream(self, purpose: int) -> torch.Generator:
        """Random numbers of one purpose, drawn on the CPU so that every device sees the same."""
        seeds = np.random.SeedSequence([self.seed, self.images_seen]).generate_state(2, np.uint64) >> 1
        return torch.Generator().manual_seed(int(seeds[purpose]))


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of a batch, on the device: real x [n, C, *spatial], class_idx [n], and z [n, latent_dim] of the generated
    samples, which have the classes of the real ones."""

    rows: range
    real: Tensor
    class_idx: Tensor
    z: Tensor

    def parts(self, size: int | None) -> "list[Batch]":
        """Cut into runs of at most `size` rows; None: into one."""
        if size is None or size >= len(self.rows):
            return [self]
        columns = zip(self.real.split(size), self.class_idx.split(size), self.z.split(size), strict=True)
        return [Batch(self.rows[k * size : (k + 1) * size], *part) for k, part in enumerate(columns)]


def draw_batch(draws: Draws, data: Data, rows: range) -> Batch:
    """The given rows of the step's batch."""
    here = slice(rows.start, rows.stop)
    chosen = torch.from_numpy(draws.samples(data)[here])
    class_idx = data.samples.class_idx[sent(chosen, data.samples.device)]
    z = torch.randn(draws.batch, draws.latent_dim, generator=draws.stream(LATENTS))
    return Batch(rows, data.samples.gather(lambda later: draws.samples(data, later)[here]), class_idx,
                 sent(z[here], class_idx.device))
