"""One step's draws: real stacks, latents, noise and transforms, drawn for the whole batch and cut to some rows of it.

So ranks and micro-batches see what one process would see, and only the order of a sum differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat

import numpy as np
import torch
from torch import Tensor

from cbedgan.gan.adversarial import Augmentation
from cbedgan.gan.train_config import TrainGanConfig
from cbedgan.gan.training_data import Data
from classifier.pattern.augment import augment

LATENTS, TRANSFORMS, TWINS = range(3)  # what a step draws, each from its own stream


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of a batch, on the device: real x [n, C, *spatial], class_idx [n], z [n, latent_dim], and the class noise
    [n, embedding_dim] of the generated stacks, which have the classes of the real ones, and their forms
    [n, C, COLUMNS], on the CPU, where the generator wants them."""

    rows: range
    real: Tensor
    class_idx: Tensor
    z: Tensor
    noise: Tensor
    form: Tensor | None = None

    def parts(self, size: int | None) -> list[Batch]:
        """Cut into runs of at most `size` rows; None: into one."""
        if size is None or size >= len(self.rows):
            return [self]
        columns = zip(*(column.split(size) for column in (self.real, self.class_idx, self.z, self.noise)), strict=True)
        forms = self.form.split(size) if self.form is not None else repeat(None)
        return [Batch(self.rows[k * size : (k + 1) * size], *part, form)
                for k, (part, form) in enumerate(zip(columns, forms, strict=False))]


def draw_batch(config: TrainGanConfig, data: Data, images_seen: int, rows: range) -> Batch:
    """The given rows of the batch drawn for images_seen: a class by (its materials)^power, a material, a sample."""
    def chosen(later: int) -> np.ndarray:
        return data.strata.draw(batch=config.batch, seed=config.seed, images_seen=images_seen + later * config.batch,
                                power=config.sampling_power)[rows.start : rows.stop]

    drawn = torch.from_numpy(chosen(0))
    class_idx = data.samples.class_idx[sent(drawn, data.samples.device)]
    draws = _stream(config, images_seen, LATENTS)
    z = torch.randn(config.batch, config.network.latent_dim, generator=draws)
    noise = torch.randn(config.batch, config.network.embedding_dim, generator=draws)
    z, noise = (sent(draw[rows.start : rows.stop], class_idx.device) for draw in (z, noise))
    return Batch(rows, data.samples.gather(chosen), class_idx, z, noise * data.class_noise[class_idx, None],
                 None if data.bank is None else data.bank.forms[drawn])


def draw_twins(config: TrainGanConfig, data: Data, images_seen: int
               ) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor], Tensor | None]:
    """z, class_idx, two class noises and forms of twins_batch pairs, of the whole batch in turn."""
    drawn = data.strata.draw(batch=config.batch, seed=config.seed, images_seen=images_seen, power=config.sampling_power)
    rows = np.resize(drawn, config.twins_batch)
    class_idx = data.samples.class_idx[sent(torch.from_numpy(rows), data.samples.device)]
    draws = _stream(config, images_seen, TWINS)
    z = torch.randn(len(rows), config.network.latent_dim, generator=draws)
    noise = torch.randn(2, len(rows), config.network.embedding_dim, generator=draws)
    first, second = sent(noise, class_idx.device) * data.class_noise[class_idx, None]
    form = None if data.bank is None else sent(data.bank.forms[torch.from_numpy(rows)], class_idx.device)
    return sent(z, class_idx.device), class_idx, (first, second), form


def make_augmentation(config: TrainGanConfig, data: Data, probability: Tensor, images_seen: int,
                      rows: range) -> Augmentation:
    """An augmentation of the stacks at `rows` that draws the same transforms at every call; probability: [3], by shots.

    A mirrored stack brings its mirrored label.
    """
    def seen_by_discriminator(x: Tensor, class_idx: Tensor) -> tuple[Tensor, Tensor]:
        here, draws = slice(rows.start, rows.stop), _stream(config, images_seen, TRANSFORMS)
        uniform = sent(torch.rand(config.batch, generator=draws)[here], x.device)
        chosen = uniform < probability[data.shots[class_idx]]
        label = class_idx.new_zeros(config.batch)
        label[here] = class_idx
        changed, label = augment(x, label, draws, config.augment, data.class_map, rows)
        return (torch.where(chosen.reshape(-1, *[1] * (x.ndim - 1)), changed, x),
                torch.where(chosen, label[here], class_idx))

    if config.augment_probability == 0 and config.adaptive is None:
        return lambda x, class_idx: (x, class_idx)
    return seen_by_discriminator


def _stream(config: TrainGanConfig, images_seen: int, purpose: int) -> torch.Generator:
    """Random numbers of one purpose at one step, drawn on the CPU so that every device sees the same."""
    seeds = np.random.SeedSequence([config.seed, images_seen]).generate_state(3, np.uint64) >> 1
    return torch.Generator().manual_seed(int(seeds[purpose]))


def sent(drawn: Tensor, device: torch.device) -> Tensor:
    """Bring a draw to the device without waiting for what a GPU still has to do."""
    return drawn.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else drawn
