"""The OLCF twin: simulated in the published geometry, exported in the published layout, read back by prepare."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from cbedgan.crystal.crystals import Crystal, standard_crystal
from cbedgan.simulate import olcf_layout
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.cbed.stack import refusal, simulate_stacks, slabs, widest_disk
from cbedgan.simulate.olcf_layout import batch_files, cell_formula, export_olcf, published_attributes
from classifier.crystal.electron import wavelength_angstrom
from classifier.foundation.atomic import read_json
from classifier.foundation.config import load_config, parse_config
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import Detector
from classifier.published.olcf import read_attributes
from classifier.published.prepare import PrepareConfig, prepare, report_path
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import StackFile, StackWriter
from project import CONFIGS

pytestmark = pytest.mark.slow

TWIN = load_config(CONFIGS / "olcf/simulate.toml", SimulateConfig)
PREPARE = load_config(CONFIGS / "olcf/prepare.toml", PrepareConfig)
QUICK = TWIN.model_copy(update={
    "beam_energies_kev": (100.0, 190.0), "thickness_angstrom": 40.0, "overlapping_disks": "kept",
    "multislice": TWIN.multislice.model_copy(update={"g_max_inv_angstrom": 2.0}),
    "detector": TWIN.detector.model_copy(update={"directions_across": 4})})


def copper() -> Crystal:
    faces = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    return standard_crystal(3.61 * np.eye(3), faces, [29] * 4, source="Cu")


def wurtzite() -> Crystal:
    lattice = np.array([[3.8, 0, 0], [-1.9, 1.9 * 3**0.5, 0], [0, 0, 6.2]])
    sites = [[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0.5], [1 / 3, 2 / 3, 0.38], [2 / 3, 1 / 3, 0.88]]
    return standard_crystal(lattice, sites, [30, 30, 16, 16], source="ZnS")


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copper to train and zinc sulphide to validate, each at 100 and 190 keV; the highest energy comes first."""
    path = tmp_path_factory.mktemp("olcf") / "stacks.h5"
    with StackWriter(path, detector=Detector(512, 0.01, "1/angstrom"), pose="raw", intensity_unit="test",
                     provenance={}) as writer:
        for energy in (190.0, 100.0):
            for crystal, part in ((copper(), "train"), (wurtzite(), "validation")):
                writer.append(*simulate_stacks(crystal, QUICK, beam_energy_kev=energy, partition=part))
    return path


@pytest.fixture(scope="module")
def twin(stacks: Path) -> Path:
    return export_olcf(stacks, out=stacks.parent / "twin", samples_per_file=20)


def reduction(**changes: Any) -> PrepareConfig:
    content = PREPARE.model_dump(mode="json")
    return parse_config({**content, "mantissa_bits": 23, "reduction": {**content["reduction"], **changes}},
                        PrepareConfig, source="test")


def test_the_semi_angle_follows_the_spacing_and_not_the_energy(stacks):
    with StackFile(stacks) as file:
        table = file.table
    for row in range(4):
        spacing = np.array(json.loads(table.provenance[row])["d_hkl_angstrom"])
        np.testing.assert_allclose(table.convergence_semi_angle_mrad[row],
                                   250 * wavelength_angstrom(100.0) / spacing, rtol=1e-6)
    assert table.zone_axis_uvw[0].tolist() == [[1, 1, 1], [1, 0, 0], [3, 1, 1]]  # 200 as a direction is [100]
    assert json.loads(table.provenance[0])["hkl"] == [[1, 1, 1], [2, 0, 0], [3, 1, 1]]


def test_files_groups_and_attributes_are_those_of_the_data_set(twin):
    assert sorted(str(path.relative_to(twin)) for path in twin.rglob("*.h5")) == ["dev/batch_dev_0.h5",
                                                                                "train/batch_train_0.h5"]
    with h5py.File(twin / "dev/batch_dev_0.h5") as file:
        assert sorted(file) == ["sample_0_0", "sample_0_1"]
        group = file["sample_0_1"]
        stack, attributes = group["cbed_stack"], group.attrs
        assert (stack.shape, stack.dtype, stack.chunks, stack.compression) == ((3, 512, 512), np.float32, None, None)
        assert list(stack.attrs) == [] and sorted(attributes) == [
            "abc_angstrom", "angles_degree", "d_hkls_angstrom", "energy_keV", "formula", "material",
            "semi_angles_rad", "space_group", "y_dirs", "z_dirs"]
        assert (attributes["space_group"], attributes["energy_keV"], attributes["formula"]) == (b"186", 190, "Zn2 S2")
        assert attributes.get_id("space_group").dtype.kind == attributes.get_id("material").dtype.kind == "S"
        assert h5py.check_string_dtype(attributes.get_id("formula").dtype).length is None
        assert {name: (attributes[name].shape, attributes[name].dtype.name) for name in (
            "z_dirs", "y_dirs", "semi_angles_rad", "d_hkls_angstrom", "abc_angstrom", "angles_degree")} == {
            "z_dirs": ((1, 3, 3), "int64"), "y_dirs": ((1, 3, 3), "float64"), "semi_angles_rad": ((3,), "float64"),
            "d_hkls_angstrom": ((3,), "float64"), "abc_angstrom": ((3,), "float64"),
            "angles_degree": ((3,), "float64")}


