"""A training that draws stacks without end: its shares and its prior, its resume to the bit, and what it refuses."""

import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import classifier.training.train
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.errors import InputError
from classifier.foundation.run import Interrupted
from classifier.pattern.geometry import Detector, ViewConfig
from classifier.pattern.measurement import BEAM_SHARE
from classifier.samples.dataset import StackSet
from classifier.samples.viewed import Frame
from classifier.stream.stream_config import StreamConfig
from classifier.training.batches import Source, Stated, class_sizes, draw_batch
from classifier.training.endless import require_stream
from classifier.training.sampling import PowerSampler
from project import ROOT
from running import killed, metrics
from spots import GROUPS, Spots

MAP, CPU = ClassMap(GROUPS), torch.device("cpu")
FRAME = Frame(Detector(16, 0.25, "shortest_g"), "canonical", BEAM_SHARE)


def source(value: float, counts: tuple[int, ...], **more: float) -> Source:
    """Stacks filled with `value`, counts[k] materials of class k."""
    class_idx = torch.from_numpy(np.repeat(np.arange(4), counts))
    names = np.arange(len(class_idx)).astype(str)
    x = torch.full((len(names), 3, 4, 4), value)
    samples = StackSet(x, class_idx, torch.eye(4)[class_idx], names, names, names, np.full(len(names), "simulated"))
    return replace(Source.build(samples, sampler=PowerSampler(power=1.0), weight=1.0, device=CPU), **more)


def test_files_and_stream_have_their_exact_shares_over_time(make_train_config) -> None:
    config = make_train_config(batch=10, synthetic_share=0.17)
    sources = [source(0.0, (1, 2, 3, 4)), source(1.0, (4, 0, 0, 0)), source(2.0, (0, 0, 1, 1), share=0.33)]
    counts = np.zeros(3)
    for images_seen in range(0, 1000, 10):
        x, target, _ = draw_batch(config, sources, images_seen, range(10))
        assert x.shape == (10, 3, 4, 4) and (target[x[:, 0, 0, 0] == 1].argmax(1) == 0).all()
        own = torch.cat([draw_batch(config, sources, images_seen, rows)[0] for rows in (range(3), range(3, 10))])
        assert torch.equal(own, x)  # ranks see their rows of the same batch
        counts += np.bincount(x[:, 0, 0, 0].long(), minlength=3)
    assert counts.tolist() == [500, 170, 330]


def test_the_prior_is_that_of_the_mixture(make_train_config) -> None:
    real, stated = source(0.0, (6, 3, 1, 0)), Stated(0.5, 0.5, np.array([0, 0, 0.2, 0.8]), np.array([0, 0, 20, 80]))
    sizes = class_sizes(make_train_config(sampling_power=1.0), [real], stated)
    assert sizes.prior.tolist() == pytest.approx(np.array([0.3, 0.15, 0.05 + 0.05, 0.2]) / 0.75)
    assert sizes.materials.tolist() == [6, 3, 11, 40]
    config = make_train_config(sampling_power=1.0, synthetic_share=0.25, synthetic_weight=1.0)
    both = class_sizes(config, [real, source(1.0, (0, 4, 0, 0))], stated)
    assert both.prior.tolist() == pytest.approx(np.array([0.15, 0.075 + 0.25, 0.025 + 0.05, 0.2]) / 0.75)


def test_the_loss_is_told_what_the_source_will_give(make_train_config) -> None:
    spots = Spots(group_shares={186: 1.0, 216: 0.0, 225: 3.0}, stream=StreamConfig(block=10, images_per_block=100))
    stated = require_stream(spots, make_train_config(images=768), MAP, FRAME, added=False)
    assert stated.target.tolist() == [0.25, 0, 0, 0.75] and stated.materials.tolist() == [20, 0, 0, 60]


@pytest.mark.parametrize("changes, more, fault", [
    ({"side": 32}, {"view": {"half_width": 2.0, "size_pixels": 32}}, "detector, pose and intensity unit"),
    ({"group_shares": {186: 1.0, 14: 1.0}}, {}, r"must name groups of the split; found \[14\]"),
    ({"group_shares": {186: 0.0}}, {}, "not all 0"),
    ({"stream": StreamConfig(share=0.8)}, {}, "must leave room"),
    ({}, {"model": {"widths": [8], "groups": 4, "pose_input": True}}, "see the patterns alone")])
