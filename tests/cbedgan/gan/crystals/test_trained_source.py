"""A trained generator is a source of crystals like any other, for sets and for trainings without end."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cbedgan.gan.crystals.crystal_config import TrainCrystalsConfig
from cbedgan.gan.crystals.trained_crystals import load_crystals
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.endless import EndlessConfig, EndlessCrystals
from classifier.foundation.config import load_config, parse_config
from project import CONFIGS

pytestmark = pytest.mark.slow
KIND = "cbedgan.gan.crystals.trained_source:TrainedSource"


@pytest.fixture
def endless(trained, small_simulation) -> Callable[..., EndlessConfig]:
    """Stacks without end of a trained generator, as a configuration file states them."""
    def with_source(**arm: Any) -> EndlessConfig:
        source = {"kind": KIND, "generator": str(trained / "generator.safetensors"), "arm": arm}
        content = small_simulation | {"crystals": {"groups": [], "random": source}, "stream": {}}
        return parse_config(content, EndlessConfig, source="test", own_code=True)
    return with_source


@pytest.mark.parametrize("arm", [{"candidates": 1}, {"candidates": 2}, {"candidates": 1, "moved": False}])
def test_a_training_without_end_can_draw_from_a_trained_generator(endless, arm, small_set, trained):
    config = endless(**arm)
    assert isinstance(config, SimulateConfig)
    source = EndlessCrystals.of(config, split=small_set.split, stacks=small_set.stacks, name="endless.toml")
    one, again, other = (source.draw(225, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.row.space_group.tolist() == [225] and (one.intensity == again.intensity).all()
    assert (one.intensity != other.intensity).any()
    assert source.record()["generator"] == load_crystals(trained / "generator.safetensors").digest


def test_the_shipped_configuration_is_complete():
    load_config(CONFIGS / "bench" / "train_gan_crystals.toml", TrainCrystalsConfig)
