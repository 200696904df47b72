"""The STFC copy: small npz files without a material become a stack file whose published partition nothing re-cuts."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifier.foundation.atomic import read_json
from classifier.foundation.config import load_config, parse_config
from classifier.foundation.errors import InputError
from classifier.published.prepare import PrepareConfig, prepare, report_path
from classifier.samples.split import SplitConfig, load_split, split
from classifier.samples.stackfile import StackFile
from project import CONFIGS
from published import preparation

SIZE = 16
SPLIT = {"group_by": "material", "validation_fraction": 0.0, "test_fraction": 0.0, "minimum_materials": 1,
         "adopt_partition": True, "near_duplicates": "refuse", "seed": 0}


def config(*, policy: str = "report", **reduction: Any) -> PrepareConfig:
    content = preparation(SIZE, SIZE, calibrated=False, policies={"on_unreadable_file": policy}, **reduction)
    return parse_config(content, PrepareConfig, source="test")


def write(path: Path, seed: int, label: Any, **arrays: Any) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(seed).uniform(0, 255, (3, SIZE, SIZE)).astype(np.float32)
    np.savez_compressed(path, **{"data": data, "label": np.array([label]), **arrays})
    return data


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for seed, (folder, name) in enumerate([("training", 10), ("training", 9), ("validation", 1), ("testing", 2),
                                           ("inference", 3)]):
        write(tmp_path / f"source/{folder}/sample-{name}.npz", seed, [225, 14, 225, 14, 225][seed])
    return tmp_path / "source"


@pytest.mark.slow
def test_the_folders_become_partitions_and_testing_and_inference_are_one(source, tmp_path):
    data = write(source / "training/sample-9.npz", 1, 14)
    with StackFile(prepare(config(), source=source, out=tmp_path / "out.h5", workers=2)) as file:
        table, first = file.table, file.read([0])[0]
        assert file.intensity_unit == "as published (log scale presumed)"
        assert (file.detector.unit, file.detector.pixel_size, file.pose) == ("pixel", 1, "raw")
    assert table.sample_id.tolist() == ["training/sample-9", "training/sample-10", "validation/sample-1",
                                        "testing/sample-2", "inference/sample-3"]
    assert table.partition.tolist() == ["train", "train", "validation", "test", "test"]
    assert table.space_group.tolist() == [14, 225, 225, 14, 225] and set(table.material) == {""}
    np.testing.assert_array_equal(first, data)


def test_it_may_be_adopted_as_published_and_not_split_again(source, tmp_path):
    stacks = prepare(config(), source=source, out=tmp_path / "out.h5")
    def adopted(**changes):
        settings = parse_config({**SPLIT, **changes}, SplitConfig, source="test")
        return load_split(split(settings, stacks=stacks, out=tmp_path / "split.json"),
                          stack_digest=StackFile(stacks).digest)
    for changes in ({"adopt_partition": False, "test_fraction": 0.2}, {"adopt_partition": False}):
        with pytest.raises(InputError, match="no material.*the published partition"):
            adopted(**changes)
    held = adopted(validation_fraction=0.2)  # there is a validation part: nothing is cut
    assert [len(held.parts[name]) for name in ("train", "validation", "test")] == [2, 1, 2]
    assert held.listed["no material: the published partition is taken on trust"] == ["5 samples"]


def test_without_a_published_validation_part_none_is_cut(source, tmp_path):
    (source / "validation/sample-1.npz").unlink()
    stacks = prepare(config(), source=source, out=tmp_path / "out.h5")
    settings = parse_config({**SPLIT, "validation_fraction": 0.2}, SplitConfig, source="test")
    with pytest.raises(InputError, match="no material"):
        split(settings, stacks=stacks, out=tmp_path / "split.json")


def bomb(path: Path, shape: tuple[int, ...]) -> None:
    """An archive whose data declare `shape` and hold a megabyte of zeros."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.npy", header.getvalue() + bytes(2**20))
        archive.writestr("label.npy", b"")


def test_hostile_and_broken_files_are_reported_one_by_one(source, tmp_path):
    folder = source / "training"
    write(folder / "sample-20.npz", 20, 231)
    write(folder / "sample-21.npz", 21, 5, data=np.zeros((3, SIZE, SIZE + 1), np.float32))
    write(folder / "sample-22.npz", 22, 5, data=np.full((3, SIZE, SIZE), -1, np.float32))
    write(folder / "sample-23.npz", 23, 5, data=np.array([{}], dtype=object))
    np.savez(folder / "sample-24.npz", label=[5])
    (folder / "sample-25.npz").write_bytes((folder / "sample-10.npz").read_bytes()[:500])
    bomb(folder / "sample-26.npz", (3, SIZE, SIZE))
    np.savez(folder / "sample-27.npz", data=np.zeros(8, np.uint8), label=[5])
    shape = (10**6, 10**6)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(folder / "sample-28.npz", "w") as archive:
        archive.writestr("data.npy", header.getvalue())
    report = read_json(report_path(prepare(config(), source=source, out=tmp_path / "out.h5")))
    skipped = {name.split("-")[-1]: reason for name, reason in report["skipped_samples"].items()}
    for name, word in {"20": "not a space group", "21": "[3, 16, 17]", "22": "negative", "23": "declares object",
                       "24": "no key data", "25": "unreadable", "26": "declares 10", "27": "uint8",
                       "28": "declares float32 [1000000, 1000000]"}.items():
        assert word in skipped.pop(name)
    assert skipped == {} and report["samples"] == 5
    with pytest.raises(InputError, match="sample-25.npz: every file must be readable"):
        prepare(config(policy="stop"), source=source, out=tmp_path / "other.h5")


def test_what_these_files_cannot_give_is_refused(source, tmp_path):
    for changes in ({"size_pixels": 8}, {"source_pixel_size_inv_angstrom": 0.01}):
        with pytest.raises(InputError, match="no calibration"):
            prepare(config(**changes), source=source, out=tmp_path / "out.h5")
    (source / "train").mkdir()
    (source / "train/batch_train_0.h5").write_bytes(b"")
    with pytest.raises(InputError, match="both"):
        prepare(config(), source=source, out=tmp_path / "out.h5")


def test_the_shipped_configurations_are_complete():
    assert load_config(CONFIGS / "stfc/prepare.toml", PrepareConfig).reduction.detector().unit == "pixel"
    assert load_config(CONFIGS / "stfc/split.toml", SplitConfig).adopt_partition
