"""The stage: what it writes, exact resume after kill -9 and after an interrupt, and what stops it."""

import errno
import json
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from cbedgan.gan import train as train_module
from cbedgan.gan.train import TrainGanConfig, load_generator, train_gan
from classifier.foundation import checkpoint as checkpoint_module
from classifier.foundation.checkpoint import load_checkpoint
from classifier.foundation.errors import InputError
from classifier.foundation.run import Interrupted
from classifier.samples.split import SplitConfig, load_split, split
from classifier.samples.stackfile import StackFile
from classifier.samples.viewed import Viewed
from running import killed, metrics, two_ranks, written_anew
from tiny import SPLIT

pytestmark = pytest.mark.slow

PROGRAM = """
import json, sys
from pathlib import Path
from cbedgan.gan.train import TrainGanConfig, train_gan
arguments = {name: Path(path) for name, path in json.loads(sys.argv[2]).items()}
train_gan(TrainGanConfig.model_validate_json(sys.argv[1]), **arguments)
"""

NO_VALIDATION = SplitConfig.model_validate(SPLIT | {"validation_fraction": 0.0})


@pytest.fixture
def inputs(tiny_stack_file, tmp_path) -> dict[str, Path]:
    stacks = tiny_stack_file(materials=9)
    return {"stacks": stacks, "split": split(NO_VALIDATION, stacks=stacks, out=tmp_path / "split.json")}


def program(config: TrainGanConfig, arguments: dict[str, Path]) -> list[str]:
    """A command that trains."""
    paths = {name: str(path) for name, path in arguments.items()}
    return [sys.executable, "-c", PROGRAM, config.model_dump_json(), json.dumps(paths)]


def sha256(out: Path) -> str:
    """Digest of every weight and the header (the file's own bytes also hold them, in no fixed order)."""
    return load_checkpoint(out / "generator.safetensors", kind="generator").digest


def test_a_training_from_a_cache_ends_at_the_same_bits(inputs, tmp_path, tiny_config):
    config = tiny_config(images=96)
    train_gan(config, **inputs, out=tmp_path / "memory")
    train_gan(config, **inputs, out=tmp_path / "mapped", cache=tmp_path / "cache")
    assert sha256(tmp_path / "memory") == sha256(tmp_path / "mapped")
    first, second = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("memory", "mapped"))
    assert first == second and len(list((tmp_path / "cache").glob("*.npy"))) == 1


def test_the_stage_leaves_generator_sheet_metrics_and_fidelity(inputs, tmp_path, tiny_config):
    out = tmp_path / "gan"
    path = train_gan(tiny_config(images=320), **inputs, out=out)
    assert path == out / "generator.safetensors"
    left = {file.name for file in out.iterdir() if not file.name.startswith("events.")}
    assert left == {".lock", "generator.safetensors", "generator.json", "metrics.jsonl", "result.json", "run.json",
                    "samples.png"}
    result = json.loads((out / "result.json").read_text())
    trained = load_generator(path, split_digest=result["split_digest"])
    assert trained.digest == result["generator_digest"] and result["images_seen"] == 320
    assert trained.class_map.space_groups == (186, 194, 216, 225) and trained.detector.size_pixels == 16
    assert set(result["fidelity"]["spread"]["ratio"]) <= {"186", "194", "216", "225"}
    assert {"sliced_wasserstein", "coverage"} <= result["fidelity"]["generated"].keys()
    assert [row["images_seen"] for row in metrics(out)] == [160, 320]
    stamp = path.stat().st_mtime_ns
    assert train_gan(tiny_config(images=320), **inputs, out=out) == path and path.stat().st_mtime_ns == stamp
    with pytest.raises(InputError, match="config_digest"):
        train_gan(tiny_config(images=336), **inputs, out=out)


def test_only_the_train_part_is_seen(inputs, tmp_path, monkeypatch, tiny_config):
    asked = []
    genuine = Viewed.of
    def spy(file, view, sample_ids):
        asked.extend(sample_ids)
        return genuine(file, view, sample_ids)
    monkeypatch.setattr(Viewed, "of", spy)
    train_gan(tiny_config(images=16), **inputs, out=tmp_path / "gan")
    with StackFile(inputs["stacks"]) as file:
        held = load_split(inputs["split"], stack_digest=file.identity)
    assert sorted(asked) == sorted(held.parts["train"]) and held.parts["test"]


