"""Run folders refuse a second run, and go on with their own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

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


def test_a_folder_in_use_is_refused_and_free_again_afterwards(tmp_path):
    (tmp_path / ".run.json.1.partial").touch()
    with open_run(tmp_path):
        assert not list(tmp_path.glob("*.partial")), "left by a command that was killed"
        for seed in (1, 2):
            with pytest.raises(InputError, match=f"another command at work .process {os.getpid()} on "):
                open_run(tmp_path, seed=seed)
    with open_run(tmp_path):
        pass
    with pytest.raises(InputError, match="Choose another output"):
        open_run(tmp_path, seed=2)


def test_of_many_configurations_that_open_a_folder_at_once_one_does(tmp_path):
    code = ("import sys; from test_run import open_run; from pathlib import Path; sys.stdin.read()\n"
            "with open_run(Path(sys.argv[1]), seed=int(sys.argv[2])): print(sys.argv[2]); sys.stdout.flush()")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    several = [subprocess.Popen([sys.executable, "-c", code, tmp_path / "run", str(seed)], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
               for seed in range(4)]
    for process in several:
        process.stdin.close()
    opened = [process.stdout.read() for process in several]
    errors = [process.stderr.read() for process in several]
    assert [process.wait() for process in several].count(0) == 1 == sum(map(bool, opened)), errors
    assert sum("InputError" in error for error in errors) == 3, errors


@pytest.mark.parametrize("name", ["result.json", "checkpoint.safetensors"])
def test_results_of_an_unknown_run_are_refused(tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match="must say in run.json which run it holds"):
        open_run(tmp_path)


def test_a_finished_run_whose_files_are_gone_or_others_is_found_out(tmp_path):
    run, weights = open_run(tmp_path), tmp_path / "weights"
    weights.write_text("0.5")
    run.finish({}, files=["weights"])
    assert run.result is not None
    weights.write_text("0.6")
    with pytest.raises(InputError, match="weights: another content"):
        print(run.result)
    weights.unlink()
    with pytest.raises(InputError, match="weights: missing"):
        print(run.result)


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
