"""Stacks of three groups of which each is a maximal subgroup of the one before, their split, and two classifiers."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from cbedgan.crystal.natural_crystals import NaturalConfig
from cbedgan.gan.crystals.prior import first_crystal
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.cbed.stack import simulate_every_view
from cbedgan.simulate.engine import engine_of
from classifier.foundation.config import parse_config
from classifier.pattern.geometry import Detector
from classifier.samples.sampletable import SampleTable
from classifier.samples.split import SplitConfig, split
from classifier.samples.stackfile import write_stack_file
from classifier.training.train import TrainClassifierConfig, train_classifier
from small_crystals import SIMULATE, SIZE, SOURCE
from tiny import ARM, SPLIT

GROUPS, MATERIALS = (194, 63, 12), 5


class Seen(NamedTuple):
    stacks: Path
    split: Path
    classifiers: list[Path]


@pytest.fixture(scope="session")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """P6_3/mmc, Cmcm and C2/m."""
    folder = tmp_path_factory.mktemp("distortion")
    config = parse_config(SIMULATE, SimulateConfig, source="test")
    source = parse_config(SOURCE, NaturalConfig, source="test")
    made = [simulate_every_view(first_crystal(source, group, [number]), config, beam_energy_kev=100.0, views=(),
                                partition="test" if number == 0 else "train", engine=engine_of(config))[0]
            for group in GROUPS for number in range(MATERIALS)]
    path = folder / "stacks.h5"
    write_stack_file(path, np.concatenate([stack for stack, _ in made]),
                     SampleTable.concatenate([rows for _, rows in made]), pose="canonical",
                     detector=Detector(SIZE, 4 / SIZE, "shortest_g"), mantissa_bits=10,
                     intensity_unit="fraction of the incident beam per pixel",
                     provenance={"stage": "simulate", "config": config.model_dump(mode="json")})
    held = parse_config(SPLIT | {"validation_fraction": 0.0, "near_duplicates": "drop"}, SplitConfig, source="test")
    parted = split(held, stacks=path, out=folder / "split.json")
    classifiers = []
    for seed, images in ((0, 48), (1, 48), (0, 96)):
        run = folder / f"arm{images}-{seed}"
        train_classifier(parse_config(ARM | {"seed": seed, "images": images}, TrainClassifierConfig, source="test"),
                         stacks=path, split=parted, out=run)
        classifiers.append(run / "classifier.safetensors")
    return Seen(path, parted, classifiers)
