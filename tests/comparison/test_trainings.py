from __future__ import annotations

from dataclasses import replace
from multiprocessing import active_children

import pytest

from cbedgan.comparison import trainings
from cbedgan.comparison.trainings import ArmFailed, Job, train_all
from classifier.errors import InputError


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
    assert (job.out / "classifier.safetensors").exists()
    assert job.out.with_suffix(".log").exists()
    assert not (long.out / "result.json").exists()
    assert not active_children()
