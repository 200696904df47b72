"""Fixtures of the classifier's tests: a complete tiny training configuration, and a split tiny stack file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifier.foundation.config import parse_config
from classifier.samples.split import Split, SplitConfig, load_split, split
from classifier.samples.stackfile import StackFile
from classifier.training.train import TrainClassifierConfig, train_classifier
from tiny import SPLIT, TRAIN


def split_config(**changes: Any) -> SplitConfig:
    return parse_config({**SPLIT, **changes}, SplitConfig, source="test")


def train_config(**changes: Any) -> TrainClassifierConfig:
    return parse_config({**TRAIN, **changes}, TrainClassifierConfig, source="test")


@dataclass(frozen=True)
class Data:
    """A stack file and its split."""

    stacks: Path
    split: Path

    def load(self) -> Split:
        """The split as stages read it."""
        with StackFile(self.stacks) as file:
            return load_split(self.split, stack_digest=file.identity)

    def train(self, config: TrainClassifierConfig, **more: Any) -> Path:
        """The classifier that is trained on it."""
        return train_classifier(config, stacks=self.stacks, split=self.split, **more)


@pytest.fixture
def make_split_config() -> Callable[..., SplitConfig]:
    return split_config


@pytest.fixture
def make_train_config() -> Callable[..., TrainClassifierConfig]:
    return train_config


@pytest.fixture
def data(tiny_stack_file: Callable[..., Path], tmp_path: Path) -> Data:
    """A tiny stack file of four groups with its split: 3 training materials, 1 validation, 2 test in each group."""
    stacks = tiny_stack_file()
    return Data(stacks, split(split_config(), stacks=stacks, out=tmp_path / "split.json"))


@pytest.fixture(scope="session")
def disk_pattern() -> Callable[..., np.ndarray]:
    """disk_pattern(size, lattice, radius, ...): disks on a plane lattice, all lengths in pixels; float64 [size, size].

    amplitude(h, k) is a disk's brightness (the direct disk has h = k = 0); fringes put a dark band into each disk;
    dose: number of counts for Poisson noise. Edges are drawn on a grid three times finer.
    """
    def draw(size: int, lattice: np.ndarray, radius: float, *, amplitude: Callable[[int, int], float],
             centre: tuple[float, float] = (0.0, 0.0), fringes: bool = False, dose: float | None = None,
             seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        fine = (np.arange(3 * size) + 0.5) / 3 - size / 2
        x, y = np.meshgrid(fine - centre[0], fine - centre[1])
        order = int(size / np.hypot(*lattice[0])) + 1
        pattern = np.zeros((3 * size, 3 * size))
        for h in range(-order, order + 1):
            for k in range(-order, order + 1):
                g = h * np.asarray(lattice[0]) + k * np.asarray(lattice[1])
                if np.abs(g).max() < size / 2 + radius and amplitude(h, k) > 0:
                    across, phase = (x - g[0]) * g[0] + (y - g[1]) * g[1], rng.uniform(0, np.pi)
                    wave = across / max(np.hypot(*g), 1) * rng.uniform(1, 4) / radius
                    inside = (x - g[0]) ** 2 + (y - g[1]) ** 2 <= radius**2
                    pattern += amplitude(h, k) * inside * (0.1 + 0.9 * np.cos(wave + phase) ** 2 if fringes else 1.0)
        pattern = pattern.reshape(size, 3, size, 3).mean((1, 3))
        return pattern if dose is None else rng.poisson(pattern / pattern.sum() * dose).astype(np.float64)
    return draw
