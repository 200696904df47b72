"""One step's draws: real samples, latents, noise and transforms, drawn for the whole batch and cut to some rows of it.

So ranks and micro-batches see what one process would see, and only the order of a sum differs.
"""

from dataclasses import dataclass
from itertools import repeat

import numpy as np
import torch
from torch import Tensor

from cbedgan.gan.network.contract import Condition, sent
from cbedgan.gan.training_data import Data

LATENTS, TRANSFORMS, TWINS = range(3)  # what a step draws, each from its own stream


@dataclass(frozen=True)
class Draws:
    """What decides the draws of the step after images_seen.

    power: a class is drawn by (its materials)^power, then a material, a sample; latent_dim, embedding_dim: lengths of z
    and of the class noise.
    """

    seed: int
    images_seen: int
    batch: int
    power: float
    latent_dim: int
    embedding_dim: int

    def samples(self, data: Data, later: int = 0) -> np.ndarray:
        """Numbers int64 [batch] of this step's samples, or of those of the step so many steps later."""
        return data.strata.draw(batch=self.batch, seed=self.seed, images_seen=self.images_seen + later * self.batch,
                                power=self.power)

    def stream(self, purpose: int) -> torch.Generator:
        """Random numbers of one purpose, drawn on the CPU so that every device sees the same."""
        seeds = np.random.SeedSequence([self.seed, self.images_seen]).generate_state(3, np.uint64) >> 1
        return torch.Generator().manual_seed(int(seeds[purpose]))


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of a batch, on the device: real x [n, C, *spatial], class_idx [n], z [n, latent_dim], and the class noise
    [n, embedding_dim] of the generated samples, which have the classes of the real ones, and their forms
    [n, C, COLUMNS], on the CPU, where the generator wants them."""

    rows: range
    real: Tensor
    class_idx: Tensor
    z: Tensor
    noise: Tensor
    form: Tensor | None = None

    @property
    def condition(self) -> Condition:
        """What the generator is told beside z."""
        return Condition(self.class_idx, self.form)

    def parts(self, size: int | None) -> "list[Batch]":
        """Cut into runs of at most `size` rows; None: into one."""
        if size is None or size >= len(self.rows):
            return [self]
        columns = zip(self.real.split(size), self.class_idx.split(size), self.z.split(size), self.noise.split(size),
                      strict=True)
        forms = self.form.split(size) if self.form is not None else repeat(None)
        return [Batch(self.rows[k * size : (k + 1) * size], *part, form)
                for k, (part, form) in enumerate(zip(columns, forms, strict=False))]


def draw_batch(draws: Draws, data: Data, rows: range) -> Batch:
    """The given rows of the step's batch."""
    here = slice(rows.start, rows.stop)
    chosen = torch.from_numpy(draws.samples(data)[here])
    class_idx = data.samples.class_idx[sent(chosen, data.samples.device)]
    stream = draws.stream(LATENTS)
    z = torch.randn(draws.batch, draws.latent_dim, generator=stream)
    noise = torch.randn(draws.batch, draws.embedding_dim, generator=stream)
    z, noise = (sent(draw[here], class_idx.device) for draw in (z, noise))
    return Batch(rows, data.samples.gather(lambda later: draws.samples(data, later)[here]), class_idx, z,
                 noise * data.class_noise[class_idx, None], None if data.bank is None else data.bank.forms[chosen])


def draw_twins(draws: Draws, data: Data, pairs: int) -> tuple[Tensor, Condition, tuple[Tensor, Tensor]]:
    """z, conditions and two class noises of `pairs` pairs, of the whole batch in turn."""
    chosen = torch.from_numpy(np.resize(draws.samples(data), pairs))
    class_idx = data.samples.class_idx[sent(chosen, data.samples.device)]
    stream = draws.stream(TWINS)
    z = torch.randn(pairs, draws.latent_dim, generator=stream)
    noise = torch.randn(2, pairs, draws.embedding_dim, generator=stream)
    first, second = sent(noise, class_idx.device) * data.class_noise[class_idx, None]
    form = None if data.bank is None else data.bank.forms[chosen]
    return sent(z, class_idx.device), Condition(class_idx, form), (first, second)