def test_prepare_gives_the_stacks_back(stacks, twin, tmp_path):
    out = prepare(reduction(pose="raw", size_pixels=512, half_width_inv_angstrom=2.56), source=twin,
                  out=tmp_path / "raw.h5")
    assert read_json(report_path(out))["doubts"] == {}
    with StackFile(stacks) as source, StackFile(out) as file:
        was, table = source.table, file.table
        assert table.sample_id.tolist() == [f"{part}/batch_{part}_0/sample_0_{j}" for part in ("train", "dev")
                                            for j in (0, 1)]
        rows = [2, 0, 3, 1]  # ascending energy, train first
        np.testing.assert_allclose(file.read(range(4)), source.read(rows), rtol=1e-6, atol=0)
        for name in ("space_group", "material", "partition", "beam_energy_kev"):
            assert getattr(table, name).tolist() == getattr(was, name)[rows].tolist()
        for name in ("convergence_semi_angle_mrad", "cell_lengths_angstrom", "cell_angles_degree",
                     "pixel_size_inv_angstrom"):
            np.testing.assert_allclose(getattr(table, name), getattr(was, name)[rows], rtol=1e-9)
        for new, old in zip(table.provenance, was.provenance[rows], strict=True):
            np.testing.assert_allclose(json.loads(new)["d_hkl_angstrom"], json.loads(old)["d_hkl_angstrom"])
        divisor = np.gcd.reduce(table.zone_axis_uvw, axis=2, keepdims=True)
        assert (table.zone_axis_uvw // divisor).tolist() == was.zone_axis_uvw[rows].tolist()


def test_prepare_finds_the_pose_by_the_net_as_described(stacks, twin, tmp_path):
    out = prepare(reduction(pose="canonical"), source=twin, out=tmp_path / "canonical.h5")
    with StackFile(stacks) as source, StackFile(out) as file:
        for row, old in enumerate((2, 0, 3, 1)):
            if row in (0, 2):  # at 100 keV no disks overlap
                assert json.loads(file.table.provenance[row])["pose_from"] == ["net (as described)"] * 3
                np.testing.assert_allclose(file.table.shortest_g_inv_angstrom[row],
                                           source.table.shortest_g_inv_angstrom[old], rtol=0.01)


def test_a_turned_pattern_says_so():
    """The attribute y_dirs follows the azimuth of the drawn pattern."""
    turned = QUICK.model_copy(update={"randomised": ("azimuth",)})
    _, row = simulate_stacks(wurtzite(), turned, beam_energy_kev=100.0, partition="train")
    _, straight = simulate_stacks(wurtzite(), QUICK, beam_energy_kev=100.0, partition="train")
    up = [read_attributes(published_attributes(table, 0)).y_directions @ wurtzite().lattice
          for table in (row, straight)]
    cosine = (up[0] * up[1]).sum(1) / np.linalg.norm(up[0], axis=1) / np.linalg.norm(up[1], axis=1)
    np.testing.assert_allclose(cosine, np.cos(row.azimuth_rad[0]), atol=1e-6)


def test_columns_hold_the_orientations_as_in_the_documented_sample():
    """The data set's own example: formula of the whole cell, vectors in columns, every number read back."""
    assert cell_formula(np.array([8] * 14 + [26] * 8 + [9] * 2)) == "Fe8 O14 F2"
    hkl, up = [[1, 1, -1], [1, -1, 1], [0, 1, 3]], [[-1.33333333, 0.66666667, -0.66666667], [1, 0, 0], [-1, 1, -1]]
    spacing = [3.34336566, 3.22673953, 2.51930512]
    record = {**copper().record(), "sites": np.random.default_rng(0).random((24, 3)).tolist(), "space_group": 2,
              "numbers": [26] * 8 + [8] * 14 + [9] * 2}
    table = SampleTable.build(
        1, sample_id=["x"], space_group=[2], material=["mp-763064"], beam_energy_kev=[100.0],
        convergence_semi_angle_mrad=[[2.76776, 2.8678, 3.67309]],
        cell_lengths_angstrom=[[4.6456035, 7.54737513, 7.59231027]],
        cell_angles_degree=[[75.75270737, 91.58467769, 89.08634999]],
        provenance=[json.dumps({"crystal": record, "hkl": hkl, "d_hkl_angstrom": spacing, "y_direction_uvw": up})])
    written = published_attributes(table, 0)
    assert written["z_dirs"].tolist() == [[[1, 1, 0], [1, -1, 1], [-1, 1, 3]]]
    assert written["y_dirs"].tolist() == [[[-1.33333333, 1, -1], [0.66666667, 0, 1], [-0.66666667, 0, -1]]]
    assert (written["space_group"], written["material"], written["formula"]) == (b"2", b"mp-763064", "Fe8 O14 F2")
    np.testing.assert_allclose(written["semi_angles_rad"], [0.00276776, 0.0028678, 0.00367309])
    read = read_attributes(written)
    assert read.doubts == [] and read.zone_axis_uvw.tolist() == hkl and read.structure_type == "2-AB4C7"


def rows(*samples: tuple[str, float, str]) -> SampleTable:
    material, energy, part = zip(*samples, strict=True)
    return SampleTable.build(len(samples), sample_id=[f"{k}" for k in range(len(samples))], material=list(material),
                             beam_energy_kev=list(energy), partition=list(part))


def test_files_are_cut_by_number_and_count_their_own_materials():
    table = rows(("a", 100, "train"), ("b", 100, "train"), ("a", 120, "train"), ("c", 110, "test"), ("b", 120, "train"))
    assert {batch.name: batch.rows for batch in batch_files(table, 3, None)} == {
        "train/batch_train_0.h5": {"sample_0_0": 0, "sample_0_2": 2, "sample_1_0": 1},
        "train/batch_train_1.h5": {"sample_0_2": 4}, "test/batch_test_0.h5": {"sample_0_1": 3}}
    assert [batch.name for batch in batch_files(rows(("a", 100, "")), 3, "test")] == ["test/batch_test_0.h5"]
    with pytest.raises(InputError, match="must be one of train"):
        list(batch_files(rows(("a", 100, "")), 3, None))
    with pytest.raises(InputError, match="one stack a material and energy"):
        list(batch_files(rows(("a", 100, "test"), ("a", 100, "test")), 3, None))


def test_what_does_not_fit_is_refused(tmp_path):
    def export(size: int, unit: str, pose: str, pixel: float = 0.01) -> None:
        path = tmp_path / f"{size}{pose}{pixel}.h5"
        with StackWriter(path, detector=Detector(size, pixel, unit), pose=pose, intensity_unit="", provenance={}):
            pass
        export_olcf(path, out=tmp_path / "out", samples_per_file=20)
    with pytest.raises(InputError, match="raw pose; found canonical"):
        export(512, "shortest_g", "canonical")
    with pytest.raises(InputError, match="found 64 pixels of 0.01 1/angstrom"):
        export(64, "1/angstrom", "raw")
    with pytest.raises(InputError, match="found 512 pixels of 0.02"):
        export(512, "1/angstrom", "raw", 0.02)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="strongest_xray"):
        published_attributes(rows(("a", 100, "train")), 0)


