"""Caches: what is in them, what is refused, and that a training from one ends at the same bits."""

import errno
import json
import os
import pickle
import shutil
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest
import torch

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import ViewConfig
from classifier.pattern.intensity import IntensityConfig, IntensityTransform
from classifier.prediction.predict import Predictions, load_classifier
from classifier.samples.cache import open_or_build
from classifier.samples.dataset import load_stack_set, load_training_set
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile, write_stack_file
from classifier.training.train import train_classifier
from tiny import frame_of

SHAPE = (5, 3, 4, 4)
X = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
VIEW, MAP = ViewConfig(half_width=1.0, size_pixels=4), ClassMap((186, 194, 216, 225))


def build(folder, blocks=None, key=None):
    return open_or_build(folder, name="t", key=key or {"of": "x"}, shape=SHAPE,
                         blocks=iter([X[:2], X[2:]]) if blocks is None else blocks)


def test_what_is_written_is_read_and_never_written_twice(tmp_path):
    cache = build(tmp_path)
    assert np.array_equal(cache.x, X) and np.array_equal(np.load(cache.path), X)
    stamp = cache.path.stat().st_mtime_ns
    again = build(tmp_path, blocks=(pytest.fail("asked for") for _ in range(1)))
    assert again.path == cache.path and again.path.stat().st_mtime_ns == stamp
    assert build(tmp_path, key={"of": "y"}).path != cache.path
    assert np.array_equal(pickle.loads(pickle.dumps(cache)).x, X)
    out = np.empty((3, 3, 4, 4), np.float32)
    cache.read_into(out, np.array([4, 0, 4]))
    assert np.array_equal(out, X[[4, 0, 4]])
    with pytest.raises(IndexError):
        cache.read_into(out, np.array([4, 0, 5]))


def test_an_interrupted_or_failed_build_leaves_nothing_and_is_made_again(tmp_path):
    def broken():
        yield X[:2]
        raise InputError(source="sample 2", rule="must be intact", value="damage", remedy="Mend it.")
    with pytest.raises(InputError, match="sample 2"):
        build(tmp_path, blocks=broken())
    assert list(tmp_path.iterdir()) == []
    cache = build(tmp_path)
    cache.path.with_suffix(".json").unlink()  # killed between the two files
    assert np.array_equal(build(tmp_path).x, X)


def damage(cache, how):
    header = cache.path.with_suffix(".json")
    content, data = json.loads(header.read_text()), cache.path.read_bytes()
    if how == "truncated":
        cache.path.write_bytes(data[:-1])
    elif how == "longer":
        cache.path.write_bytes(data + b"\0")
    elif how == "empty":
        cache.path.write_bytes(b"")
    elif how == "foreign":
        cache.path.write_bytes(b"\x89HDF\r\n\x1a\n" * 50)
    elif how == "another shape":
        np.save(cache.path, X[:4])
    elif how == "another dtype":
        np.save(cache.path, X.astype(np.int32))
    elif how == "objects":
        np.save(cache.path, np.array([{}]), allow_pickle=True)
    elif how == "bit":
        cache.path.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    elif how == "key":
        header.write_text(json.dumps({**content, "key": {**content["key"], "of": "z"}}))
    elif how == "crc":
        header.write_text(json.dumps({**content, "crc32": 7}))
    elif how == "text":
        header.write_text("{")


@pytest.mark.parametrize("how", ["truncated", "longer", "empty", "foreign", "another shape", "another dtype",
                                 "objects", "bit", "key", "crc", "text"])
def test_a_foreign_or_damaged_cache_is_refused_and_left_alone(tmp_path, how):
    cache = build(tmp_path)
    damage(cache, how)
    before = cache.path.read_bytes()
    with pytest.raises(InputError) as caught:
        build(tmp_path)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value) and cache.path.read_bytes() == before


