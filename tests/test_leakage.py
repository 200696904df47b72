"""The locks against leakage, tried from outside: whatever a user does, held-out parts stay unseen and unfilled."""

import inspect
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tiny
from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError
from classifier.prediction.predict import Predictions
from classifier.samples.split import SplitConfig, load_split, split
from classifier.samples.stackfile import SampleTable, StackFile, write_stack_file
from classifier.training.train import TrainClassifierConfig, train_classifier
from spots import Spots

SPLIT = parse_config(tiny.SPLIT, SplitConfig, source="test")
TRAIN = parse_config(tiny.ARM | {"synthetic_share": 0.5}, TrainClassifierConfig, source="test")


@pytest.fixture
def stacks(tiny_stack_file) -> Path:
    return tiny_stack_file()


@pytest.fixture
def split_file(stacks: Path, tmp_path: Path) -> Path:
    return split(SPLIT, stacks=stacks, out=tmp_path / "split.json")


def rewrite(source: Path, target: Path, table: SampleTable, rows: np.ndarray, provenance: dict) -> Path:
    with StackFile(source) as file:
        write_stack_file(target, file.read(rows), table, **tiny.frame_of(file), provenance=provenance)
    return target


def synthetic(stacks: Path, target: Path, split_digest: str, origin: str = "synthetic") -> Path:
    """Copies of the first eight samples, said to be made by a generator for the split of that digest."""
    rows = np.arange(8)
    with StackFile(stacks) as file:
        table = file.table.take(rows)
    table = replace(table, sample_id=np.array([f"synthetic-{i}" for i in rows]), origin=np.full(8, origin),
                    partition=np.full(8, ""), material=np.array([f"synthetic-{i}" for i in rows]))
    return rewrite(stacks, target, table, rows, {"split_digest": split_digest})


def test_no_material_type_or_duplicate_is_on_both_sides(stacks, split_file) -> None:
    with StackFile(stacks) as file:
        table, held = file.table, load_split(split_file, stack_digest=file.identity)
    sides = [table.take(np.isin(table.sample_id, held.parts["test"])),
             table.take(np.isin(table.sample_id, held.parts["train"] + held.parts["validation"]))]
    assert len(sides[0]) + len(sides[1]) == len(table)
    for columns in (("material",), ("space_group", "structure_type"), ("space_group", "formula")):
        keys = [set(zip(*(getattr(side, column).tolist() for column in columns), strict=True)) for side in sides]
        assert not keys[0] & keys[1]


def test_held_out_parts_have_no_parameter_but_the_split() -> None:
    # The cache holds copies of these stacks alone; a stream, which workers draw, is only trained on, see below.
    assert set(inspect.signature(train_classifier).parameters) == {"config", "stacks", "split", "out", "synthetic",
                                                              "cache", "stream", "workers"}


@pytest.mark.slow
def test_synthetic_samples_reach_training_but_never_the_judged_parts(stacks, split_file, tmp_path) -> None:
    digest = json.loads(split_file.read_text())["digest"]
    train_classifier(TRAIN, stacks=stacks, split=split_file, out=tmp_path / "run",
                     synthetic=synthetic(stacks, tmp_path / "synthetic.h5", digest))
    assert_only_the_split_is_judged(tmp_path / "run", split_file)


@pytest.mark.slow
def test_stacks_without_end_reach_training_but_never_the_judged_parts(stacks, split_file, tmp_path) -> None:
    train_classifier(TRAIN, stacks=stacks, split=split_file, out=tmp_path / "run", stream=Spots())
    assert json.loads((tmp_path / "run/result.json").read_text())["crystals"]["stacks"] > 0
    assert_only_the_split_is_judged(tmp_path / "run", split_file)


def assert_only_the_split_is_judged(run: Path, split_file: Path) -> None:
    predictions = Predictions.load(run / "predictions.npz")
    content = json.loads(split_file.read_text())
    for part in ("validation", "test"):
        assert predictions.take(part).sample_id.tolist() == content["parts"][part]["sample_ids"]
    assert len(predictions.sample_id) == sum(len(content["parts"][part]["sample_ids"]) for part in (
        "validation", "test"))


def test_a_synthetic_file_cannot_be_split(stacks, split_file, tmp_path) -> None:
    path = synthetic(stacks, tmp_path / "synthetic.h5", "x")
    with pytest.raises(InputError, match="only measured or simulated"):
        split(SPLIT.model_copy(update={"adopt_partition": False}), stacks=path, out=tmp_path / "other.json")


def test_a_synthetic_file_of_another_split_is_refused(stacks, split_file, tmp_path) -> None:
    with pytest.raises(InputError, match="must come from the split"):
        train_classifier(TRAIN, stacks=stacks, split=split_file, out=tmp_path / "run",
                         synthetic=synthetic(stacks, tmp_path / "synthetic.h5", "0" * 64))
    assert not (tmp_path / "run").exists()


def test_held_out_samples_cannot_come_back_as_an_added_source(stacks, split_file, tmp_path) -> None:
    with StackFile(stacks) as file:
        table, held = file.table, load_split(split_file, stack_digest=file.identity)
    rows = np.flatnonzero(np.isin(table.sample_id, held.parts["test"]))[:1]
    path = rewrite(stacks, tmp_path / "leak.h5", table.take(rows), rows, {"split_digest": held.digest})
    with pytest.raises(InputError, match="with validation or test"):
        train_classifier(TRAIN, stacks=stacks, split=split_file, out=tmp_path / "run", synthetic=path)


def test_a_moved_sample_breaks_the_split(stacks, split_file, tmp_path) -> None:
    content = json.loads(split_file.read_text())
    content["parts"]["train"]["sample_ids"] += content["parts"]["test"]["sample_ids"][:1]
    split_file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="as the split stage wrote it"):
        train_classifier(TRAIN, stacks=stacks, split=split_file, out=tmp_path / "run")


def test_other_stacks_under_the_same_split_are_refused(stacks, split_file, tmp_path, tiny_stack_file) -> None:
    with pytest.raises(InputError, match="belong to the stack file"):
        train_classifier(TRAIN, stacks=tiny_stack_file(seed=1), split=split_file, out=tmp_path / "run")


@pytest.mark.slow
def test_the_intensity_scale_is_fitted_on_the_training_part_alone(stacks, split_file, tmp_path) -> None:
    from classifier.prediction.predict import load_classifier
    from classifier.samples.dataset import load_physical
    digest = json.loads(split_file.read_text())["digest"]
    path = train_classifier(TRAIN, stacks=stacks, split=split_file, out=tmp_path / "run",
                            synthetic=synthetic(stacks, tmp_path / "synthetic.h5", digest))
    train = json.loads(split_file.read_text())["parts"]["train"]["sample_ids"]
    peak = load_physical(stacks, TRAIN.view, train)[0].max()
    assert load_classifier(path).intensity.high == pytest.approx(np.log1p(float(peak) / 1e-5))
