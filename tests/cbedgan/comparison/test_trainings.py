import signal
import subprocess
import sys
from dataclasses import replace
from multiprocessing import active_children

import pytest

from cbedgan.comparison import trainings
from cbedgan.comparison.trainings import ArmFailed, Job, train_all
from classifier.foundation.errors import InputError
from running import wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def job(split_stacks, compare_config, tmp_path):
    stacks, split = split_stacks
    return Job("real", 0, compare_config().classifier, stacks, split, None, tmp_path / "real-seed0")


def test_a_failure_is_shown_whole(job, monkeypatch):
    def break_down(*_, **__):
        raise ZeroDivisionError("the reason")
    monkeypatch.setattr(trainings, "train_classifier", break_down)
    with pytest.raises(ArmFailed, match=r"(?s)arm real, seed 0.*break_down.*ZeroDivisionError: the reason"):
        train_all([job], workers=1)


def test_processes_train_and_bring_errors_home(job):
    """The long job, far from its end when the bad one fails, is stopped and waited for."""
    long = replace(job, out=job.out.with_name("long"), config=job.config.model_copy(update={"images": 10**9}))
    bad = replace(job, stacks=job.stacks.with_name("gone.h5"), out=job.out.with_name("bad"))
    with pytest.raises(InputError, match="gone.h5: the stack file must exist"):
        train_all([job, long, bad], workers=2)
    assert (job.out / "classifier.safetensors").exists() and job.out.with_suffix(".log").exists()
    assert not (long.out / "result.json").exists() and not active_children()


def test_an_interrupt_lets_every_training_save(job):
    """The parent alone gets SIGINT; both of its workers leave a checkpoint, and it leaves with code 130."""
    config = job.config.model_copy(update={"images": 10**9})
    code = (f"from pathlib import Path\n"
            f"from cbedgan.comparison.trainings import Job, train_all\n"
            f"from classifier.training.train import TrainClassifierConfig\n"
            f"if __name__ == '__main__':\n"
            f"    config = TrainClassifierConfig.model_validate_json({config.model_dump_json()!r})\n"
            f"    train_all([Job('real', seed, config, Path({str(job.stacks)!r}), Path({str(job.split)!r}), None,\n"
            f"                   Path({str(job.out.parent)!r}) / f'long{{seed}}') for seed in (0, 1)], workers=2)\n")
    script = job.out.with_name("script.py")
    script.write_text(code)
    parent = subprocess.Popen([sys.executable, script], stderr=subprocess.DEVNULL)
    runs = [job.out.with_name(f"long{seed}") for seed in (0, 1)]
    try:
        wait_for(lambda: all((run / "checkpoint.safetensors").exists() for run in runs), parent)
        before = [(run / "checkpoint.safetensors").stat().st_mtime_ns for run in runs]
        parent.send_signal(signal.SIGINT)
        assert parent.wait(timeout=60) == 130
    finally:
        parent.kill()
    assert all((run / "checkpoint.safetensors").stat().st_mtime_ns > then
               for run, then in zip(runs, before, strict=True))