def test_killed_at_random_moments_it_ends_with_the_same_bytes(inputs, tmp_path, tiny_config):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    config = tiny_config(images=1600, report={"every_images": 800, "watch_stacks": 8}, micro_batch=10, augmentation={
        "adaptive": {"target": 0.3, "images": 500, "largest": 0.8, "by_shots": True}})
    train_gan(config, **inputs, out=whole)
    random.seed(0)
    for _ in range(2):
        there = written_anew(broken / "checkpoint.safetensors")
        assert killed(program(config, inputs | {"out": broken}), there, after=random.uniform(0, 0.1)) == -signal.SIGKILL
    subprocess.run(program(config, inputs | {"out": broken}), check=True, stderr=subprocess.DEVNULL)
    assert sha256(broken) == sha256(whole)
    assert (broken / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()
    assert (broken / "result.json").read_text() == (whole / "result.json").read_text()


def test_two_processes_killed_end_with_the_same_bytes_and_one_process_may_not_go_on(inputs, tmp_path, tiny_config):
    config = tiny_config(images=480, report={"every_images": 240}, checkpoint_every_images=64, micro_batch=5,
                         augmentation={"adaptive": {"target": 0.3, "images": 500, "largest": 0.8, "by_shots": True}})
    whole, broken, given = tmp_path / "whole", tmp_path / "broken", inputs | {"cache": tmp_path / "cache"}
    assert two_ranks(program(config, given | {"out": whole}), local=(0, 0)) == [0, 0]
    saved = broken / "checkpoint.safetensors"
    command = program(config, given | {"out": broken})
    assert two_ranks(command, saved.exists, local=(0, 0)) == [-signal.SIGKILL, 1]
    assert saved.exists() and not (broken / "result.json").exists()
    with pytest.raises(InputError, match="inputs may not change"):
        train_gan(config, **inputs, out=broken)
    assert two_ranks(command, local=(0, 0)) == [0, 0] and sha256(broken) == sha256(whole)
    for name in ("metrics.jsonl", "result.json"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()


def test_a_full_disk_keeps_the_last_good_checkpoint_and_says_so(inputs, tmp_path, monkeypatch, tiny_config):
    out, config, kept = tmp_path / "gan", tiny_config(images=480, checkpoint_every_images=96), []
    def full(tensors, path, metadata):
        if len(kept) == 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        genuine(tensors, path, metadata=metadata)
        kept.append(path)
    genuine = checkpoint_module.save_file
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_module, "save_file", full)
        with pytest.raises(InputError, match="checkpoint.safetensors: the disk must have room"):
            train_gan(config, **inputs, out=out)
    assert load_checkpoint(out / "checkpoint.safetensors", kind="gan-training").parts["images_seen"] == 192
    beside = json.loads((out / "checkpoint.json").read_text())
    assert beside["stage"] == "train-gan" and beside["images_seen"] == 192
    train_gan(config, **inputs, out=out)  # room was made
    train_gan(config, **inputs, out=tmp_path / "whole")
    assert sha256(out) == sha256(tmp_path / "whole") and metrics(out) == metrics(tmp_path / "whole")


def test_the_flags_of_the_gpus_products_are_put_back(inputs, tmp_path, monkeypatch, tiny_config):
    seen = []
    def spy(state, config, data, ranks):
        seen.append((torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32))
        genuine(state, config, data, ranks)
    genuine = train_module.take_step
    monkeypatch.setattr(train_module, "take_step", spy)
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    train_gan(tiny_config(images=32), **inputs, out=tmp_path / "gan")
    assert seen == [(True, True)] * 2
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == before


def test_an_interrupt_saves_and_exits_with_130_and_the_same_call_resumes(inputs, tmp_path, monkeypatch, tiny_config):
    out, genuine = tmp_path / "gan", train_module.take_step
    def interrupted(state, config, data, ranks):
        genuine(state, config, data, ranks)
        if state.images_seen == 208:  # neither a report nor a save is due here
            signal.raise_signal(signal.SIGINT)
    monkeypatch.setattr(train_module, "take_step", interrupted)
    with pytest.raises(Interrupted) as stopped:
        train_gan(tiny_config(images=480), **inputs, out=out)
    assert stopped.value.code == 130
    assert load_checkpoint(out / "checkpoint.safetensors", kind="gan-training").parts["images_seen"] == 208
    monkeypatch.setattr(train_module, "take_step", genuine)
    train_gan(tiny_config(images=480), **inputs, out=out)
    train_gan(tiny_config(images=480), **inputs, out=tmp_path / "whole")
    assert sha256(out) == sha256(tmp_path / "whole") and metrics(out) == metrics(tmp_path / "whole")


def test_too_many_skipped_steps_stop_it_and_keep_the_last_good_checkpoint(inputs, tmp_path, monkeypatch, tiny_config):
    out, genuine = tmp_path / "gan", train_module.take_step
    def poisoned(state, config, data, ranks):
        if state.images_seen >= 112:
            data.samples.x.fill_(torch.nan)
        genuine(state, config, data, ranks)
    monkeypatch.setattr(train_module, "take_step", poisoned)
    with pytest.raises(InputError, match="must be finite; found 5 of 12 steps skipped by the discriminator"):
        train_gan(tiny_config(checkpoint_every_images=96), **inputs, out=out)
    parts = load_checkpoint(out / "checkpoint.safetensors", kind="gan-training").parts
    assert parts["images_seen"] == 96 and parts["skipped"].tolist() == [0, 0]
    assert all(value.isfinite().all() for value in parts["networks"]["generator"].values())


def test_a_classifier_measures_but_does_not_change_the_generator(tiny_networks, tmp_path, tiny_config):
    inputs = {"stacks": tiny_networks.stacks, "split": tiny_networks.split}
    judged = train_gan(tiny_config(images=64), **inputs, out=tmp_path / "a", classifier=tiny_networks.classifier)
    alone = train_gan(tiny_config(images=64), **inputs, out=tmp_path / "b")
    assert json.loads((tmp_path / "a/result.json").read_text())["features"] == "classifier"
    first, second = load_generator(judged), load_generator(alone)
    z, class_idx = torch.randn(4, 8), torch.arange(4)
    assert torch.equal(first.sample(z, class_idx), second.sample(z, class_idx))


def test_it_trains_outside_the_main_thread(inputs, tmp_path, tiny_config):
    worker = threading.Thread(target=train_gan, args=(tiny_config(images=16),),
                              kwargs={**inputs, "out": tmp_path / "gan"})
    worker.start()
    worker.join(60)
    assert (tmp_path / "gan/result.json").exists()
