"""Fixtures: a set of a few rendered crystals at 16 pixels, its split, and a training of seconds."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from cbedgan.crystal.natural_crystals import NaturalConfig
from cbedgan.gan.crystals.crystal_config import TrainCrystalsConfig
from cbedgan.gan.crystals.prior import first_crystal
from cbedgan.gan.crystals.train_crystals import train_crystals
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.cbed.stack import simulate_every_view
from cbedgan.simulate.engine import engine_of
from classifier.foundation.config import parse_config
from classifier.pattern.geometry import Detector
from classifier.samples.sampletable import SampleTable
from classifier.samples.split import SplitConfig, split
from classifier.samples.stackfile import write_stack_file
from tiny import SPLIT, merged

GROUPS, MATERIALS, SIZE = (62, 194, 225), 6, 16
SOURCE = {"kind": "natural", "maximum_primitive_atoms": 12, "attempts": 100}
SIMULATE: dict[str, Any] = {
    "seed": 1, "thickness_angstrom": {"least": 60.0, "most": 90.0}, "randomised": ["entry_plane", "azimuth"],
    "crystals": {"groups": []}, "multislice": {"entry_surface": "symmetric", "terraces": "equivalent"},
    "detector": {"size_pixels": SIZE, "directions_across": {"ring_drift_angstrom": 2.0}},
    "render": {"reach_inv_angstrom": 0.5, "most_beams": 40, "ring_drift_angstrom": 2.0}}
TRAIN: dict[str, Any] = {
    "seed": 3, "device": "cpu", "images": 24, "batch": 4, "checkpoint_every_images": 8, "report_every_images": 8,
    "view": {"half_width": 2.0, "size_pixels": SIZE},
    "augmentation": {"probability": 0.7, "transforms": {"gain": 0.02}},
    "prior": {"source": SOURCE, "crystals": 2},
    "network": {"embedding_dim": 8, "generator": {"kind": "crystals", "latent_dim": 4, "width": 8, "rounds": 1},
                "discriminator": {"widths": [8, 4], "patch": 2}},
    "optimiser": {"learning_rate": {"start": 2e-2, "end": 2e-2}, "generator_rate": 1.0},
    "penalty": {"gamma": {"start": 0.3, "end": 0.3}, "every": 2}, "ema": {"half_life_images": 8, "ramp_up": 0.5}}


class Inputs(NamedTuple):
    stacks: Path
    split: Path


def write_small_set(folder: Path, groups: tuple[int, ...], materials: int, **form: Any) -> Inputs:
    """Stacks of the groups, one material of each said to be random and the others real-derived, and their split."""
    config = parse_config(SIMULATE, SimulateConfig, source="test")
    source = parse_config(SOURCE, NaturalConfig, source="test")
    made = [simulate_every_view(first_crystal(source, group, [number]), config, beam_energy_kev=100.0, views=(),
                                partition="test" if number == 0 else "train", engine=engine_of(config))[0]
            for group in groups for number in range(materials)]
    table = SampleTable.concatenate([rows for _, rows in made])
    derivation = np.where(np.arange(len(table)) % materials == materials - 1, "random", "real")
    path = folder / "stacks.h5"
    write_stack_file(path, np.concatenate([stack for stack, _ in made]),
                     replace(table, derivation=derivation), pose="canonical",
                     detector=Detector(SIZE, 4 / SIZE, "shortest_g"),
                     intensity_unit="fraction of the incident beam per pixel",
                     provenance={"stage": "simulate", "config": config.model_dump(mode="json")}, **form)
    held = parse_config(SPLIT | {"validation_fraction": 0.0, "near_duplicates": "drop"}, SplitConfig, source="test")
    return Inputs(path, split(held, stacks=path, out=folder / "split.json"))


@pytest.fixture(scope="session")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Stacks of three groups and their split."""
    return write_small_set(tmp_path_factory.mktemp("crystals"), GROUPS, MATERIALS)


@pytest.fixture(scope="session")
def small_simulation() -> dict[str, Any]:
    """What the set's configuration says."""
    return SIMULATE


@pytest.fixture(scope="session")
def small_training() -> Callable[..., TrainCrystalsConfig]:
    """Factory of the configuration with some keys replaced."""
    return lambda **changes: parse_config(merged(TRAIN, changes), TrainCrystalsConfig, source="test")


@pytest.fixture(scope="session")
def trained(small_set: Inputs, small_training: Callable[..., TrainCrystalsConfig],
            tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished training."""
    out = tmp_path_factory.mktemp("run") / "gan"
    train_crystals(small_training(), **small_set._asdict(), out=out)
    return out
