"""One step: pairs that cannot be rendered teach nothing, and ranks share a batch."""

import sys

import pytest
import torch

from cbedgan.gan.crystals import train_crystals as stage
from cbedgan.gan.crystals.instrument import Instrument
from running import metrics, two_ranks

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
from pathlib import Path
from cbedgan.gan.crystals.train_crystals import TrainCrystalsConfig, train_crystals
if __name__ == "__main__":
    stacks, split, out = map(Path, sys.argv[2:])
    train_crystals(TrainCrystalsConfig.model_validate_json(sys.argv[1]), stacks=stacks, split=split, out=out)
"""


def states(monkeypatch, shown):
    """Weights of both networks after each step of a training whose instrument shows `shown(exposed)`."""
    seen, genuine, expose = [], stage.take_step, Instrument.expose
    def step(state, config, data, ranks):
        genuine(state, config, data, ranks)
        seen.append([torch.cat([p.detach().flatten().clone() for p in network.parameters()])
                     for network in (state.generator, state.discriminator)])
    monkeypatch.setattr(stage, "take_step", step)
    monkeypatch.setattr(Instrument, "expose", lambda self, *arguments: shown(expose(self, *arguments)))
    return seen


def test_crystals_that_show_no_disk_are_left_out_and_counted(small_set, small_training, trained, tmp_path, monkeypatch):
    seen = states(monkeypatch, lambda exposed: [None] * len(exposed))
    config = small_training(images=8, augmentation={"probability": 0.0}, penalty={"every": 100})
    stage.train_crystals(config, **small_set._asdict(), out=tmp_path / "gan")
    (generator, discriminator), (later_generator, later_discriminator) = seen
    assert torch.equal(generator, later_generator) and torch.allclose(discriminator, later_discriminator, atol=1e-6)
    report, = metrics(tmp_path / "gan")
    assert report["left_out"] == 4 and report["loss_d"] == pytest.approx(0.6931, abs=1e-3)
    assert not [name for name in report if name.startswith("real_wins")]


def test_some_left_out_pairs_leave_the_others_to_teach(small_set, small_training, tmp_path, monkeypatch):
    seen = states(monkeypatch, lambda exposed: [None, *exposed[1:]])
    stage.train_crystals(small_training(images=8), **small_set._asdict(), out=tmp_path / "gan")
    assert not torch.equal(seen[0][0], seen[1][0]) and all(one.isfinite().all() for pair in seen for one in pair)
    report, = metrics(tmp_path / "gan")
    assert report["left_out"] == 1


def test_two_processes_take_the_step_of_one(small_set, small_training, trained, tmp_path):
    program, out = tmp_path / "program.py", tmp_path / "gan"
    program.write_text(PROGRAM)
    config = small_training(images=8, burn_in_share=3.0)
    assert two_ranks([sys.executable, program, config.model_dump_json(), *small_set, out]) == [0, 0]
    (one,), two = metrics(out), metrics(trained)[0]
    assert one == pytest.approx(two, rel=1e-3, abs=1e-5)
