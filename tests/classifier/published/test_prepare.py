"""prepare: published batches in their true layout, with every trap they are known for, become one stack file."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from classifier.crystal.electron import wavelength_angstrom
from classifier.crystal.reciprocal import zolz_lattice
from classifier.foundation.atomic import read_json
from classifier.foundation.config import load_config, parse_config
from classifier.foundation.errors import InputError
from classifier.foundation.run import Interrupted, StopRequest
from classifier.published import prepare as stage
from classifier.published.prepare import PrepareConfig, prepare, report_path
from classifier.samples.stackfile import StackFile
from project import CONFIGS
from published import EXAMPLE, preparation
from running import killed


def config(pose: str = "raw", *, policies: dict[str, Any] | None = None, **reduction: Any) -> PrepareConfig:
    content = preparation(512, 32, policies=policies, pose=pose, **reduction)
    return parse_config(content, PrepareConfig, source="test")


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((3, 512, 512), dtype=np.float32)


def write_batch(path: Path, samples: dict[str, tuple[np.ndarray | None, dict[str, Any]]]) -> None:
    """A batch file as published: samples {group: (stack or no stack, changed attributes; None takes one away)}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, (stack, changes) in samples.items():
            group = file.create_group(name)
            if stack is not None:
                group["cbed_stack"] = stack
            for key, value in {**EXAMPLE, **changes}.items():
                if value is not None:
                    group.attrs[key] = value


def spoilt(value: float, part: Any) -> np.ndarray:
    stack = noise(9)
    stack[part] = value
    return stack


@pytest.fixture
def small_source(tmp_path: Path) -> Path:
    """Three sound files of two samples each, one a folder."""
    source = tmp_path / "source"
    for seed, part in enumerate(("train", "dev", "test")):
        write_batch(source / part / f"batch_{part}_0.h5",
                    {f"sample_0_{j}": (noise(10 * seed + j), {"energy_keV": 100 + 10 * j,
                                                             "material": np.bytes_(f"mp-{seed}")}) for j in (0, 1)})
    return source


def test_the_documented_example_fills_the_table(tmp_path):
    stack = noise(1)
    write_batch(tmp_path / "train/batch_train_223.h5", {"sample_4_0": (stack, {})})
    with StackFile(prepare(config(), source=tmp_path, out=tmp_path / "out.h5")) as file:
        row, written = file.table, file.read([0])[0]
        assert (file.pose, file.detector.size_pixels, file.detector.unit) == ("raw", 32, "1/angstrom")
        assert file.detector.pixel_size == pytest.approx(0.08)
    assert row.sample_id.tolist() == ["train/batch_train_223/sample_4_0"]
    assert (row.space_group[0], row.material[0], row.partition[0], row.origin[0]) == (2, "mp-763064", "train",
                                                                                     "simulated")
    assert row.structure_type[0] == "2-AB4C7" and row.beam_energy_kev[0] == 100
    assert row.zone_axis_uvw[0].tolist() == [[1, 1, -1], [1, -1, 1], [0, 1, 3]]  # the columns of z_dirs
    np.testing.assert_allclose(row.convergence_semi_angle_mrad[0], [2.76776, 2.8678, 3.67309])
    np.testing.assert_allclose(row.cell_lengths_angstrom[0], EXAMPLE["abc_angstrom"])
    np.testing.assert_allclose(row.cell_angles_degree[0], EXAMPLE["angles_degree"])
    assert np.isnan(row.thickness_angstrom).all() and (row.azimuth_rad == 0).all()
    assert json.loads(row.provenance[0])["d_hkl_angstrom"] == [3.34336566, 3.22673953, 2.51930512]
    inner = stack[:, 128:384, 128:384].astype(np.float64)
    np.testing.assert_allclose(written, inner.reshape(3, 32, 8, 32, 8).sum((2, 4)), rtol=1e-5)
    assert read_json(report_path(tmp_path / "out.h5"))["doubts"] == {}  # its d-spacings agree with its columns


