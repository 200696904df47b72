from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from classifier.errors import InputError
from classifier.predict import load_classifier
from classifier.ranks import Ranks
from classifier.train import train_classifier

ROOT = Path(__file__).parents[2]
TRAIN = """
import os, sys
from pathlib import Path
from classifier.train import TrainClassifierConfig, train_classifier
config = TrainClassifierConfig.model_validate_json(Path(sys.argv[1]).read_text())
Path(sys.argv[1]).with_name("rank-" + os.environ["RANK"]).write_text(str(os.getpid()))
train_classifier(config, stacks=Path(sys.argv[2]), split=Path(sys.argv[3]), out=Path(sys.argv[4]),
                 cache=Path(sys.argv[5]) if len(sys.argv) > 5 else None)
"""


def launch(config, data, out: Path, *more: object) -> subprocess.Popen:
    """Start the training on two processes, whose ids are written beside their configuration."""
    folder = Path(f"{out}_launch")
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(config.model_dump_json())
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python",
               sys.executable, "-c", TRAIN, folder / "config.json", data.stacks, data.split, out, *more]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([str(word) for word in command], env=environment, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE)


def finish(process: subprocess.Popen) -> None:
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()


def rows(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


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


def test_two_processes_give_the_weights_of_one(data, make_train_config, tmp_path) -> None:
    config = make_train_config(images=320, micro_batch=5, early_stop={"metric": "loss", "patience_images": 10_000})
    both = launch(config, data, tmp_path / "both", tmp_path / "cache")
    train_classifier(config, stacks=data.stacks, split=data.split, out=tmp_path / "one")
    finish(both)
    assert largest_difference(tmp_path / "one", tmp_path / "both") < 1e-5
    for one, two in zip(rows(tmp_path / "one"), rows(tmp_path / "both"), strict=True):
        assert one == pytest.approx(two, abs=1e-5)
    record = json.loads((tmp_path / "both/run.json").read_text())
    assert record["inputs"]["processes"] == "2"
    assert "processes" not in json.loads((tmp_path / "one/run.json").read_text())["inputs"]
    with pytest.raises(InputError, match="inputs may not change"):  # a resume on one process would not be exact
        train_classifier(config, stacks=data.stacks, split=data.split, out=tmp_path / "both")


def test_a_stop_and_a_kill_on_any_rank_end_all_and_the_training_resumes_to_the_same_bits(data, make_train_config,
                                                                                         tmp_path) -> None:
    config = make_train_config(images=1120, micro_batch=5, early_stop={"metric": "loss", "patience_images": 10_000})
    whole, checkpoint = launch(config, data, tmp_path / "whole"), tmp_path / "stopped/checkpoint.safetensors"
    for rank, number in ((1, signal.SIGTERM), (0, signal.SIGKILL)):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
        stopped = launch(config, data, tmp_path / "stopped")
        try:
            while stopped.poll() is None and not (checkpoint.exists() and checkpoint.stat().st_mtime_ns != before):
                time.sleep(0.01)
            os.kill(int((tmp_path / "stopped_launch" / f"rank-{rank}").read_text()), number)
            _, errors = stopped.communicate(timeout=120)
            assert stopped.returncode != 0, errors.decode()
        finally:
            stopped.kill()
            stopped.wait()
        assert not (tmp_path / "stopped/result.json").exists()
    finish(whole)
    finish(launch(config, data, tmp_path / "stopped"))
    for name in ("result.json", "metrics.jsonl"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert largest_difference(tmp_path / "stopped", tmp_path / "whole") == 0
