"""All that changes in a training of a generator of crystals, in memory and in its checkpoint."""

import copy
from pathlib import Path
from typing import Any

import torch

from cbedgan.gan.adversarial import head_weights
from cbedgan.gan.crystals.crystal_config import TrainCrystalsConfig
from cbedgan.gan.crystals.network.crystal_generator import CrystalGenerator
from cbedgan.gan.crystals.sight import discriminator_of
from cbedgan.gan.network.contract import SampleSpec
from cbedgan.gan.optimiser import adam, load_moments
from cbedgan.gan.state import NETWORKS, head_constants
from cbedgan.gan.training_data import Data
from classifier.foundation.checkpoint import load_checkpoint, save_checkpoint
from classifier.foundation.errors import reported
from classifier.statistics.metrics import SHOT_CLASSES

KIND = "crystal-gan-training"


class CrystalState:
    """Both networks, the averaged generator, both optimisers, the probability of augmentation, skipped steps, and sums
    of the terms since the last report with their numbers. The generator lies on the CPU, where crystals are."""

    def __init__(self, config: TrainCrystalsConfig, data: Data) -> None:
        torch.manual_seed(config.seed)
        x, device, network = data.samples.x, data.samples.device, config.network
        self.generator = CrystalGenerator(network.generator)
        self.discriminator = discriminator_of(
            SampleSpec(tuple(x.shape[1:]), data.class_map, config.view, data.intensity), network, device)
        with torch.no_grad():
            self.discriminator.mean_sample[:x.shape[1]] = x.cpu().mean(0).to(device)
        for constant in head_constants(self.discriminator):
            constant.requires_grad_(False)
        self.generator_ema = copy.deepcopy(self.generator).requires_grad_(False)
        self.optimisers = {name: adam(getattr(self, name)) for name in NETWORKS}
        self.images_seen = 0
        self.augment_probability = torch.full((len(SHOT_CLASSES),), config.augmentation.probability, device=device)
        self.head_weights = head_weights(2 if network.discriminator.unconditional_pixels else 1,
                                         network.discriminator.unconditional_weight, device)
        self.skipped: dict[str, int] = dict.fromkeys(NETWORKS, 0)
        self.left_out = 0
        self.sums: dict[str, float] = {}
        self.counts: dict[str, float] = {}

    def save(self, path: Path, header: dict[str, Any]) -> None:
        """Write everything that a resumed training needs: all randomness is a function of images_seen."""
        networks = {name: getattr(self, name).state_dict() for name in (*NETWORKS, "generator_ema")}
        optimisers = {name: optimiser.state_dict()["state"] for name, optimiser in self.optimisers.items()}
        save_checkpoint(path, kind=KIND, header=header, parts={
            "networks": networks, "optimisers": optimisers, "augment_probability": self.augment_probability,
            **{name: getattr(self, name) for name in ("images_seen", "skipped", "left_out", "sums", "counts")}})

    def load(self, path: Path, run: dict[str, Any] | None = None) -> None:
        """Go on from a checkpoint; one of another run than the record `run` is an InputError."""
        parts = load_checkpoint(path, kind=KIND, run=run).parts
        with reported(path, rule="must hold all that changes in a training", remedy="Train again in another folder."):
            for name, content in parts["networks"].items():
                getattr(self, name).load_state_dict(content)
            for name, optimiser in self.optimisers.items():
                load_moments(optimiser, getattr(self, name), parts["optimisers"][name])
            self.augment_probability.copy_(parts["augment_probability"])
            for name in ("images_seen", "skipped", "left_out", "sums", "counts"):
                setattr(self, name, parts[name])

    def skips(self) -> dict[str, int]:
        """Steps that each network skipped."""
        return self.skipped

    def count(self, terms: dict[str, float], of: dict[str, float]) -> None:
        """Add sums of terms by name, and of how many (1 where not said)."""
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0.0) + of.get(name, 1.0)

    def report(self) -> dict[str, float]:
        """Means of the terms since the last report, by name; those of which there was none are left out."""
        means = {name: total / self.counts[name] for name, total in self.sums.items() if self.counts[name]}
        self.sums, self.counts = {}, {}
        return means
