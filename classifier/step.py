"""One step of the classifier's training, and what it needs: configuration, sources of samples, changing state."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from classifier.augment import AugmentConfig, augment, mix
from classifier.checkpoint import load_checkpoint, save_checkpoint
from classifier.config import Config
from classifier.dataset import StackSet
from classifier.geometry import ViewConfig
from classifier.intensity import IntensityConfig
from classifier.losses import ClassSizes, Loss, class_prior
from classifier.model import ModelConfig, StackClassifier
from classifier.sampling import Strata
from classifier.spacegroup import ClassMap

COUNTERS = ("images_seen", "skipped", "unreported", "loss_sum")


class TrainClassifierConfig(Config):
    """Everything that decides a training; arms of a comparison differ only in whether an added source is given.

    images, batch: stacks seen in all and in a step, whatever their origin; learning_rate: its peak, reached after
    warmup_images and falling to zero along a cosine; ema_half_life_images: of the averaged weights that leave training
    (0: the last weights); sampling_power: p(class) ~ (training materials)^power; mixup_alpha: of the Beta distribution
    from which mixup draws its shares (0: no mixup);
    synthetic_share: share of each batch taken from the added source; synthetic_weight: of its samples in the loss;
    max_skipped_share: share of steps that may be skipped because loss or gradient is not finite.
    """

    seed: int
    threads: int
    device: Literal["auto", "cpu", "cuda"]
    view: ViewConfig
    intensity: IntensityConfig
    augment: AugmentConfig
    model: ModelConfig
    loss: Loss
    mixup_alpha: Annotated[float, Field(ge=0)] = Field(0.0, exclude_if=lambda alpha: alpha == 0)
    images: int
    batch: int
    learning_rate: float
    warmup_images: int
    weight_decay: float
    gradient_clip: float
    ema_half_life_images: int
    sampling_power: float
    synthetic_share: float
    synthetic_weight: float
    max_skipped_share: float
    report_every_images: int
    checkpoint_every_images: int


@dataclass(frozen=True)
class Source:
    """Training samples on the device, how they are drawn, and the weight of each in the loss."""

    samples: StackSet
    strata: Strata
    power: float
    weight: float

    @classmethod
    def build(cls, samples: StackSet, *, power: float, weight: float, device: torch.device) -> Source:
        """Order the samples for drawing and move them to the device."""
        return cls(samples.to(device), Strata.build(samples.class_idx.numpy(), samples.material), power, weight)

    def target_share(self) -> np.ndarray:
        """Share of each class in the targets of a draw, float64 [K]; a soft label counts where its shares lie."""
        return self.strata.sample_probability(self.power) @ self.samples.soft_label.cpu().double().numpy()


class State:
    """All that changes in training: network, averaged network, optimiser, counters, and the loss since the report."""

    def __init__(self, config: TrainClassifierConfig, class_map: ClassMap, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        model = StackClassifier(config.model, classes=len(class_map), size_pixels=config.view.size_pixels,
                                mirror_partner=class_map.mirror_partner())
        self.model = model.to(device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=config.learning_rate,
                                           weight_decay=config.weight_decay, fused=True)
        self.images_seen = self.skipped = self.unreported = 0
        self.loss_sum = 0.0

    def save(self, path: Path, header: dict[str, Any]) -> None:
        """Write everything a resumed training needs."""
        save_checkpoint(path, kind="classifier-training", header=header, parts={
            "model": self.model.state_dict(), "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(), "counters": {name: getattr(self, name) for name in COUNTERS}})

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same run."""
        parts = load_checkpoint(path, kind="classifier-training").parts
        self.model.load_state_dict(parts["model"])
        self.average.load_state_dict(parts["average"])
        self.optimiser.load_state_dict(parts["optimiser"])
        for parameter, moments in self.optimiser.state.items():
            for name, moment in moments.items():
                if moment.shape == parameter.shape:
                    # The fused update walks through memory: moments must lie as their parameter does, channels last.
                    moments[name] = torch.empty_like(parameter).copy_(moment)
        for name in COUNTERS:
            setattr(self, name, parts["counters"][name])


