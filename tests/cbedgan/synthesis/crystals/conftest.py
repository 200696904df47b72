"""Stacks of three groups of which each is a maximal subgroup of the one before, and what was learnt and found there."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from cbedgan.distortion.distort import DistortConfig, distort
from cbedgan.gan.crystals.crystal_config import TrainCrystalsConfig
from cbedgan.gan.crystals.train_crystals import train_crystals
from classifier.foundation.config import parse_config
from classifier.training.train import TrainClassifierConfig, train_classifier
from small_crystals import SIMULATE, SOURCE, small_training, write_small_set
from tiny import ARM

__all__ = ["small_training"]

GROUPS, MATERIALS = (194, 63, 12), 5


class Learnt(NamedTuple):
    """Everything that the stage is given."""

    generator: Path
    stacks: Path
    split: Path
    paths: Path
    classifiers: list[Path]


@pytest.fixture(scope="session")
def learnt(small_training: Callable[..., TrainCrystalsConfig], tmp_path_factory: pytest.TempPathFactory) -> Learnt:
    """P6_3/mmc, Cmcm and C2/m."""
    folder = tmp_path_factory.mktemp("densify")
    stacks, parted = write_small_set(folder, GROUPS, MATERIALS, mantissa_bits=10)
    data = {"stacks": stacks, "split": parted}
    generator = train_crystals(small_training(images=8), **data, out=folder / "gan")
    classifiers = [train_classifier(parse_config(ARM | {"seed": 0, "images": 48}, TrainClassifierConfig, source="test"),
                                    **data, out=folder / "arm")]
    asked = parse_config({"seed": 2, "source": SOURCE, "paths": {"materials": 1}, "render": SIMULATE["render"],
                          "thresholds": {"points": 4, "rounds": 2}, "replicates": 100}, DistortConfig, source="test")
    distort(asked, classifiers=classifiers, **data, out=folder / "distort")
    return Learnt(generator, stacks, parted, folder / "distort", classifiers)
