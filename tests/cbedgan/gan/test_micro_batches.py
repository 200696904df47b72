"""Micro-batches and ranks only change the order of a sum."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cbedgan.gan.state import State
from cbedgan.gan.step import take_step
from classifier.foundation.ranks import Ranks

pytestmark = pytest.mark.slow

ALONE = Ranks(0, 1, torch.device("cpu"))
# Each step must be one with penalties, adaptive and fixed augmentation and both heads.
CHANGES = {"penalty": {"every": 1}, "optimiser": {"learning_rate": {"start": 5e-4, "end": 5e-4}},
           "augmentation": {"adaptive": {"target": 0.5, "images": 64, "largest": 0.8, "by_shots": True}}}
RANK = """
import importlib.util, sys
from pathlib import Path
import torch
folder, conftest = map(Path, sys.argv[1:])
sys.path.append(str(conftest.parents[2] / "support"))
spec = importlib.util.spec_from_file_location("fixtures", conftest)
fixtures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fixtures)
from cbedgan.gan.state import State
from cbedgan.gan.step import take_step
from cbedgan.gan.train_config import TrainGanConfig
from classifier.foundation.ranks import open_ranks
config = TrainGanConfig.model_validate_json((folder / "config.json").read_text())
data = fixtures.make_data(folder / "stacks.h5", config)
with open_ranks(torch.device("cpu")) as ranks:
    state = State(config, data)
    state.load(folder / "warm.safetensors")
    take_step(state, config, data, ranks)
    state.save(folder / f"rank{ranks.number}.safetensors", {})
"""


def largest_difference(one: State, two: State) -> float:
    return max(float((a - b).detach().abs().max()) for network in ("generator", "discriminator", "generator_ema")
               for a, b in zip(getattr(one, network).parameters(), getattr(two, network).parameters(), strict=True))


def loaded(config, data, path: Path, steps: int = 0) -> State:
    state = State(config, data)
    state.load(path)
    for _ in range(steps):
        take_step(state, config, data, ALONE)
    return state


@pytest.fixture(params=["two heads", "one head"])
def warm(request, tiny_config, tiny_data, tmp_path):
    """Data, configuration and checkpoint after some steps: at the first, Adam makes a full step of every rounding."""
    heads = {"unconditional_pixels": 0 if request.param == "one head" else 8}
    config = tiny_config(**CHANGES, network={"discriminator": heads})
    data = tiny_data(path=tmp_path / "stacks.h5")
    state = State(config, data)
    for _ in range(8):
        take_step(state, config, data, ALONE)
    state.save(tmp_path / "warm.safetensors", {})
    return data, config, tmp_path / "warm.safetensors"


@pytest.mark.parametrize("size", [3, 5, 8])
def test_micro_batches_take_the_step_of_the_whole_batch(warm, size):
    data, config, path = warm
    whole = loaded(config, data, path, steps=1)
    parts = loaded(config.model_copy(update={"micro_batch": size}), data, path, steps=1)
    assert 0 < largest_difference(whole, parts) < 1e-5
    assert torch.equal(whole.augment_probability, parts.augment_probability)
    torch.testing.assert_close(whole.sums, parts.sums, rtol=1e-5, atol=1e-5)
    assert torch.equal(whole.counts, parts.counts)
    assert largest_difference(whole, loaded(config, data, path)) > 1e-4  # and it is a step
    assert whole.skipped.tolist() == [0, 0]


def test_a_part_that_holds_all_changes_no_bit(warm):
    data, config, path = warm
    parts = loaded(config.model_copy(update={"micro_batch": 16}), data, path, steps=3)
    assert largest_difference(loaded(config, data, path, steps=3), parts) == 0


@pytest.mark.parametrize(("warm", "size"), [("two heads", None), ("one head", 3)], indirect=["warm"])
def test_two_processes_take_the_step_of_one(warm, size):
    data, config, path = warm
    (path.parent / "config.json").write_text(config.model_copy(update={"micro_batch": size}).model_dump_json())
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python",
               sys.executable, "-c", RANK, str(path.parent), str(Path(__file__).with_name("conftest.py"))]
    done = subprocess.run(command, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    one = loaded(config, data, path, steps=1)
    first, second = (loaded(config, data, path.parent / f"rank{number}.safetensors") for number in range(2))
    assert largest_difference(one, first) < 1e-5
    torch.testing.assert_close(one.sums, first.sums, rtol=1e-5, atol=1e-5)
    assert torch.equal(one.augment_probability, first.augment_probability) and torch.equal(one.counts, first.counts)
    # Both ranks hold the same state to the bit, so either could go on.
    assert largest_difference(first, second) == 0
    assert torch.equal(first.sums, second.sums) and torch.equal(first.counts, second.counts)
