"""The catalog counts literal files and names what is wrong with them."""

import io
import json
import time

import h5py
import numpy as np
import pytest
from matplotlib.image import imread
from rich.console import Console

from classifier.foundation.errors import InputError
from classifier.inspection import catalog as module
from classifier.inspection.page import write_inspection_page
from classifier.kind.cbed import Cbed
from classifier.pattern.geometry import Detector
from classifier.samples.split import split
from classifier.samples.stackfile import SampleTable, StackFile, write_stack_file


def catalog(paths, *, verify=False, split=None):
    return module.catalog(paths, verify=verify, split=split)


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
        "Materials under more than one space group (1): m.", "Materials in more than one file (1): m.")


def test_one_bad_file_hides_no_others(tmp_path):
    good = write(tmp_path / "good.h5", sample_id=["a"], material="m", space_group=1)
    bad = tmp_path / "bad.h5"
    bad.write_text("no HDF5")
    found = catalog([bad, good])
    assert len(found.samples) == 1 and found.findings == ()
    (fault,) = found.faults
    assert "bad.h5: a stack file must be HDF5" in fault
    with pytest.raises(InputError, match="there must be a stack file; found .*none.h5"):
        catalog([good, tmp_path / "none.h5"])


def test_verify_reads_every_stack(tmp_path):
    stacks = np.random.default_rng(0).random((40, 3, 8, 8), dtype=np.float32)
    stacks[38], stacks[39, 1] = stacks[35], 0
    names = [f"s{i}" for i in range(40)]
    path = write(tmp_path / "a.h5", stacks=stacks, sample_id=names, material=names, space_group=1)
    with h5py.File(path, "r+") as file:
        file["cbed_stacks"][1] += 1
    found = catalog([path])
    assert found.faults == () and found.files[0].intensities.stacks_read == 16
    found = catalog([path], verify=True)
    (damaged,) = found.faults
    assert "sample s1: the stack must be intact" in damaged
    assert found.findings == (f"{path}, sample s39: a pattern has no intensity.",
                              "Equal stacks under different materials (1): s35 = s38.")
    seen = found.files[0].intensities
    totals = np.delete(stacks, 1, axis=0).sum(axis=(2, 3), dtype=np.float64)
    assert (seen.totals.least, seen.totals.greatest, seen.stacks_read) == (0.0, totals.max(), 39)
    assert seen.brightest == np.float64(stacks.max())


def test_ranges_of_energy_and_thickness(tmp_path):
    path = write(tmp_path / "a.h5", sample_id=list("abc"), material="m", space_group=1,
                 beam_energy_kev=[100.0, 200.0, np.nan])
    (entry,) = catalog([path]).files
    assert entry.thickness_angstrom is None and str(entry.beam_energy_kev) == "100 to 200, median 150, 1 unknown"
    assert entry.size_bytes == path.stat().st_size and entry.origins == ("simulated",)


def leaks_of(found):
    return {(leak.kind, leak.held, leak.other): (leak.names, leak.samples) for leak in found.leaks}


def test_leaks_between_published_parts_and_an_added_file(tmp_path):
    stacks = np.random.default_rng(0).random((4, 3, 8, 8), dtype=np.float32)
    stacks[3] = stacks[0]
    main = write(tmp_path / "main.h5", stacks=stacks, sample_id=list("abcd"), material=["m", "n", "o", "p"],
                 structure_type=["t", "t", "u", "v"], formula=["AB", "AC", "AB", "AD"], space_group=[1, 2, 1, 1],
                 partition=["train", "train", "test", "test"])
    added = write(tmp_path / "reserve.h5", sample_id=list("ef"), material=["o", "q"], structure_type=["w", "v"],
                  space_group=1)
    assert leaks_of(catalog([main])) == {("formula", "test", "train"): (("1 AB",), 1),
                                         ("stack", "test", "train"): (("d",), 1)}
    found = catalog([main, added])
    assert leaks_of(found) == {
        ("formula", "test", "train"): (("1 AB",), 1), ("stack", "test", "train"): (("d",), 1),
        ("material", "test", "added"): (("o",), 1), ("structure_type", "test", "added"): (("1 v",), 1)}
    assert str(found.leaks[1]) == "Leak: added shares 1 materials with test (1 of its samples): o."
    assert found.part.tolist() == ["train", "train", "test", "test", "added", "added"]


def test_a_split_parts_the_samples_in_place_of_the_published_partition(tiny_stack_file, tmp_path, make_split_config):
    stacks = tiny_stack_file(partition=False)
    held = split(make_split_config(adopt_partition=False), stacks=stacks, out=tmp_path / "split.json")
    found = catalog([stacks], split=held)
    assert {"train", "validation", "test"} == set(found.part) and found.leaks == ()
    assert found.groups()[0].test == 2 and found.groups()[0].train < 6
    reserve = tiny_stack_file(partition=False, origin="experimental", seed=1)
    kinds = {leak.kind for leak in catalog([stacks, reserve], split=held).leaks if leak.other == "added"}
    assert kinds == {"material", "structure_type", "formula"}
    with pytest.raises(InputError, match="one of the files must be the one that was split"):
        catalog([reserve], split=held)


def test_prints_and_exports(tiny_stack_file):
    found = catalog([tiny_stack_file()])
    console = Console(record=True, width=200, file=io.StringIO())
    console.print(found.table())
    text = console.export_text()
    assert "24 samples, 24 materials, 4 of 230 space groups (4 few, 0 medium, 0 many)" in text
    assert "F-43m" in text and "Nothing found wrong." in text
    content = json.loads(json.dumps(found.to_json()))
    assert content["groups"][0]["space_group"] == 186 and content["files"][0]["samples"] == 24


@pytest.mark.slow
def test_ten_thousand_samples_within_seconds(tmp_path):
    names = [f"sample-{i}" for i in range(10_000)]
    path = write(tmp_path / "many.h5", size=2, sample_id=names, material=names, space_group=np.arange(10_000) % 230 + 1,
                 provenance="x" * 200)
    start = time.monotonic()
    assert len(catalog([path]).groups()) == 230 and time.monotonic() - start < 10


def test_the_page_holds_every_group_with_pictures(tiny_stack_file, tmp_path):
    path = tiny_stack_file(space_groups=(2, 225), size=256, materials=3)
    with h5py.File(path, "r+") as file:
        file["cbed_stacks"][0] += 1
    page = tmp_path / "page.html"
    write_inspection_page(page, catalog([path]))
    text = page.read_text()
    assert "Fm-3m" in text and "P-1" in text and "http" not in text
    assert text.count("data:image/png;base64") == 3 and "<p>damaged</p>" in text


def test_a_picture_shows_rows_upwards_and_patterns_side_by_side():
    stack = np.full((3, 4, 4), 1e-9, dtype=np.float32)
    stack[0, 0, 0] = stack[2, 3, 3] = 1.0
    shown = imread(io.BytesIO(Cbed.picture(stack)))
    bright = np.argwhere(shown[..., :3].sum(-1) > 2)
    assert shown.shape == (4, 16, 4) and bright.tolist() == [[0, 15], [3, 0]]