def step(state: State, config: TrainClassifierConfig, sources: list[Source], sizes: ClassSizes,
         class_map: ClassMap) -> float | None:
    """Update the network on one batch drawn for state.images_seen; return its loss, or None if it was not finite."""
    seed = int(np.random.SeedSequence([config.seed, state.images_seen]).generate_state(1, np.uint64)[0] >> 1)
    torch.manual_seed(seed)  # for dropout
    x, target, weight = draw_batch(config, sources, state.images_seen)
    x, target = augment(x, target, torch.Generator().manual_seed(seed), config.augment, class_map)
    if config.mixup_alpha:
        x, target = mix(x, target, np.random.default_rng([seed, 1]), config.mixup_alpha)
    with torch.autocast(x.device.type, torch.bfloat16, enabled=x.device.type == "cuda"):
        logits = state.model(x)
    losses, counted = config.loss.terms(logits, target, sizes, state.images_seen / config.images)
    weight = weight * counted
    loss = (losses * weight).sum() / weight.sum()
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(state.model.parameters(), config.gradient_clip)
    if not torch.isfinite(loss + norm):
        return None
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate(config, state.images_seen)
    state.optimiser.step()
    if config.ema_half_life_images:
        with torch.no_grad():
            torch._foreach_lerp_(list(state.average.parameters()), list(state.model.parameters()),
                                 1 - 0.5 ** (config.batch / config.ema_half_life_images))
    return float(loss.detach())


def draw_batch(config: TrainClassifierConfig, sources: list[Source], images_seen: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw x [B, 3, H, W], soft labels [B, K] and weights [B]; an added source gives its exact share over time."""
    x, target, weight = [], [], []
    for number, source in enumerate(sources):
        rows = partial(_rows, config, sources, number, images_seen)
        drawn = torch.from_numpy(rows(0)).to(source.samples.device)
        x.append(source.samples.gather(rows))
        target.append(source.samples.soft_label[drawn])
        weight.append(torch.full((len(drawn),), source.weight, device=drawn.device))
    return torch.cat(x), torch.cat(target), torch.cat(weight)


def _rows(config: TrainClassifierConfig, sources: list[Source], number: int, images_seen: int, later: int
          ) -> np.ndarray:
    """Samples int64 [n] of the numbered source, `later` steps after images_seen."""
    images_seen, added = images_seen + later * config.batch, 0
    if len(sources) > 1:
        added = int((images_seen + config.batch) * config.synthetic_share) - int(images_seen * config.synthetic_share)
    return sources[number].strata.draw(batch=added if number else config.batch - added, seed=2 * config.seed + number,
                                       images_seen=images_seen, power=sources[number].power)


def learning_rate(config: TrainClassifierConfig, images_seen: int) -> float:
    """Linear warm-up to config.learning_rate, then a cosine to zero at config.images."""
    if images_seen < config.warmup_images:
        return config.learning_rate * (images_seen + config.batch) / (config.warmup_images + config.batch)
    share = (images_seen - config.warmup_images) / max(1, config.images - config.warmup_images)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def class_sizes(config: TrainClassifierConfig, sources: list[Source]) -> ClassSizes:
    """Sizes of the classes that the loss sees; a class without samples counts as half of the rarest."""
    probability = sources[0].target_share()
    if len(sources) > 1:
        added = config.synthetic_share * config.synthetic_weight
        probability = (1 - config.synthetic_share) * probability + added * sources[1].target_share()
    prior = class_prior(torch.from_numpy(probability).float(), smallest=float(probability[probability > 0].min()) / 2)
    materials = np.zeros(len(prior), dtype=np.float32)
    for source in sources:
        materials[:len(source.strata.class_size)] += source.weight * source.strata.class_size
    return ClassSizes(prior, torch.from_numpy(np.maximum(materials, 1)))
