"""Stacks of three groups of which each is a maximal subgroup of the one before, their split, and two classifiers."""

from pathlib import Path
from typing import NamedTuple

import pytest

from classifier.foundation.config import parse_config
from classifier.training.train import TrainClassifierConfig, train_classifier
from small_crystals import write_small_set
from tiny import ARM

GROUPS, MATERIALS = (194, 63, 12), 5


class Seen(NamedTuple):
    stacks: Path
    split: Path
    classifiers: list[Path]


@pytest.fixture(scope="session")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """P6_3/mmc, Cmcm and C2/m."""
    folder = tmp_path_factory.mktemp("distortion")
    stacks, parted = write_small_set(folder, GROUPS, MATERIALS, mantissa_bits=10)
    classifiers = []
    for seed, images in ((0, 48), (1, 48), (0, 96)):
        run = folder / f"arm{images}-{seed}"
        train_classifier(parse_config(ARM | {"seed": seed, "images": images}, TrainClassifierConfig, source="test"),
                         stacks=stacks, split=parted, out=run)
        classifiers.append(run / "classifier.safetensors")
    return Seen(stacks, parted, classifiers)