def test_what_a_training_cannot_take_is_refused(changes, more, fault, make_train_config) -> None:
    with pytest.raises(InputError, match=fault):
        require_stream(Spots(**changes), make_train_config(**more), MAP, FRAME, added=True)


def test_a_view_may_cut_the_stacks(make_train_config) -> None:
    config = make_train_config(view=ViewConfig(half_width=2.0, size_pixels=16).model_dump())
    assert require_stream(Spots(side=32), config, MAP, FRAME, added=False) is not None


@pytest.mark.slow
def test_it_learns_from_the_stream_and_says_what_it_saw(data, make_train_config, tmp_path) -> None:
    path = data.train(make_train_config(images=256), out=tmp_path / "run", stream=Spots(), workers=1)
    result = json.loads((path.parent / "result.json").read_text())
    assert {key: result["crystals"][key] for key in ("source", "blocks", "stacks", "mean_uses")} == {
        "source": {"source": "spots", "seed": 5}, "blocks": 2, "stacks": 40, "mean_uses": 3.2}
    assert 20 < result["crystals"]["passed_over_as_held_out"] < 60
    assert json.loads((path.parent / "run.json").read_text())["inputs"].keys() == {"stacks", "split", "crystals"}
    data.train(make_train_config(images=256), out=tmp_path / "alone")
    assert metrics(tmp_path / "alone") != metrics(tmp_path / "run")
    with pytest.raises(InputError, match="inputs may not change"):
        data.train(make_train_config(images=256), out=tmp_path / "run", stream=Spots(seed=6), workers=1)


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from spots import Spots
from classifier.training.train import TrainClassifierConfig, train_classifier
folder = Path(sys.argv[1])
config = TrainClassifierConfig.model_validate_json((folder / "config.json").read_text())
train_classifier(config, stacks=Path(sys.argv[2]), split=Path(sys.argv[3]), out=folder / "killed", workers=2,
                 stream=Spots(seconds=0.02, pids=folder / "pids"))
"""


@pytest.mark.slow
def test_killed_in_the_middle_of_a_block_it_resumes_to_the_same_bits_and_leaves_no_process(data, make_train_config,
                                                                                          tmp_path) -> None:
    config = make_train_config(images=640, checkpoint_every_images=208)
    (tmp_path / "config.json").write_text(config.model_dump_json())
    (tmp_path / "pids").mkdir()
    data.train(config, out=tmp_path / "whole", stream=Spots(), workers=1)
    killed([sys.executable, "-c", KILLED, tmp_path, data.stacks, data.split, ROOT / "tests/support"],
           (tmp_path / "killed/checkpoint.safetensors").exists, after=0.05)
    assert not (tmp_path / "killed/result.json").exists()
    drawing = [int(path.name) for path in (tmp_path / "pids").iterdir()]
    until = time.monotonic() + 30
    while any(map(alive, drawing)) and time.monotonic() < until:
        time.sleep(0.05)
    assert drawing and not any(map(alive, drawing))
    data.train(config, out=tmp_path / "killed", stream=Spots(), workers=2)
    for name in ("result.json", "metrics.jsonl"):  # the first holds the sha256 of the weights
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked for counts as ended."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
def test_an_interrupt_is_heard_while_it_waits_for_stacks(data, make_train_config, tmp_path, monkeypatch) -> None:
    plain, config = classifier.training.train.step, make_train_config(images=256)
    def last_step_of_a_block(state, *arguments):
        if state.images_seen == 112:
            os.kill(os.getpid(), signal.SIGINT)
        return plain(state, *arguments)
    monkeypatch.setattr(classifier.training.train, "step", last_step_of_a_block)
    slow = Spots(seconds=0.05)
    with pytest.raises(Interrupted) as stop:
        data.train(config, out=tmp_path / "stopped", stream=slow, workers=1)
    assert stop.value.code == 130
    monkeypatch.setattr(classifier.training.train, "step", plain)
    data.train(config, out=tmp_path / "stopped", stream=Spots(), workers=1)
    data.train(config, out=tmp_path / "whole", stream=Spots(), workers=1)
    assert (tmp_path / "stopped/result.json").read_bytes() == (tmp_path / "whole/result.json").read_bytes()
