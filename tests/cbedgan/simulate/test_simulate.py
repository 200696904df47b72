"""The simulate stage: one stack and its row, the same stack again, resume after a kill, replacement, refusals."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cbedgan.crystal.crystals import Crystal, standard_crystal
from cbedgan.simulate import merge as merging
from cbedgan.simulate import simulate as stage
from cbedgan.simulate.cbed.multislice import MultisliceConfig
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.cbed.stack import refusal, resimulate, simulate_every_view, simulate_stacks
from cbedgan.simulate.simulate import simulate
from classifier.foundation.atomic import read_json
from classifier.foundation.config import load_config, parse_config
from classifier.foundation.errors import InputError
from classifier.pattern.measurement import CONDITIONS, measured_copy
from classifier.samples.measured_samples import JUDGED_SEED
from classifier.samples.stackfile import StackFile, round_mantissa
from project import CONFIGS
from running import killed

DEMO = load_config(CONFIGS / "demo/simulate.toml", SimulateConfig)
CONFIG = DEMO.model_copy(update={
    "thickness_angstrom": 60.0,
    "multislice": DEMO.multislice.model_copy(update={"g_max_inv_angstrom": 2.0}),
    "detector": DEMO.detector.model_copy(update={"size_pixels": 16, "directions_across": 4}),
    "crystals": DEMO.crystals.model_copy(update={"maximum_primitive_atoms": 4, "groups": tuple(
        group.model_copy(update={"train": 2, "test": 1}) for group in DEMO.crystals.groups
        if group.space_group in (216, 225))})})
SALTS = [("Na", "Cl", 5.64), ("K", "Cl", 6.29), ("Mg", "O", 4.21), ("Na", "F", 4.62)]


@pytest.fixture
def salts(tmp_path: Path, rock_salt_cif: Callable[..., str]) -> Path:
    folder = tmp_path / "salts"
    folder.mkdir()
    for cation, anion, a in SALTS:
        (folder / f"{cation}{anion}.cif").write_text(rock_salt_cif(a=a, type_symbol=(cation, anion)))
    return folder


def rock_salt() -> Crystal:
    face = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    return standard_crystal(5.64 * np.eye(3), [*face, *(face + 0.5) % 1], [11] * 4 + [17] * 4, source="NaCl")


def wurtzite() -> Crystal:
    lattice = np.array([[3.8, 0, 0], [-1.9, 1.9 * 3**0.5, 0], [0, 0, 6.2]])
    sites = [[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0.5], [1 / 3, 2 / 3, 0.38], [2 / 3, 1 / 3, 0.88]]
    return standard_crystal(lattice, sites, [30, 30, 16, 16], source="ZnS")


def test_vibration_and_absorption_by_element_change_the_patterns_and_not_their_row():
    by_element = {"g_max_inv_angstrom": 2.0, "debye_waller_angstrom2": "by_element", "temperature_kelvin": 600,
                  "absorption": "thermal_diffuse"}
    config = CONFIG.model_copy(update={"multislice": parse_config(by_element, MultisliceConfig, source="a test")})
    (new,), row = simulate_stacks(wurtzite(), config, beam_energy_kev=100.0, partition="test")
    (old,), other = simulate_stacks(wurtzite(), CONFIG, beam_energy_kev=100.0, partition="test")
    assert (new.sum(axis=(1, 2)) > 0.05).all() and np.abs(new - old).sum() > 0.05 * old.sum()
    assert row.zone_axis_uvw.tolist() == other.zone_axis_uvw.tolist()
    assert resimulate(config, str(row.provenance[0])).tolist() == new.tolist()


def test_a_stack_and_its_row():
    (stack,), row = simulate_stacks(wurtzite(), CONFIG, beam_energy_kev=100.0, partition="test")
    assert stack.shape == (3, 16, 16) and stack.dtype == np.float32
    assert (stack >= 0).all() and (stack.sum(axis=(1, 2)) > 0.05).all() and (stack.sum(axis=(1, 2)) < 1).all()
    assert row.space_group[0] == 186 and row.structure_type[0] == "186_AB_b_b" and row.partition[0] == "test"
    np.testing.assert_allclose(row.cell_angles_degree[0], [90, 90, 120], atol=1e-6)
    np.testing.assert_allclose(row.cell_lengths_angstrom[0], [3.8, 3.8, 6.2], atol=1e-6)
    assert [0, 0, 1] in row.zone_axis_uvw[0].tolist()
    # wavelength at 100 keV: 0.037014 angstrom; the aperture is 0.475 of the shortest visible |g|
    np.testing.assert_allclose(row.convergence_semi_angle_mrad[0],
                               1e3 * 0.475 * 0.037014 * row.shortest_g_inv_angstrom[0], rtol=1e-4)
    np.testing.assert_allclose(row.pixel_size_inv_angstrom[0], row.shortest_g_inv_angstrom[0] * 4 / 16)
    assert (np.abs(row.thickness_angstrom[0] - 60) < 5).all()
    provenance = json.loads(row.provenance[0])
    assert provenance["crystal"]["source"] == "ZnS" and len(provenance["slope"]) == 3


def test_a_stack_is_made_again_from_its_row_alone():
    (stack,), row = simulate_stacks(wurtzite(), CONFIG, beam_energy_kev=100.0)
    np.testing.assert_array_equal(resimulate(CONFIG, str(row.provenance[0])), stack)
    with pytest.raises(InputError, match="provenance"):
        resimulate(CONFIG, '{"generator": "x"}')


def test_a_crystal_beyond_the_budget_is_refused():
    assert refusal(wurtzite(), CONFIG) is None
    assert "steps, more than 10" in refusal(wurtzite(), CONFIG.model_copy(update={"maximum_steps": 10.0}))


@pytest.mark.slow
def test_stage_from_prototypes(tmp_path: Path, in_process: None):
    out = simulate(CONFIG, out=tmp_path / "stacks.h5", workers=1)
    with StackFile(out) as file:
        assert file.pose == "canonical" and file.detector.unit == "shortest_g"
        assert file.detector.pixel_size == pytest.approx(4 / 16)
        assert sorted(zip(file.table.space_group.tolist(), file.table.partition.tolist(), strict=True)) == [
            (216, "test"), (216, "train"), (216, "train"), (225, "test"), (225, "train"), (225, "train")]
        fresh = resimulate(CONFIG, str(file.table.provenance[4]))
        np.testing.assert_array_equal(file.read([4])[0], round_mantissa(fresh, CONFIG.mantissa_bits))
        first = file.digest
    assert not (tmp_path / "stacks.h5.parts").exists()
    modified = out.stat().st_mtime_ns
    assert simulate(CONFIG, out=out, workers=1) == out and out.stat().st_mtime_ns == modified
    with pytest.raises(InputError, match="config_digest"):
        simulate(CONFIG.model_copy(update={"seed": 1}), out=out, workers=1)
    with StackFile(simulate(CONFIG, out=tmp_path / "again.h5", workers=1)) as again:
        assert again.digest == first


@pytest.mark.slow
def test_a_crystal_that_fails_is_replaced_and_listed(tmp_path: Path, in_process: None, fragile):
    with StackFile(simulate(CONFIG, out=tmp_path / "stacks.h5", workers=1)) as file:
        victim = fragile.victims[0]["crystal"]
        assert len(file) == 6 and victim["material"] not in file.table.material
        tested = (file.table.space_group == victim["space_group"]) & (file.table.partition == "test")
        assert file.table.structure_type[tested].tolist() == [victim["structure_type"]]
        assert victim["material"] in [material for material, _ in file.provenance["passed_over"]]
    report = read_json(tmp_path / "stacks.h5.report.json")
    assert report["failed"] == {victim["material"]: "disk: must be visible; found none. Thicken it."}
    assert report["jobs"] == 6 and set(report["groups"]) == {"216", "225"}
    assert report["core_seconds"] > 0 and report["wall_seconds"] > 0


@pytest.mark.slow
def test_a_crystal_that_fails_is_left_out_where_the_configuration_says_so(tmp_path: Path, in_process: None, fragile):
    config = CONFIG.model_copy(update={"failing": "left_out"})
    with StackFile(simulate(config, out=tmp_path / "stacks.h5", workers=1)) as file:
        victim = fragile.victims[0]["crystal"]["material"]
        assert len(file) == 5 and victim not in file.table.material
        assert [victim, "disk: must be visible; found none. Thicken it."] in file.provenance["passed_over"]
    assert read_json(tmp_path / "stacks.h5.report.json")["jobs"] == 5


@pytest.mark.slow
def test_a_damaged_shard_is_named_and_made_again(tmp_path: Path, in_process: None, salts: Path):
    out, merge = tmp_path / "stacks.h5", stage.merge
    def spoil(target, manifest, config, parts, share):
        shard = parts.shard("unit-00001-0")
        shard.write_bytes(shard.read_bytes()[:-200])
        merge(target, manifest, config, parts, share)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(InputError, match="shard must be intact"):
        patch.setattr(stage, "merge", spoil)
        simulate(CONFIG, out=out, workers=1, crystals=salts)
    assert not out.exists()
    with StackFile(simulate(CONFIG, out=out, workers=1, crystals=salts)) as file:
        assert sorted(file.table.formula) == ["ClK", "ClNa", "FNa", "MgO"]


@pytest.mark.slow
def test_how_many_stacks_are_merged_at_once_does_not_change_the_file(tmp_path: Path, in_process: None, salts: Path,
                                                                     monkeypatch: pytest.MonkeyPatch):
    digests = []
    for block in (1024, 3):
        monkeypatch.setattr(merging, "BLOCK", block)
        with StackFile(simulate(CONFIG, out=tmp_path / f"{block}.h5", workers=1, crystals=salts)) as file:
            digests.append(file.digest)
            assert len(file) == 4 and file.read(range(4)).any(axis=(1, 2, 3)).all()
    assert digests[0] == digests[1]


@pytest.mark.slow
def test_doubled_cif_materials_are_listed_and_not_repeated(tmp_path: Path, in_process: None, salts: Path):
    (salts / "again.cif").write_text((salts / "NaCl.cif").read_text().replace("5.64", "5.70"))
    with StackFile(simulate(CONFIG, out=tmp_path / "stacks.h5", workers=1, crystals=salts)) as file:
        assert len(file) == 4 and "same formula" in file.provenance["passed_over"][0][1]
    (salts / "KCl.cif").unlink()
    with pytest.raises(InputError, match="inputs may not change"):
        simulate(CONFIG, out=tmp_path / "stacks.h5", workers=1, crystals=salts)


@pytest.mark.slow
def test_killed_and_resumed_gives_the_same_file(tmp_path: Path, salts: Path):
    script = tmp_path / "produce.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom cbedgan.simulate.simulate import simulate\n"
        "from cbedgan.simulate.cbed.stack import SimulateConfig\n"
        "if __name__ == '__main__':\n"
        "    config = SimulateConfig.model_validate_json(Path(sys.argv[1]).read_text())\n"
        "    simulate(config, out=Path(sys.argv[2]), workers=1, crystals=Path(sys.argv[3]))\n")
    settings = tmp_path / "config.json"
    settings.write_text(CONFIG.model_dump_json())
    out, parts = tmp_path / "killed.h5", tmp_path / "killed.h5.parts"
    command = [sys.executable, str(script), str(settings), str(out), str(salts)]
    killed(command, lambda: list(parts.glob("unit-*.json")))
    finished_units = {path: path.stat().st_mtime_ns for path in parts.glob("unit-*.json")}
    assert finished_units and not out.exists()
    finished = simulate(CONFIG, out=tmp_path / "whole.h5", workers=2, crystals=salts)
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    with StackFile(finished) as whole, StackFile(out) as resumed:
        assert whole.digest == resumed.digest and len(whole) == len(SALTS)
        whole.verify()


def test_views_are_files_of_their_own_with_the_same_samples(tmp_path, in_process):
    rings = {**CONFIG.detector.model_dump(), "directions_across": {"ring_drift_angstrom": 1.0}}
    specimen = {"tilt_mrad": 1.0, "probe_angstrom": 100.0, "wedge_degree": 3.0}
    views = [{"name": "tilted", "specimen": specimen}, {"name": "large", "size_pixels": 24}]
    config = parse_config({**CONFIG.model_dump(mode="json"), "detector": rings, "views": views}, SimulateConfig,
                          source="a test")
    out = simulate(config, out=tmp_path / "set.h5", workers=1)
    paths = [out, tmp_path / "set.tilted.h5", tmp_path / "set.large.h5"]
    plain, tilted, large = files = [StackFile(path) for path in paths]
    assert tilted.table.sample_id.tolist() == plain.table.sample_id.tolist() == large.table.sample_id.tolist()
    assert plain.plan_digest == tilted.plan_digest == large.plan_digest
    assert [file.read([0]).shape[-1] for file in files] == [16, 16, 24] and tilted.identity.condition == "tilted"
    assert "specimen" in str(tilted.table.provenance[0]) and "specimen" not in str(plain.table.provenance[0])
    assert not np.array_equal(plain.read([0]), tilted.read([0]))
    np.testing.assert_array_equal(plain.table.shortest_g_inv_angstrom, tilted.table.shortest_g_inv_angstrom)
    # A view does not depend on the others.
    fewer = parse_config({**config.model_dump(mode="json"), "views": views[:1]}, SimulateConfig, source="a test")
    simulate(fewer, out=tmp_path / "fewer.h5", workers=1)
    with StackFile(tmp_path / "fewer.tilted.h5") as alone:
        np.testing.assert_array_equal(alone.read([0, 1]), tilted.read([0, 1]))


def test_a_tilted_pattern_turns_into_itself_about_the_recorded_place_of_its_zone_axis():
    specimen = {"tilt_mrad": 3.0}
    detector = {**CONFIG.detector.model_dump(), "directions_across": {"ring_drift_angstrom": 0.7}, "size_pixels": 64}
    config = parse_config({**CONFIG.model_dump(mode="json"), "detector": detector,
                           "views": [{"name": "tilted", "specimen": specimen}]}, SimulateConfig, source="a test")
    (_, _), (stacks, table) = simulate_every_view(rock_salt(), config, beam_energy_kev=100.0)
    place = torch.tensor(json.loads(str(table.provenance[0]))["zone_axis_pixels"])
    assert place.norm(dim=1).max() > 0.5
    pixel = torch.stack(torch.meshgrid(*(torch.arange(64) - 31.5,) * 2, indexing="xy"), -1)

    def unlikeness(about: torch.Tensor) -> float:  # of the direct disk and its half turn, on pixels well within both
        image = 2 * about[:, None, None] - pixel
        turned = F.grid_sample(torch.from_numpy(stacks[0])[:, None], image / 32, align_corners=False)[:, 0]
        within = (pixel.norm(dim=-1) < 4) & (image.norm(dim=-1) < 4)
        difference = torch.from_numpy(stacks[0]) - turned
        return float((difference * within).abs().sum() / (torch.from_numpy(stacks[0]) * within).sum())

    assert unlikeness(place) < 0.1 * unlikeness(-place)


def test_a_view_under_a_condition_is_the_copy_that_networks_are_judged_by():
    config = parse_config({**CONFIG.model_dump(mode="json"), "views": [{"name": "poor", "condition": "poor"}]},
                          SimulateConfig, source="a test")
    (clean, row), (noisy, measured) = simulate_every_view(wurtzite(), config, beam_energy_kev=100.0)
    expected = measured_copy(torch.from_numpy(clean), row.sample_id, CONDITIONS["poor"], seed=JUDGED_SEED)
    np.testing.assert_array_equal(noisy, expected.numpy())
    np.testing.assert_array_equal(resimulate(config, str(measured.provenance[0])), noisy[0])
    with pytest.raises(InputError, match="view must be one"):
        resimulate(CONFIG, str(measured.provenance[0]))
    told = json.loads(str(measured.provenance[0]))["measured"]
    assert told["condition"] == "poor" and told["electrons"] == 1e5 and len(told["azimuth_degree"]) == 3
    assert "measured" not in json.loads(str(row.provenance[0]))
