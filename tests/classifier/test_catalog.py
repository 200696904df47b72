"""The catalog counts literal files and names what is wrong with them."""

import io
import json

import h5py
import numpy as np
import pytest
from rich.console import Console

from classifier.catalog import catalog
from classifier.errors import InputError
from classifier.geometry import Detector
from classifier.stackfile import SampleTable, StackFile, write_stack_file


def write(path, *, size=8, stacks=None, **columns):
    n = len(columns["sample_id"])
    if stacks is None:
        stacks = np.random.default_rng(len(path.name)).random((n, 3, size, size), dtype=np.float32)
    table = SampleTable.build(n, **{"origin": "simulated", **columns})
    write_stack_file(path, stacks, table, detector=Detector(size, 0.25, "shortest_g"), pose="canonical",
                     intensity_unit="counts", provenance={"stage": "simulate"})
    return path


def test_counts_materials_structure_types_and_parts(tiny_stack_file):
    found = catalog([tiny_stack_file(space_groups=(225, 62), materials=6, samples_per_material=2)])
    first, second = found.groups()
    assert (first.space_group, first.symbol, first.crystal_system, first.shot) == (62, "Pnma", "orthorhombic", "few")
    assert (second.samples, second.materials, second.structure_types) == (12, 6, 3)
    assert (second.train, second.validation, second.test) == (4, 0, 2)
    assert found.findings == () and len(found.samples) == 24


def test_shot_class_counts_training_materials_only(tmp_path):
    table = {"sample_id": [f"s{i}" for i in range(30)], "material": [f"m{i}" for i in range(30)], "space_group": 225}
    path = write(tmp_path / "a.h5", partition=["train"] * 20 + ["test"] * 10, **table)
    assert catalog([path]).groups()[0].shot == "few"
    assert catalog([write(tmp_path / "b.h5", **table)]).groups()[0].shot == "medium"


def test_folders_are_searched_and_samples_keep_their_file(tmp_path):
    write(tmp_path / "b.h5", sample_id=["x", "y"], material="m", space_group=2)
    write(tmp_path / "a.h5", sample_id=["z"], material="n", space_group=1)
    found = catalog([tmp_path])
    assert found.samples.sample_id.tolist() == ["z", "x", "y"] and found.file_idx.tolist() == [0, 1, 1]
    assert [entry.path for entry in found.files] == [str(tmp_path / "a.h5"), str(tmp_path / "b.h5")]
    assert found.files[1].digest == StackFile(tmp_path / "b.h5").digest
    with pytest.raises(InputError, match="must be a stack file"):
        catalog([])


def test_inconsistent_tables_are_found(tmp_path):
    paths = [write(tmp_path / "one.h5", sample_id=["a", "b"], material=["m", "n"], space_group=[1, 2]),
             write(tmp_path / "other.h5", size=4, sample_id=["a", "c", "d"], material=["m", "m", ""],
                   space_group=[1, 3, 0])]
    assert catalog(paths).findings == (
        "The files differ in size_pixels: 4, 8.", "Sample ids in more than one file (1): a.",
        "Samples without a space group (1): d.",
        "Samples without a material, which cannot be split or resampled (1): d.",
        "Materials under more than one space group (1): m.")


def test_one_bad_file_hides_no_others(tmp_path):
    good = write(tmp_path / "good.h5", sample_id=["a"], material="m", space_group=1)
    bad = tmp_path / "bad.h5"
    bad.write_text("no HDF5")
    found = catalog([bad, good])
    assert len(found.samples) == 1 and len(found.findings) == 1
    assert "bad.h5: a stack file must be HDF5" in found.findings[0]


def test_verify_reads_every_stack(tmp_path):
    stacks = np.ones((4, 3, 8, 8), dtype=np.float32) * np.float32([1, 2, 2, 4]).reshape(4, 1, 1, 1)
    stacks[3, 1] = 0
    path = write(tmp_path / "a.h5", stacks=stacks, sample_id=list("abcd"), material=list("abcd"), space_group=1)
    with h5py.File(path, "r+") as file:
        file["cbed_stacks"][0] += 1
    assert catalog([path]).findings == ()
    damaged, twin, empty = catalog([path], verify=True).findings
    assert "sample a: the stack must be intact" in damaged
    assert "sample c: its stack also stands under material b." in twin
    assert "sample d: a pattern has no intensity." in empty


def test_prints_and_exports(tiny_stack_file):
    found = catalog([tiny_stack_file()])
    console = Console(record=True, width=200, file=io.StringIO())
    console.print(found.table())
    text = console.export_text()
    assert "24 samples, 24 materials, 4 of 230 space groups (4 few, 0 medium, 0 many)" in text
    assert "F-43m" in text and "Nothing found wrong." in text
    content = json.loads(json.dumps(found.to_json()))
    assert content["groups"][0]["space_group"] == 186 and content["files"][0]["samples"] == 24
