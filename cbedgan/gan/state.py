"""All that changes in a training of the GAN, in memory and in its checkpoint."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cbedgan.gan.networks import Discriminator, Generator
from cbedgan.gan.train_config import TrainGanConfig
from cbedgan.gan.training_data import SHOTS, Data
from classifier.checkpoint import load_checkpoint, save_checkpoint

PCA_VALUES = 1 << 28  # of the samples that templates are drawn from: 1 GiB
TERMS = ("loss_d", "loss_g", "twins", "r1", "r2", *(f"real_wins_{shots}" for shots in SHOTS), "skipped")


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


def principal_components(x: Tensor, count: int) -> Tensor:
    """Principal components [count, *spatial] of the single patterns in x [N, C, *spatial], each times its spread."""
    x = x[:: max(1, -(-x.numel() // PCA_VALUES))]  # a set beyond memory is thinned out evenly
    patterns = (x - x.mean(0)).flatten(2).flatten(0, 1)
    _, spread, components = torch.pca_lowrank(patterns, q=count, center=False)
    return (components * spread / len(patterns) ** 0.5).T.reshape(count, *x.shape[2:])
