"""Checkpoints come back to the bit, hold no code, and refuse damage."""

import pickle
import random

import pytest
import torch

from classifier.foundation import checkpoint
from classifier.foundation.checkpoint import load_checkpoint, save_checkpoint
from classifier.foundation.errors import InputError


def trained_parts():
    torch.manual_seed(0)
    model = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters())
    model(torch.randn(2, 3, 8, 8)).square().sum().backward()
    optimiser.step()
    return model, optimiser


def test_networks_optimisers_and_plain_values_come_back(tmp_path):
    model, optimiser = trained_parts()
    path = tmp_path / "c.safetensors"
    parts = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "images_seen": 64, "note": None}
    written = save_checkpoint(path, kind="classifier", parts=parts, header={"seed": 1})
    checkpoint = load_checkpoint(path, kind="classifier")
    assert checkpoint.digest == written and checkpoint.header == {"seed": 1}
    assert checkpoint.parts["images_seen"] == 64 and checkpoint.parts["note"] is None
    again, optimiser_again = trained_parts()
    optimiser_again.load_state_dict(checkpoint.parts["optimiser"])
    again.load_state_dict(checkpoint.parts["model"])
    assert torch.equal(again.weight, model.weight)
    moments, moments_again = optimiser.state_dict()["state"][0], optimiser_again.state_dict()["state"][0]
    assert torch.equal(moments_again["exp_avg"], moments["exp_avg"])


def test_equal_content_has_an_equal_digest_and_one_bit_changes_it(tmp_path):
    weights = torch.ones(5)
    first = save_checkpoint(tmp_path / "a.safetensors", kind="classifier", parts={"w": weights}, header={})
    second = save_checkpoint(tmp_path / "b.safetensors", kind="classifier", parts={"w": weights.clone()}, header={})
    weights[3] = 1.0000001
    third = save_checkpoint(tmp_path / "c.safetensors", kind="classifier", parts={"w": weights}, header={})
    assert first == second != third
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_a_run_goes_on_from_its_own_checkpoint_alone(tmp_path):
    run = {"stage": "train", "config_digest": "1", "inputs": {"stacks": "a"}}
    save_checkpoint(tmp_path / "c.safetensors", kind="training", parts={}, header={**run, "images_seen": 64})
    assert load_checkpoint(tmp_path / "c.safetensors", kind="training", run=run).header["images_seen"] == 64
    for other in ({"config_digest": "2"}, {"inputs": {"stacks": "b"}}):
        with pytest.raises(InputError, match="may not change"):
            load_checkpoint(tmp_path / "c.safetensors", kind="training", run={**run, **other})


def test_weights_that_are_no_numbers_are_neither_saved_nor_loaded(tmp_path, monkeypatch):
    parts = {"model": {"w": torch.tensor([1.0, float("nan")])}, "optimiser": {"moment": torch.tensor(float("inf"))}}
    with pytest.raises(InputError, match="NaN or infinity in 1 tensors, first model/w"):
        save_checkpoint(tmp_path / "c.safetensors", kind="classifier", parts=parts, header={})
    assert not list(tmp_path.iterdir())
    with monkeypatch.context() as forged:
        forged.setattr(checkpoint, "_require_finite", lambda *_: None)
        save_checkpoint(tmp_path / "c.safetensors", kind="classifier", parts=parts, header={})
    with pytest.raises(InputError, match="must be a finite number"):
        load_checkpoint(tmp_path / "c.safetensors", kind="classifier")


def test_every_flipped_bit_and_every_cut_is_reported(tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, kind="classifier", parts={"model": trained_parts()[0].state_dict()}, header={"seed": 1})
    whole, choose = path.read_bytes(), random.Random(0)
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[choose.randrange(len(whole))] ^= 1 << choose.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="c.safetensors"):
            load_checkpoint(path, kind="classifier")
    for length in range(0, len(whole), len(whole) // 10):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="c.safetensors"):
            load_checkpoint(path, kind="classifier")


def test_another_kind_a_pickle_and_an_absent_file_are_refused(tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, kind="generator", parts={"w": torch.zeros(1)}, header={})
    with pytest.raises(InputError, match="kind 'classifier'"):
        load_checkpoint(path, kind="classifier")
    path.write_bytes(pickle.dumps({"w": 1}))
    with pytest.raises(InputError, match="whole safetensors"):
        load_checkpoint(path, kind="classifier")
    with pytest.raises(InputError, match="must exist"):
        load_checkpoint(tmp_path / "absent.safetensors", kind="classifier")


def test_a_live_object_is_not_stored(tmp_path):
    with pytest.raises(TypeError, match="Conv2d"):
        save_checkpoint(tmp_path / "c.safetensors", kind="classifier", parts={"model": trained_parts()[0]}, header={})
