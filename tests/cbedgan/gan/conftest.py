"""A GAN training of seconds for 16-pixel stacks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cbedgan.gan.train_config import TrainGanConfig
from cbedgan.gan.training_data import Data
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.config import parse_config
from classifier.pattern.intensity import IntensityTransform
from classifier.samples.dataset import load_physical, stack_set
from tiny import GAN, merged


@pytest.fixture
def tiny_config() -> Callable[..., TrainGanConfig]:
    """Factory of the tiny configuration with some keys replaced."""
    return lambda **changes: parse_config(merged(GAN, changes), TrainGanConfig, source="test")


def make_data(stacks: Path, config: TrainGanConfig, device: str = "cpu") -> Data:
    """All stacks of a file as training data."""
    physical, table, _ = load_physical(stacks, config.view)
    class_map = ClassMap.of(table.space_group)
    transform = IntensityTransform.fit(physical, config.intensity)
    samples = stack_set(physical, table, class_map=class_map, source=stacks, transform=transform)
    return Data.build(samples, class_map, torch.device(device), intensity=transform)


@pytest.fixture
def tiny_data(tiny_stack_file, tiny_config) -> Callable[..., Data]:
    """Factory of the training data of a tiny stack file, on the CPU or another device."""
    def make(device: str = "cpu", **settings: Any) -> Data:
        return make_data(tiny_stack_file(**settings), tiny_config(), device)
    return make
