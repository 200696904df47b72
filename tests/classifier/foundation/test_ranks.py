import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from classifier.foundation.errors import InputError
from classifier.foundation.ranks import Ranks
from classifier.prediction.predict import load_classifier
from classifier.training.train import train_classifier
from running import metrics, two_ranks, written_anew

TRAIN = """
import os, sys, time
from pathlib import Path
import classifier.training.train
from classifier.training.train import TrainClassifierConfig, train_classifier
folder, stacks, split, out, seconds = *map(Path, sys.argv[1:5]), float(sys.argv[5])
plain = classifier.training.train.step
def slow(*arguments):
    time.sleep(seconds)
    return plain(*arguments)
classifier.training.train.step = slow
config = TrainClassifierConfig.model_validate_json((folder / "config.json").read_text())
train_classifier(config, stacks=stacks, split=split, out=out, cache=folder / "cache")
"""


def training(config, data, out: Path, seconds: float) -> list[str]:
    """A Python command that trains one rank; seconds: that each step waits, so that a signal comes in time."""
    (out.parent / "config.json").write_text(config.model_dump_json())
    return [sys.executable, "-c", TRAIN, *map(str, (out.parent, data.stacks, data.split, out, seconds))]


def run_with_torchrun(config, data, out: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python",
               *training(config, data, out, 0)]
    done = subprocess.run(command, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()


def stop(config, data, out: Path, *, rank: int, number: signal.Signals) -> list[int]:
    """Start both ranks, signal one after the next checkpoint, and return what both exit with."""
    return two_ranks(training(config, data, out, 0.05), written_anew(out / "checkpoint.safetensors"), rank=rank,
                     number=number)


def largest_difference(one: Path, two: Path) -> float:
    states = [load_classifier(out / "classifier.safetensors").model.state_dict() for out in (one, two)]
    return max(float((tensor - states[1][name]).abs().max()) for name, tensor in states[0].items())


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_every_row_of_a_batch_is_one_ranks(count) -> None:
    ranks = [Ranks(number, count, torch.device("cpu")) for number in range(count)]
    assert [row for rank in ranks for row in rank.rows(13)] == list(range(13))
    assert max(len(rank.rows(13)) for rank in ranks) <= 13 // count + 1
    assert [rank.first for rank in ranks] == [True] + [False] * (count - 1)


def test_one_rank_alone_sends_nothing() -> None:
    alone, tensor = Ranks(0, 1, torch.device("cpu")), torch.ones(2)
    alone.add([tensor])
    alone.wait()
    assert tensor.tolist() == [1, 1] and alone.any(True) and not alone.any(False) and alone.from_first(0.1) == 0.1
    with alone.first_first():
        pass


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one_and_resume_to_the_same_bits(data, make_train_config, tmp_path) -> None:
    config = make_train_config(images=320, micro_batch=5, early_stop={"metric": "loss", "patience_images": 10_000},
                               checkpoint_every_images=64)
    given = {"stacks": data.stacks, "split": data.split}
    one, whole, stopped = (tmp_path / name for name in ("one", "whole", "stopped"))
    train_classifier(config, **given, out=one)
    run_with_torchrun(config, data, whole)
    assert largest_difference(one, whole) < 1e-5
    for alone, shared in zip(metrics(one), metrics(whole), strict=True):
        assert alone == pytest.approx(shared, abs=1e-5)
    # A stop request on any rank stops both, and so does the death of one.
    assert stop(config, data, stopped, rank=1, number=signal.SIGTERM) == [128 + signal.SIGINT, 128 + signal.SIGTERM]
    assert stop(config, data, stopped, rank=0, number=signal.SIGKILL) == [-signal.SIGKILL, 1]
    assert not (stopped / "result.json").exists()
    with pytest.raises(InputError, match="inputs may not change"):  # a resume by one process would not be exact
        train_classifier(config, **given, out=stopped)
    run_with_torchrun(config, data, stopped)
    for name in ("result.json", "metrics.jsonl"):
        assert (whole / name).read_bytes() == (stopped / name).read_bytes()
    assert json.loads((whole / "run.json").read_text())["inputs"]["processes"] == "2"
    assert largest_difference(whole, stopped) == 0