def test_a_full_disk_and_a_wrong_folder_are_one_clear_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="room and permission"):
        build(tmp_path / "file")
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
        with pytest.raises(InputError, match="GB free"):
            build(tmp_path / "c")
    def full():
        yield X[:2]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(InputError, match="No space left"):
        build(tmp_path / "c", blocks=full())
    assert list((tmp_path / "c").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("per_radius", [False, True])
def test_a_set_from_the_cache_is_the_set_in_memory(data, tmp_path, monkeypatch, per_radius):
    ids = ["simulated-0003", "simulated-0000", "simulated-0007", "simulated-0004", "simulated-0001"]
    config = IntensityConfig(floor=1e-5, per_radius=per_radius)
    given = dict(class_map=MAP, view=VIEW, intensity=config, sample_ids=ids)
    monkeypatch.setattr("classifier.pattern.intensity.BLOCK_BYTES", 2 * 3 * 16 * 4)  # two stacks a block
    plain, transform, frame = load_training_set(data.stacks, **given, cache=None)
    for _ in range(2):  # made, then found
        held, same, other = load_training_set(data.stacks, **given, cache=tmp_path / "cache")
        assert torch.equal(held.x, plain.x) and torch.equal(held.soft_label, plain.soft_label) and other == frame
        assert same.plain() == transform.plain()
    assert len(list((tmp_path / "cache").iterdir())) == 3
    rest = load_stack_set(data.stacks, class_map=MAP, view=VIEW, intensity=same, cache=tmp_path / "cache", frame=frame)
    assert len(rest) == 24 and torch.equal(rest.x, load_stack_set(data.stacks, class_map=MAP, view=VIEW,
                                                                  intensity=transform).x)
    monkeypatch.setattr("classifier.pattern.intensity.BLOCK_BYTES", 1 << 26)
    whole = load_training_set(data.stacks, **given, cache=None)[1]
    assert whole.high == transform.high and (not per_radius or torch.allclose(whole.std, transform.std))


def test_a_changed_fit_is_refused_and_an_unknown_group_writes_nothing(data, tmp_path):
    given = dict(view=VIEW, sample_ids=["simulated-0003", "simulated-0000"], cache=tmp_path / "cache",
                 intensity=IntensityConfig(floor=1e-5, per_radius=True))
    load_training_set(data.stacks, class_map=MAP, **given)
    (fit,) = (tmp_path / "cache").glob("*-fit-*")
    fit.write_text(fit.read_text().replace('"high": ', '"high": 1'))
    with pytest.raises(InputError, match="cached fit"):
        load_training_set(data.stacks, class_map=MAP, **given)
    transform = IntensityTransform(given["intensity"], 1.0)
    with pytest.raises(InputError, match="class map"):
        load_stack_set(data.stacks, class_map=ClassMap((194,)), view=VIEW, intensity=transform, cache=tmp_path / "no")
    assert not (tmp_path / "no").exists()


@pytest.mark.slow
def test_a_training_from_the_cache_ends_at_the_same_bits(data, make_train_config, tmp_path):
    config = make_train_config(images=160, checkpoint_every_images=64)
    with StackFile(data.stacks) as file:
        held = load_split(data.split, stack_digest=file.identity)
        table = replace(file.table.take(range(5)), sample_id=np.array(list("abcde")), origin=np.full(5, "synthetic"),
                        partition=np.full(5, ""))
        write_stack_file(tmp_path / "extra.h5", file.read(range(5)), table, **frame_of(file),
                         provenance={"split_digest": held.digest})
    given = dict(stacks=data.stacks, split=data.split, synthetic=tmp_path / "extra.h5")
    paths = [train_classifier(config, **given, out=tmp_path / name, cache=cache)
             for name, cache in (("memory", None), ("mapped", tmp_path / "cache"))]
    first, second = (load_classifier(path).model.state_dict() for path in paths)
    assert all(torch.equal(first[name], second[name]) for name in first)
    first, second = (Predictions.load(path.with_name("predictions.npz")) for path in paths)
    assert np.array_equal(first.logits, second.logits) and len(list((tmp_path / "cache").glob("*.npy"))) == 4
