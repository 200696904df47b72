"""One step of the GAN's training: a pure function of the state, the data and images_seen."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cbedgan.gan.adversarial import (
    Augmentation,
    discriminator_step,
    generator_step,
    head_weights,
    twins_loss,
    update,
)
from cbedgan.gan.ema import ema_decay, update_ema
from cbedgan.gan.state import State
from cbedgan.gan.train_config import TrainGanConfig
from cbedgan.gan.training_data import SHOTS, Data, draw_real
from classifier.augment import augment
from classifier.spacegroup import ClassMap


def take_step(state: State, config: TrainGanConfig, data: Data) -> None:
    """Update both networks on one batch: the generated batch and the real logits of D's step serve G's step too."""
    seen, share = state.images_seen, state.images_seen / max(1.0, config.burn_in_share * config.images)
    for optimiser in state.optimisers.values():
        optimiser.param_groups[0]["lr"] = config.learning_rate.at(share)
        optimiser.param_groups[0]["betas"] = (0.0, config.beta2.at(share))
    seeds = np.random.SeedSequence([config.seed, seen]).generate_state(2, np.uint64) >> 1
    draws = torch.Generator().manual_seed(int(seeds[0]))
    real, class_idx = draw_real(config, data, seen)
    augmentation = make_augmentation(config, data.class_map, int(seeds[1]))
    weights = head_weights(2 if config.network.unconditional_pixels else 1, config.unconditional_weight, real.device)
    penalise = (seen // config.batch) % config.penalty_every == 0

    z, noise = draw_latent(config, data, class_idx, draws)
    fake = state.generator.synthesise(state.generator.mapping(z, state.generator.embed(class_idx) + noise))
    terms = discriminator_step(state.discriminator, real, fake, class_idx, augmentation=augmentation, weights=weights,
                               gamma=config.gamma.at(share) * config.penalty_every, penalise=penalise)
    skipped = update(state.optimisers["discriminator"], state.discriminator)
    logits_real, logits_fake = terms.pop("logits_real"), terms.pop("logits_fake")

    twins = None
    if config.twins_weight:
        rows = class_idx.repeat(-(-config.twins_batch // len(class_idx)))[: config.twins_batch]
        pair = [draw_latent(config, data, rows, draws) for _ in range(2)]
        twins = twins_loss(state.generator, pair[0][0], rows, (pair[0][1], pair[1][1]), config.twins_decorrelation)
        terms["twins"] = twins.detach()
    terms |= generator_step(state.discriminator, fake, class_idx, logits_real, augmentation=augmentation,
                            weights=weights, regulariser=None if twins is None else config.twins_weight * twins)
    skipped = torch.maximum(skipped, update(state.optimisers["generator"], state.generator))
    update_ema(state.generator_ema, state.generator, ema_decay(
        seen, batch=config.batch, half_life_images=config.ema_half_life_images, ramp_up=config.ema_ramp_up))

    wins, shots = ((logits_real - logits_fake)[:, 0] > 0).double(), data.shots[class_idx]
    terms |= {f"real_wins_{name}": torch.where(shots == group, wins, torch.nan) for group, name in enumerate(SHOTS)}
    state.count(terms | {"skipped": skipped})
    state.skipped += skipped
    state.images_seen += config.batch


def draw_latent(config: TrainGanConfig, data: Data, class_idx: Tensor, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw z [B, latent_dim] and the class noise [B, embedding_dim] on the device of class_idx [B]."""
    z = torch.randn(len(class_idx), config.network.latent_dim, generator=draws)
    noise = torch.randn(len(class_idx), config.network.embedding_dim, generator=draws)
    return z.to(class_idx.device), noise.to(class_idx.device) * data.class_noise[class_idx, None]


def make_augmentation(config: TrainGanConfig, class_map: ClassMap, seed: int) -> Augmentation:
    """An augmentation that draws the same transforms at every call; a mirrored stack brings its mirrored label."""

    def seen_by_discriminator(x: Tensor, class_idx: Tensor) -> tuple[Tensor, Tensor]:
        draws = torch.Generator().manual_seed(seed)
        chosen = (torch.rand(len(x), generator=draws) < config.augment_probability).to(x.device)
        changed, label = augment(x, class_idx, draws, config.augment, class_map)
        spread = chosen.reshape(-1, *[1] * (x.ndim - 1))
        return torch.where(spread, changed, x), torch.where(chosen, label, class_idx)

    if config.augment_probability == 0:
        return lambda x, class_idx: (x, class_idx)
    return seen_by_discriminator
