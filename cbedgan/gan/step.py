"""What changes in the GAN's training, and one step of it: a pure function of the state, the data and images_seen."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

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
from cbedgan.gan.conditioning import effective_number_noise
from cbedgan.gan.ema import ema_decay, update_ema
from cbedgan.gan.networks import Discriminator, Generator, NetworkConfig
from cbedgan.gan.schedule import Schedule
from classifier.augment import AugmentConfig, augment
from classifier.checkpoint import load_checkpoint, save_checkpoint
from classifier.config import Config
from classifier.dataset import StackSet
from classifier.geometry import ViewConfig
from classifier.intensity import IntensityConfig
from classifier.sampling import Strata
from classifier.spacegroup import ClassMap

PCA_VALUES = 1 << 28  # of the samples that templates are drawn from: 1 GiB
SHOTS = ("few", "medium", "many")
TERMS = ("loss_d", "loss_g", "twins", "r1", "r2", *(f"real_wins_{shots}" for shots in SHOTS), "skipped")


class TrainGanConfig(Config):
    """Everything that decides a GAN training.

    augment_probability: share of the samples that the discriminator sees transformed, real and generated alike;
    burn_in_share: share of `images` after which the schedules of learning_rate, beta2 and gamma rest; penalty_every: R1
    and R2 act at every k-th step, times k; unconditional_weight: of the class-blind head's loss; class_noise: standard
    deviation added to e(class) in the mapping, larger for rare classes by class_noise_beta; twins_*: NoisyTwins;
    ema_*: half-life of the averaged generator and its ramp; max_skipped_share: of steps with a gradient not finite;
    sheet_samples: stacks a group in the contact sheet; fidelity_samples: largest number of stacks measured at the end.
    """

    seed: int
    threads: int
    device: Literal["auto", "cpu", "cuda"]
    view: ViewConfig
    intensity: IntensityConfig
    augment: AugmentConfig
    augment_probability: float
    network: NetworkConfig
    images: int
    batch: int
    sampling_power: float
    burn_in_share: float
    learning_rate: Schedule
    beta2: Schedule
    gamma: Schedule
    penalty_every: int
    unconditional_weight: float
    class_noise: float
    class_noise_beta: float
    twins_weight: float
    twins_decorrelation: float
    twins_batch: int
    ema_half_life_images: int
    ema_ramp_up: float
    max_skipped_share: float
    report_every_images: int
    checkpoint_every_images: int
    sheet_samples: int
    fidelity_samples: int


@dataclass(frozen=True, eq=False)
class Data:
    """The train part on the device, how it is drawn, and per class [K]: shot group 0..2 and noise of the embedding."""

    samples: StackSet
    strata: Strata
    class_map: ClassMap
    shots: Tensor
    class_noise: Tensor

    @classmethod
    def build(cls, samples: StackSet, class_map: ClassMap, config: TrainGanConfig, device: torch.device) -> Data:
        """Order the samples for drawing and move them to the device."""
        strata = Strata.build(samples.class_idx.numpy(), samples.material)
        materials = torch.zeros(len(class_map), dtype=torch.int64)
        materials[: len(strata.class_size)] = torch.from_numpy(strata.class_size)
        shots = (materials > 20).long() + (materials >= 100).long()
        counts = torch.bincount(samples.class_idx, minlength=len(class_map))
        noise = effective_number_noise(counts, config.class_noise, config.class_noise_beta)
        return cls(samples.to(device), strata, class_map, shots.to(device), noise.to(device))


class State:
    """All that changes: both networks, the averaged generator, both optimisers, and the terms since the last report."""

    def __init__(self, config: TrainGanConfig, data: Data) -> None:
        torch.manual_seed(config.seed)
        # On the CPU, so that a mapped set and one in a GPU's memory begin alike.
        x, device = data.samples.x.cpu(), data.samples.device
        shape = tuple(x.shape[1:])
        self.generator = Generator(shape, config.network, data.class_map)
        self.discriminator = Discriminator(shape, config.network, data.class_map)
        for network in (self.generator, self.discriminator):
            network.mean_sample.copy_(x.mean(0))
            if isinstance(network, Generator) and config.network.templates:
                network.templates.copy_(principal_components(x, config.network.templates))
            network.to(device, memory_format=torch.channels_last if len(shape) == 3 else torch.preserve_format)
        self.generator_ema = copy.deepcopy(self.generator).requires_grad_(False)
        self.optimisers = {name: torch.optim.Adam(getattr(self, name).parameters(), lr=0.0, betas=(0.0, 0.9), eps=1e-8,
                                                  fused=True) for name in ("generator", "discriminator")}
        self.images_seen = 0
        # Sums and numbers of the finite terms stay on the device until somebody asks: a step never waits for the host.
        self.sums, self.counts = torch.zeros(2, len(TERMS), dtype=torch.float64, device=device)
        self.skipped = torch.zeros((), dtype=torch.float64, device=device)

    def save(self, path: Path, header: dict[str, Any]) -> None:
        """Write everything a resumed training needs: all randomness is a function of images_seen."""
        networks = {name: getattr(self, name).state_dict() for name in ("generator", "discriminator", "generator_ema")}
        optimisers = {name: optimiser.state_dict()["state"] for name, optimiser in self.optimisers.items()}
        save_checkpoint(path, kind="gan-training", header=header, parts={
            "networks": networks, "optimisers": optimisers, "images_seen": self.images_seen,
            "sums": self.sums, "counts": self.counts, "skipped": self.skipped})

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same run."""
        parts = load_checkpoint(path, kind="gan-training").parts
        for name, content in parts["networks"].items():
            getattr(self, name).load_state_dict(content)
        for name, optimiser in self.optimisers.items():
            for index, parameter in enumerate(getattr(self, name).parameters()):
                # Moments must lie in memory as their parameter does: the fused update walks through both at once.
                optimiser.state[parameter] = {
                    key: torch.empty_like(parameter).copy_(held) if held.shape == parameter.shape else
                    held.to(parameter.device)
                    for key, held in parts["optimisers"][name].get(index, {}).items()}
        self.images_seen = parts["images_seen"]
        for name in ("sums", "counts", "skipped"):
            getattr(self, name).copy_(parts[name])

    def count(self, terms: dict[str, Tensor]) -> None:
        """Add terms, each a vector of values or one value, to the sums; values that are not finite are left out."""
        for name, values in terms.items():
            finite = torch.isfinite(values)
            self.sums[TERMS.index(name)] += torch.where(finite, values, 0).sum()
            self.counts[TERMS.index(name)] += finite.sum()

    def report(self) -> dict[str, float]:
        """Means of the terms since the last report, by name; terms that did not occur are left out."""
        sums, counts = self.sums.tolist(), self.counts.tolist()
        self.sums.zero_()
        self.counts.zero_()
        return {name: total / number for name, total, number in zip(TERMS, sums, counts, strict=True) if number}


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


def principal_components(x: Tensor, count: int) -> Tensor:
    """Principal components [count, *spatial] of the single patterns in x [N, C, *spatial], each times its spread."""
    x = x[:: max(1, -(-x.numel() // PCA_VALUES))]  # a set beyond memory is thinned out evenly
    patterns = (x - x.mean(0)).flatten(2).flatten(0, 1)
    _, spread, components = torch.pca_lowrank(patterns, q=count, center=False)
    return (components * spread / len(patterns) ** 0.5).T.reshape(count, *x.shape[2:])


def draw_real(config: TrainGanConfig, data: Data, images_seen: int) -> tuple[Tensor, Tensor]:
    """Draw real x [B, C, *spatial] and class_idx [B]: a class by (its materials)^power, a material, a sample."""
    def rows(later: int) -> np.ndarray:
        return data.strata.draw(batch=config.batch, seed=config.seed, images_seen=images_seen + later * config.batch,
                                power=config.sampling_power)

    drawn = torch.from_numpy(rows(0)).to(data.samples.device)
    return data.samples.gather(rows), data.samples.class_idx[drawn]


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
