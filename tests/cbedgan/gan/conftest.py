"""A GAN training of seconds for 16-pixel stacks."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cbedgan.bench.made_up import made_up_form
from cbedgan.form.form_bank import FormBank
from cbedgan.form.pattern_symmetry import SHARES
from cbedgan.gan.train_config import TrainGanConfig
from cbedgan.gan.training_data import Data
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.config import parse_config
from classifier.pattern.intensity import IntensityTransform
from classifier.samples.dataset import load_physical, stack_set
from tiny import CRYSTALS, GAN, merged


@pytest.fixture
def tiny_config() -> Callable[..., TrainGanConfig]:
    """Factory of the tiny configuration with some keys replaced."""
    return lambda **changes: parse_config(merged(GAN, changes), TrainGanConfig, source="test")


def make_data(stacks: Path, config: TrainGanConfig, device: str = "cpu") -> Data:
    """All stacks of a file as training data, with forms where crystals are drawn."""
    physical, table, _ = load_physical(stacks, config.view)
    class_map = ClassMap.of(table.space_group)
    transform = IntensityTransform.fit(physical, config.intensity)
    samples = stack_set(physical, table, class_map=class_map, source=stacks, transform=transform)
    data = Data.build(samples, class_map, config.class_noise, torch.device(device), intensity=transform)
    return data if config.network.generator.form_strain is None else with_forms(data)


@pytest.fixture
def tiny_crystals() -> Callable[..., dict[str, Any]]:
    """Factory of what makes the tiny networks draw crystals, with some of the generator's settings replaced."""
    return lambda **changes: {"generator": CRYSTALS | changes}


def with_forms(data: Data) -> Data:
    """The same stacks with made-up forms of their disks, every third one symmetric."""
    draws, n = torch.Generator().manual_seed(0), len(data.samples)
    form = made_up_form(((1.0, 0.0), (0.2, 1.1))).repeat(n, 3, 1)
    form[..., :4] += 0.1 * torch.rand(n, 3, 4, generator=draws)
    form[..., 4] = 0.3 + 0.2 * torch.rand(n, 3, generator=draws)
    form[::3, :, -SHARES] = 0.8  # two-fold axes
    return replace(data, bank=FormBank(form, data.samples.class_idx.cpu()))


@pytest.fixture
def tiny_data(tiny_stack_file, tiny_config) -> Callable[..., Data]:
    """Factory of the training data of a tiny stack file, on the CPU or another device, with or without forms."""
    def make(device: str = "cpu", forms: bool = False, **settings: Any) -> Data:
        data = make_data(tiny_stack_file(**settings), tiny_config(), device)
        return with_forms(data) if forms else data
    return make
