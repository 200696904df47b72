"""All that changes in a training of the GAN, in memory and in its checkpoint."""

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cbedgan.gan.adversarial import head_weights
from cbedgan.gan.network.blocks import placed
from cbedgan.gan.network.contract import SampleSpec
from cbedgan.gan.network.discriminator import Discriminator
from cbedgan.gan.optimiser import adam, load_moments
from cbedgan.gan.train_config import TrainGanConfig
from cbedgan.gan.training_data import Data
from classifier.foundation.checkpoint import load_checkpoint, save_checkpoint
from classifier.foundation.errors import reported
from classifier.statistics.metrics import SHOT_CLASSES

NETWORKS = ("discriminator", "generator")  # in the order of their steps
TERMS = ("loss_d", "loss_g", "r1", "r2", *(f"real_wins_{shots}" for shots in SHOT_CLASSES),
         *(f"skipped_{network}" for network in NETWORKS))
TALLIES = ("sums", "counts", "skipped", "augment_probability")


class State:
    """All that changes: both networks, the averaged generator, both optimisers, how likely each shot group is augmented
    [3], the steps that the discriminator and the generator skipped [2], and the terms since the last report.
    """

    def __init__(self, config: TrainGanConfig, data: Data) -> None:
        torch.manual_seed(config.seed)
        # On the CPU, so that a mapped set and one in a GPU's memory begin alike.
        x, device = data.samples.x.cpu(), data.samples.device
        network, spec = config.network, SampleSpec(tuple(x.shape[1:]), data.class_map, config.view, data.intensity)
        self.generator = network.generator.build(spec, network)
        self.discriminator = Discriminator(spec, network.discriminator, network)
        self.discriminator.mean_sample.copy_(x.mean(0))
        self.generator.fit(x)
        for built in (self.generator, self.discriminator):
            placed(built, device, x.ndim - 2)
        for constant in head_constants(self.discriminator):
            constant.requires_grad_(False)
        self.generator_ema = copy.deepcopy(self.generator).requires_grad_(False)
        self.optimisers = {name: adam(getattr(self, name)) for name in NETWORKS}
        self.images_seen = 0
        # Sums and numbers of the finite terms stay on the device until somebody asks: a step never waits for the host.
        self.sums, self.counts = torch.zeros(2, len(TERMS), dtype=torch.float64, device=device)
        self.skipped = torch.zeros(2, dtype=torch.float64, device=device)
        self.augment_probability = torch.full((len(SHOT_CLASSES),), config.augmentation.probability, device=device)
        self.head_weights = head_weights(2 if network.discriminator.unconditional_pixels else 1,
                                         network.discriminator.unconditional_weight, device)
        self.adapts = config.augmentation.adaptive is not None

    def save(self, path: Path, header: dict[str, Any]) -> None:
        """Write everything a resumed training needs: all randomness is a function of images_seen."""
        networks = {name: getattr(self, name).state_dict() for name in ("generator", "discriminator", "generator_ema")}
        optimisers = {name: optimiser.state_dict()["state"] for name, optimiser in self.optimisers.items()}
        save_checkpoint(path, kind="gan-training", header=header, parts={
            "networks": networks, "optimisers": optimisers, "images_seen": self.images_seen,
            **{name: getattr(self, name) for name in TALLIES}})

    def load(self, path: Path, run: dict[str, Any] | None = None) -> None:
        """Go on from a checkpoint; one of another run than the record `run` is an InputError."""
        parts = load_checkpoint(path, kind="gan-training", run=run).parts
        with reported(path, rule="must hold all that changes in a training", remedy="Train again in another folder."):
            self._take(parts)

    def _take(self, parts: dict[str, Any]) -> None:
        for name, content in parts["networks"].items():
            getattr(self, name).load_state_dict(content)
        for name, optimiser in self.optimisers.items():
            load_moments(optimiser, getattr(self, name), parts["optimisers"][name])
        self.images_seen = parts["images_seen"]
        for name in TALLIES:
            getattr(self, name).copy_(parts[name])

    def skips(self) -> dict[str, int]:
        """Steps that each network skipped."""
        return dict(zip(NETWORKS, map(int, self.skipped), strict=True))

    def count(self, sums: dict[str, Tensor], counts: dict[str, Tensor]) -> None:
        """Add sums of values by name, and of how many (1 where not said); a sum that is not finite is left out."""
        none = torch.zeros_like(self.sums[0])
        total = torch.stack([sums.get(name, none).double() for name in TERMS])
        number = torch.stack([counts.get(name, none + (name in sums)).double() for name in TERMS])
        finite = torch.isfinite(total)
        self.sums += torch.where(finite, total, 0)
        self.counts += torch.where(finite, number, 0)

    def report(self) -> dict[str, float]:
        """Means of the terms since the last report, by name; terms that did not occur are left out."""
        sums, counts = self.sums.tolist(), self.counts.tolist()
        self.sums.zero_()
        self.counts.zero_()
        if not any(counts):
            return {}
        means = {name: total / number for name, total, number in zip(TERMS, sums, counts, strict=True) if number}
        if self.adapts:
            shares = zip(SHOT_CLASSES, self.augment_probability.tolist(), strict=True)
            means |= {f"augment_probability_{shots}": share for shots, share in shares}
        return means


def head_constants(discriminator: Discriminator) -> list[nn.Parameter]:
    """The constant of each head, which a difference of logits does not hold.

    Its gradient would be rounding, other in every cut of a batch, of which Adam would make a full step.
    """
    blind: Any = None if discriminator.unconditional_level is None else discriminator.unconditional[-1]
    return [discriminator.head.bias] + ([] if blind is None else [blind.bias])
