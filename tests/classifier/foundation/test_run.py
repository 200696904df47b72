"""Run folders refuse a second run, and go on with their own."""

import os
import signal

import pytest

from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.foundation.run import Run, StopRequest


class Example(Config):
    seed: int


def open_run(folder, seed=1, stage="train", stacks="abc"):
    return Run.open(folder, stage=stage, config=Example(seed=seed), inputs={"stacks": stacks})


def test_the_same_run_is_opened_again(tmp_path):
    open_run(tmp_path / "run").finish({"score": 0.5})
    assert open_run(tmp_path / "run").result == {"score": 0.5}


@pytest.mark.parametrize("other", [{"seed": 2}, {"stage": "probe"}, {"stacks": "abd"}])
def test_another_run_in_the_folder_is_refused(tmp_path, other):
    open_run(tmp_path / "run")
    with pytest.raises(InputError, match="Choose another output"):
        open_run(tmp_path / "run", **other)


def test_rewind_drops_what_will_be_replayed_and_half_a_line(tmp_path):
    run = open_run(tmp_path / "run")
    for images_seen in (100, 200, 300):
        run.log(images_seen=images_seen, loss=1.0)
    with (run.folder / "metrics.jsonl").open("a") as lines:
        lines.write('{"images_seen": 40')
    run.rewind(200)
    assert [line[:19] for line in (run.folder / "metrics.jsonl").read_text().splitlines()] == [
        '{"images_seen": 100', '{"images_seen": 200']


def test_the_first_signal_asks_and_the_second_ends():
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested
        with pytest.raises(SystemExit) as caught:
            os.kill(os.getpid(), signal.SIGTERM)
        assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == before