@pytest.fixture
def trapped_source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    write_batch(source / "train/batch_train_10.h5", {
        "sample_10_0": (noise(0), {}),
        "sample_2_1": (noise(1), {"energy_keV": 170}),  # j says 110
        "sample_2_0": (spoilt(np.nan, np.s_[1, 5:9]), {}),
        "sample_3_0": (spoilt(np.nan, np.s_[1]), {}),
        "sample_4_0": (spoilt(-1e-9, np.s_[2, 0, 0]), {}),
        "sample_5_0": (spoilt(0, np.s_[0]), {}),
        "sample_6_0": (None, {}),
        "sample_7_0": (noise(2)[:, :100], {}),
        "sample_8_0": (noise(3), {"space_group": np.bytes_("0")}),
        "sample_9_0": (noise(4), {"material": None}),
        "sample_11_0": (noise(4), {"material": "mp-\x01"}),
        "notes": (None, {})})
    write_batch(source / "train/batch_train_2.h5", {
        "sample_0_0": (noise(5), {"abc_angstrom": np.array([4, 5, 6], np.longdouble) * np.longdouble("1e400")}),
        "sample_0_1": (noise(6), {"z_dirs": EXAMPLE["z_dirs"].transpose(0, 2, 1)}),
        "sample_0_2": (noise(7), {"semi_angles_rad": None, "formula": np.bytes_("O2 Fe")})})
    write_batch(source / "dev/batch_dev_0.h5", {"sample_0_0": (noise(8), {})})
    write_batch(source / "test/batch_test_0.h5", {"sample_0_0": (noise(9), {"material": np.bytes_("mp-1")})})
    whole = (source / "dev/batch_dev_0.h5").read_bytes()
    (source / "dev/batch_dev_1.h5").write_bytes(whole[:len(whole) // 2])
    (source / "test/batch_test_1.h5").write_bytes(b"no HDF5")
    return source


def test_every_trap_is_reported_and_the_rest_is_kept(trapped_source, tmp_path):
    out = prepare(config(), source=trapped_source, out=tmp_path / "out.h5")
    with StackFile(out) as file:
        table = file.table
        file.verify()
    assert table.sample_id.tolist() == [
        "train/batch_train_2/sample_0_0", "train/batch_train_2/sample_0_1", "train/batch_train_2/sample_0_2",
        "train/batch_train_10/sample_2_1", "train/batch_train_10/sample_10_0", "dev/batch_dev_0/sample_0_0",
        "test/batch_test_0/sample_0_0"]
    assert table.partition.tolist() == ["train"] * 5 + ["validation", "test"] and table.beam_energy_kev[3] == 170
    assert np.isnan(table.cell_lengths_angstrom[0]).all() and np.isnan(table.convergence_semi_angle_mrad[2]).all()
    assert table.structure_type[2] == "2-AB2"
    report = read_json(report_path(out))
    assert set(report["unreadable_files"]) == {"dev/batch_dev_1.h5", "test/batch_test_1.h5"}
    assert "truncated" in report["unreadable_files"]["dev/batch_dev_1.h5"]
    skipped = {name.split("/")[-1]: reason for name, reason in report["skipped_samples"].items()}
    for name, word in {"sample_2_0": "partly NaN", "sample_3_0": "all NaN", "sample_4_0": "negative",
                       "sample_5_0": "all zero", "sample_6_0": "no dataset", "sample_7_0": "[3, 100, 512]",
                       "sample_8_0": "space_group", "sample_9_0": "material",
                       "sample_11_0": "material", "notes": "not named"}.items():
        assert word in skipped.pop(name)
    assert skipped == {} and report["samples_by_partition"] == {"test": 1, "train": 5, "validation": 1}
    assert {name: list(found["first"]) for name, found in report["doubts"].items()} == {
        "abc_angstrom": ["train/batch_train_2/sample_0_0"], "d_hkls_angstrom": ["train/batch_train_2/sample_0_1"],
        "semi_angles_rad": ["train/batch_train_2/sample_0_2"]}
    assert report["leaks"]["materials"] == {"mp-763064": ["train", "validation"]}
    (formula,) = report["leaks"]["compounds"].values()
    assert formula == ["test", "train", "validation"] and not out.with_name("out.h5.parts").exists()


@pytest.mark.slow
def test_policies_decide(trapped_source, tmp_path):
    out = prepare(config(on_partial_nan="mask", on_negative="clip", policies={"thickness_angstrom": 100.0}),
                  source=trapped_source, out=tmp_path / "out.h5")
    with StackFile(out) as file:
        assert {"train/batch_train_10/sample_2_0", "train/batch_train_10/sample_4_0"} <= set(file.table.sample_id)
        assert (file.table.thickness_angstrom == 100).all()
    masked = read_json(report_path(out))["remarks"]["NaN pixels set to zero"]
    assert masked == {"samples": 1, "first": {"train/batch_train_10/sample_2_0": "2048 NaN pixels set to zero"}}
    with pytest.raises(InputError, match="batch_dev_1.h5: every file must be readable"):
        prepare(config(policies={"on_unreadable_file": "stop"}), source=trapped_source, out=tmp_path / "other.h5")
    assert not (tmp_path / "other.h5").exists()


def test_a_source_without_files_or_without_usable_samples_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        prepare(config(), source=tmp_path, out=tmp_path / "out.h5")
    write_batch(tmp_path / "train/batch_train_0.h5", {"sample_0_0": (spoilt(0, np.s_[:]), {})})
    with pytest.raises(InputError, match=r"a pattern is all zero \(1 times\)"):
        prepare(config(), source=tmp_path, out=tmp_path / "out.h5")


def test_a_stack_outside_the_file_is_not_followed(small_source, tmp_path):
    path = small_source / "train/batch_train_0.h5"
    with h5py.File(path, "r+") as file:
        file["sample_1_0"] = h5py.ExternalLink(str(small_source / "dev/batch_dev_0.h5"), "sample_0_0")
        del file["sample_0_1/cbed_stack"]
        file["sample_0_1/cbed_stack"] = h5py.ExternalLink("../dev/batch_dev_0.h5", "sample_0_0/cbed_stack")
    out = prepare(config(), source=small_source, out=tmp_path / "out.h5")
    assert set(read_json(report_path(out))["skipped_samples"]) == {"train/batch_train_0/sample_0_1",
                                                                   "train/batch_train_0/sample_1_0"}


CUBIC: dict[str, Any] = {
    "space_group": np.bytes_("221"), "formula": "Cs Cl", "abc_angstrom": np.full(3, 4.1),
    "angles_degree": np.full(3, 90.0), "z_dirs": np.array([[[1, 1, 1], [0, 1, 1], [0, 0, 1]]]),
    "y_dirs": np.array([[[0.0, 1, 1], [0, -1, 0], [1, 0, -1]]]),
    "d_hkls_angstrom": 4.1 / np.sqrt([1, 2, 3]), "semi_angles_rad": np.full(3, 0.25 * wavelength_angstrom(100) / 4.1)}


def disks(lattice: np.ndarray, radius: float) -> np.ndarray:
    """A pattern [512, 512] at 0.01 1/angstrom a pixel: a disk at every point of the lattice, weaker further out."""
    side = (np.arange(512) - 255.5) * 0.01
    k = np.stack(np.meshgrid(side, side), -1)
    index = np.round(k @ np.linalg.inv(lattice))
    g = index @ lattice
    lit = np.hypot(*np.moveaxis(k - g, -1, 0)) <= radius
    return np.where(lit, np.exp(-np.hypot(*np.moveaxis(g, -1, 0))), 1e-9).astype(np.float32)


@pytest.mark.slow
def test_canonical_pose_from_the_lattice_and_else_from_the_image(tmp_path):
    lattices = [zolz_lattice(CUBIC["abc_angstrom"], CUBIC["angles_degree"], CUBIC["z_dirs"][0, :, k],
                           CUBIC["y_dirs"][0, :, k]) for k in range(3)]
    radius = 0.25 / 4.1
    stack = np.stack([disks(lattice, radius) for lattice in lattices])
    write_batch(tmp_path / "train/batch_train_0.h5", {"sample_0_0": (stack, CUBIC),
                                                      "sample_1_0": (stack, {**CUBIC, "z_dirs": None})})
    out = prepare(config("canonical", half_width_inv_angstrom=2.56), source=tmp_path, out=tmp_path / "out.h5")
    with StackFile(out) as file:
        table, stacks = file.table, file.read([0, 1])
        assert (file.pose, file.detector.unit, file.detector.pixel_size) == ("canonical", "shortest_g", 1 / 8)
    poses = read_json(report_path(out))["poses"]
    assert sum(poses.values()) == 6 and poses["image"] == 3
    shortest = [np.hypot(*lattice.T).min() for lattice in lattices]
    np.testing.assert_allclose(table.shortest_g_inv_angstrom[0], shortest, rtol=1e-6)
    np.testing.assert_allclose(table.shortest_g_inv_angstrom[1], shortest, rtol=0.01)
    np.testing.assert_allclose(table.pixel_size_inv_angstrom[0], np.array(shortest) / 8)
    for pattern in stacks.reshape(-1, 32, 32):  # g lies eight pixels to the right of the middle, four are dark
        assert pattern[15:17, 23:25].mean() > 0.3 * pattern[15:17, 15:17].mean()
        assert pattern[15:17, 19:21].mean() < 1e-3 * pattern[15:17, 15:17].mean()


def test_a_finished_run_returns_at_once_and_no_other_may_take_its_place(small_source, tmp_path, monkeypatch):
    out = prepare(config(), source=small_source, out=tmp_path / "out.h5")
    before = out.stat().st_mtime_ns
    monkeypatch.setattr(stage, "_reduce_all", None)
    assert prepare(config(), source=small_source, out=out) == out and out.stat().st_mtime_ns == before
    with pytest.raises(InputError, match="its config_digest may not change"):
        prepare(config(size_pixels=64), source=small_source, out=out)
    write_batch(small_source / "test/batch_test_0.h5", {"sample_0_0": (noise(77), {}), "sample_0_1": (noise(78), {})})
    with pytest.raises(InputError, match="its inputs may not change"):
        prepare(config(), source=small_source, out=out)


RUN = """
import os, resource, signal, sys
from pathlib import Path
from classifier.published import prepare as stage
config = stage.PrepareConfig.model_validate_json(Path(sys.argv[1]).read_text())
name, calls = sys.argv[4], int(sys.argv[5])
module = stage.olcf_files if name == "reduce_stack" else stage
function = getattr(module, name)
def killing(*arguments, **named):
    global calls
    calls -= 1
    if calls == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return function(*arguments, **named)
setattr(module, name, killing)
stage.prepare(config, source=Path(sys.argv[2]), out=Path(sys.argv[3]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def run_apart(source: Path, out: Path, kill_in: str, at_call: int) -> subprocess.CompletedProcess[str]:
    path = out.with_name("prepare.json")
    path.write_text(config().model_dump_json())
    return subprocess.run([sys.executable, "-c", RUN, path, source, out, kill_in, str(at_call)],
                          capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("kill_in, at_call, records", [("reduce_stack", 4, 1), ("_append", 2, 3),
                                                       ("preparation_report", 1, 3)])
def test_killed_at_any_moment_it_goes_on_to_the_same_digest(small_source, tmp_path, kill_in, at_call, records):
    whole, out = tmp_path / "whole.h5", tmp_path / "out.h5"
    assert run_apart(small_source, out, kill_in, at_call).returncode == -9
    assert len(list((tmp_path / "out.h5.parts").glob("*/*.json"))) == records
    prepare(config(), source=small_source, out=out)
    prepare(config(), source=small_source, out=whole)
    with StackFile(out) as resumed, StackFile(whole) as straight:
        assert resumed.digest == straight.digest
    assert read_json(report_path(out)) == read_json(report_path(whole))
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith((".parts", ".partial"))]


@pytest.mark.slow
def test_two_workers_killed_go_on_to_the_digest_of_one(tmp_path):
    source, out = tmp_path / "source", tmp_path / "out.h5"
    for number in range(8):
        write_batch(source / f"train/batch_train_{number}.h5", {f"sample_0_{j}": (noise(10 * number + j), {})
                                                               for j in range(3)})
    (tmp_path / "prepare.json").write_text(config().model_dump_json())
    by_two = RUN.replace("out=Path(sys.argv[3])", "out=Path(sys.argv[3]), workers=2")
    parts = tmp_path / "out.h5.parts/train"
    killed([sys.executable, "-c", by_two, tmp_path / "prepare.json", source, out, "reduce_stack", "-1"],
           lambda: list(parts.glob("*.json")))
    assert out.exists() or list(parts.glob("*.json"))
    prepare(config(), source=source, out=out, workers=2)
    prepare(config(), source=source, out=tmp_path / "one.h5")
    with StackFile(out) as two, StackFile(tmp_path / "one.h5") as one:
        assert len(two) == 24 and two.digest == one.digest
    assert read_json(report_path(out)) == read_json(report_path(tmp_path / "one.h5"))


@pytest.mark.slow
def test_an_error_and_a_stop_come_out_of_the_workers(small_source, tmp_path, monkeypatch):
    (small_source / "dev/batch_dev_1.h5").write_bytes(b"no HDF5")
    with pytest.raises(InputError, match="batch_dev_1.h5: every file must be readable"):
        prepare(config(policies={"on_unreadable_file": "stop"}), source=small_source, out=tmp_path / "a.h5", workers=2)
    monkeypatch.setattr(StopRequest, "__enter__", lambda stop: setattr(stop, "requested", True) or stop)
    with pytest.raises(Interrupted):
        prepare(config(), source=small_source, out=tmp_path / "b.h5", workers=2)


def test_what_is_found_twice_is_reported(tmp_path):
    source, same = tmp_path / "source", noise(1)
    write_batch(source / "train/batch_train_0.h5", {
        "sample_0_0": (same, {}), "sample_1_0": (noise(2), {"material": np.bytes_("mp-2"), "formula": "Fe4 O7 F1"}),
        "sample_2_0": (noise(3), {"material": np.bytes_("mp-2"), "space_group": np.bytes_("3"), "y_dirs": None}),
        "sample_3_0": (same[::-1], {"material": np.bytes_("mp-3"), "formula": "O2 Fe"})})
    write_batch(source / "test/batch_train_0.h5", {"sample_0_0": (same, {"material": np.bytes_("mp-4")})})
    report = read_json(report_path(prepare(config(), source=source, out=tmp_path / "out.h5")))
    compound = {"FFe4O7 in space group 2": ["mp-2", "mp-4", "mp-763064"]}
    assert report["compounds_of_several_materials"] == compound
    assert report["materials_of_several_groups"] == {"mp-2": ["2", "3"]}
    assert report["equal_file_names"] == {"batch_train_0.h5": ["test", "train"]}
    assert report["missing_attributes"] == {"y_dirs": 1}
    twins = [{"samples": 2, "first": ["train/batch_train_0/sample_0_0", "test/batch_train_0/sample_0_0"],
              "materials": ["mp-4", "mp-763064"], "partitions": ["test", "train"]}]
    assert report["equal_stacks"] == twins
    assert report["leaks"] == {"materials": {}, "compounds": {"FFe4O7 in space group 2": ["test", "train"]},
                               "stacks": twins}


def test_without_a_pixel_size_the_patterns_are_measured_in_pixels(small_source, tmp_path):
    unknown = config(source_pixel_size_inv_angstrom="unknown", half_width_inv_angstrom="all")
    with StackFile(prepare(unknown, source=small_source, out=tmp_path / "out.h5")) as file:
        assert (file.detector.unit, file.detector.pixel_size) == ("pixel", 16)
        assert np.isnan(file.table.pixel_size_inv_angstrom).all()
        np.testing.assert_allclose(file.read([0])[0], noise(0).reshape(3, 32, 16, 32, 16).sum((2, 4)), rtol=1e-5)
    for wrong in ({"half_width_inv_angstrom": 1.28}, {"half_width_inv_angstrom": "all", "pose": "canonical"}):
        with pytest.raises(InputError, match="must be known"):
            config(source_pixel_size_inv_angstrom="unknown", **wrong)


@pytest.mark.slow
def test_a_damaged_shard_is_named_and_made_again(small_source, tmp_path):
    out = tmp_path / "out.h5"
    run_apart(small_source, out, "_append", 1)
    shard = tmp_path / "out.h5.parts/dev/batch_dev_0.h5.stacks"
    shard.write_bytes(shard.read_bytes()[:-1000])
    with pytest.raises(InputError, match="a shard must be intact"):
        prepare(config(), source=small_source, out=out)
    with StackFile(prepare(config(), source=small_source, out=out)) as file:
        assert len(file) == 6


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_files(tmp_path):
    first = tmp_path / "few/train/batch_train_0.h5"
    write_batch(first, {f"sample_0_{j}": (noise(j), {}) for j in range(3)})
    (tmp_path / "many/train").mkdir(parents=True)
    for source, files in (("few", 2), ("many", 10)):
        for number in range(files):
            if not (path := tmp_path / source / f"train/batch_train_{number}.h5").exists():
                os.link(first, path)
    few, many = (int(run_apart(tmp_path / source, tmp_path / f"{source}.h5", "reduce_stack", -1).stdout)
                 for source in ("few", "many"))
    assert many - few < 4 * 1024  # KiB; the eight files more hold 72 MiB


def test_the_configuration_of_the_demo_folder_is_complete():
    assert load_config(CONFIGS / "demo/prepare.toml", PrepareConfig).reduction.pose == "canonical"