def test_an_export_goes_on_and_keeps_to_its_source(stacks, tmp_path, monkeypatch):
    out = export_olcf(stacks, out=tmp_path, samples_per_file=1)
    whole, lost = out / "train/batch_train_0.h5", out / "train/batch_train_1.h5"
    content, before = lost.read_bytes(), whole.stat().st_mtime_ns
    lost.unlink()
    export_olcf(stacks, out=tmp_path, samples_per_file=1)
    assert whole.stat().st_mtime_ns == before and lost.read_bytes() == content
    monkeypatch.setattr(olcf_layout, "_write", None)
    export_olcf(stacks, out=tmp_path, samples_per_file=1)
    with pytest.raises(InputError, match="config_digest may not change"):
        export_olcf(stacks, out=tmp_path, samples_per_file=2)


def test_long_cells_and_overlapping_disks_are_passed_over():
    wide = QUICK.model_copy(update={"overlapping_disks": "refused"})
    assert refusal(wurtzite(), QUICK) is None and refusal(copper(), wide) is None
    # The disks of [102] and [110] are closer than those of the reflection that sets their size.
    assert widest_disk(wurtzite(), QUICK, slabs(wurtzite(), QUICK)) > 1
    assert "times as wide" in refusal(wurtzite(), wide)
    long = standard_crystal(np.diag([3.0, 3.1, 10.2]), [[0, 0, 0]], [29], source="long")
    assert "lattice constant of 10.2" in refusal(long, QUICK)
    with pytest.raises(InputError, match="strongest_xray"):
        parse_config({**TWIN.model_dump(mode="json"), "zone_axis_rule": "metric"}, SimulateConfig, source="test")
