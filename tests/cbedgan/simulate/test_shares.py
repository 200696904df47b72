"""A set by shares: dealt evenly, killed and merged, alone, with its reserve, and through submitit."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.plan import GroupQuota
from cbedgan.simulate import manifest as planning
from cbedgan.simulate import simulate as stage
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.manifest import Share, plan, replan, units_of
from cbedgan.simulate.parts import PartsFolder
from cbedgan.simulate.simulate import simulate
from cbedgan.simulate.units import simulate_job
from classifier.foundation.atomic import read_json
from classifier.foundation.config import load_config
from classifier.foundation.errors import InputError
from classifier.samples.stackfile import StackFile
from project import CONFIGS
from running import wait_for

pytestmark = pytest.mark.slow

DEMO = load_config(CONFIGS / "demo/simulate.toml", SimulateConfig)
CONFIG = DEMO.model_copy(update={
    "thickness_angstrom": 60.0,
    "multislice": DEMO.multislice.model_copy(update={"g_max_inv_angstrom": 2.0}),
    "detector": DEMO.detector.model_copy(update={"size_pixels": 16, "directions_across": 4}),
    "crystals": DEMO.crystals.model_copy(update={"maximum_primitive_atoms": 4, "groups": (
        GroupQuota(space_group=225, train=3, test=1, reserve=2), GroupQuota(space_group=216, train=2, test=2))})})
IDENTITY = {"stage": "simulate", "config_digest": "0", "inputs": {}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, run_here) -> Path:
    """The set in one go."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "run_units", run_here)
        return simulate(CONFIG, out=tmp_path_factory.mktemp("whole") / "set.h5", workers=1)


def content(path: Path) -> str:
    with StackFile(path) as file:
        file.verify()
        return file.digest


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", "1/3/4"])
def test_a_share_must_be_one_of_its_number(text):
    with pytest.raises(InputError, match="i/n"):
        Share.parse(text)


def test_units_part_the_jobs_and_each_share_holds_all_groups(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(planning, "LEAST_UNITS", 2)
    monkeypatch.setattr(planning, "JOBS_PER_UNIT", 3)
    manifest = plan(CONFIG, None, IDENTITY, 1)
    assert manifest["units"] == 4 and len(manifest["jobs"]) == 10
    shares = [units_of(manifest, Share(number, 4)) for number in (1, 2, 3, 4)]
    assert sorted(name for share in shares for jobs in share.values() for name in map(lambda job: job["name"], jobs)
                  ) == sorted(job["name"] for job in manifest["jobs"])
    for share in shares:
        assert {job["crystal"]["space_group"] for jobs in share.values() for job in jobs} == {216, 225}


def test_a_replacement_belongs_to_the_share_of_what_failed():
    manifest = plan(CONFIG, None, IDENTITY, 1)
    victim = next(job for job in manifest["jobs"] if job["crystal"]["space_group"] == 216)
    again = replan(manifest, {victim["crystal"]["material"]: "no disk"}, CONFIG, None, 1)
    before, after = ({job["name"]: (job["unit"], job["round"]) for job in each["jobs"]} for each in (manifest, again))
    (new,) = set(after) - set(before)
    assert set(before) - set(after) == {victim["name"]} and after[new] == (victim["unit"], 1)
    assert all(after[name] == before[name] for name in set(before) & set(after))
    assert [216, victim["crystal"]["material"], "no disk"] in again["passed_over"]
    kinds = Counter((job["crystal"]["space_group"], job["partition"]) for job in again["jobs"])
    assert kinds == {(225, "train"): 3, (225, "test"): 1, (225, "reserve"): 2, (216, "train"): 2, (216, "test"): 2}


def test_processes_plan_what_one_process_plans():
    assert ([job["name"] for job in plan(CONFIG, None, IDENTITY, 2)["jobs"]]
            == [job["name"] for job in plan(CONFIG, None, IDENTITY, 1)["jobs"]])


def test_the_reserve_lies_beside_the_set_and_the_report_counts_both(whole: Path):
    with StackFile(whole) as file, StackFile(whole.with_name("set.reserve.h5")) as reserve:
        assert Counter(file.table.partition.tolist()) == {"train": 5, "test": 3}
        assert len(reserve) == 2 and set(reserve.table.partition.tolist()) == {""}
        assert reserve.provenance["reserve"] is True and "reserve" not in file.provenance
        assert not set(reserve.table.material) & set(file.table.material)
    report = read_json(whole.with_name("set.h5.report.json"))
    assert report["jobs"] == 10 and report["groups"]["225"]["jobs"] == 6
    assert report["core_seconds"] == pytest.approx(sum(group["core_seconds"] for group in report["groups"].values()),
                                                   abs=0.05)


def test_a_share_alone_is_the_same_whoever_makes_it(tmp_path: Path, in_process: None, whole: Path):
    tenth = simulate(CONFIG, out=tmp_path / "a.h5", workers=1, share=Share(2, 3), alone=True)
    again = simulate(CONFIG, out=tmp_path / "b.h5", workers=1, share=Share(2, 3), alone=True)
    assert content(tenth) == content(again) and not (tmp_path / "a.h5.parts").exists()
    with StackFile(tenth) as part, StackFile(whole) as file:
        rows = [file.table.sample_id.tolist().index(name) for name in part.table.sample_id]
        assert 0 < len(rows) < len(file)
        np.testing.assert_array_equal(part.read(np.arange(len(part))), file.read(rows))
    with pytest.raises(InputError, match="inputs may not change"):
        simulate(CONFIG, out=tenth, workers=1)
    with pytest.raises(InputError, match="hold jobs of the set"):
        simulate(CONFIG, out=tmp_path / "none.h5", workers=1, share=Share(80, 80), alone=True)
    with pytest.raises(InputError, match="--merge: goes with --shard"):
        simulate(CONFIG, out=tmp_path / "none.h5", workers=1, alone=True)


def test_failures_of_a_share_are_replaced_when_merged(tmp_path: Path, in_process: None, fragile):
    out = tmp_path / "set.h5"
    for number in (1, 2):
        assert simulate(CONFIG, out=out, workers=1, share=Share(number, 2)) == tmp_path / "set.h5.parts"
    assert not out.exists()
    fragile.heal()
    with StackFile(simulate(CONFIG, out=out, workers=1)) as file:
        assert len(file) == 8 and fragile.victims[0]["name"] not in file.table.sample_id
        assert fragile.victims[0]["name"].startswith(file.provenance["passed_over"][0][0])


def test_a_device_must_be_there(tmp_path: Path):
    for device in ("tpu",) if torch.cuda.is_available() else ("tpu", "cuda"):
        with pytest.raises(InputError, match="--device: must be cpu"):
            simulate(CONFIG, out=tmp_path / "set.h5", workers=1, device=device)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_makes_nearly_the_same_set(tmp_path: Path, in_process: None, whole: Path):
    out = simulate(CONFIG, out=tmp_path / "set.h5", workers=1, device="cuda")
    with StackFile(out) as file, StackFile(whole) as other:
        rows = np.arange(len(file))
        difference = np.abs(file.read(rows) - other.read(rows)).sum((1, 2, 3))
        assert (difference < 5e-3 * other.read(rows).sum((1, 2, 3))).all() and file.provenance["inputs"] == {
            "device": "cuda"}


def test_nothing_works_beside_a_merge(tmp_path: Path):
    parts = PartsFolder(tmp_path / "set.h5")
    with parts.at_work(alone=False), parts.at_work(alone=False):
        with pytest.raises(InputError, match="another command at work"), parts.at_work(alone=True):
            pass
    with parts.at_work(alone=True), pytest.raises(InputError, match="another"), parts.at_work(alone=False):
        pass


SCRIPT = """
import sys
from pathlib import Path
from typing import Any
from cbedgan.simulate.manifest import Share
from cbedgan.simulate.simulate import simulate
from cbedgan.simulate.units import simulate_job
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
if __name__ == '__main__':
    config = SimulateConfig.model_validate_json(Path(sys.argv[1]).read_text())
    simulate(config, out=Path(sys.argv[2]), workers=1, share=Share.parse(sys.argv[3]))
"""


def test_two_shards_at_once_one_killed_and_a_merge_give_the_same_file(tmp_path: Path, whole: Path):
    script, settings, out = tmp_path / "produce.py", tmp_path / "config.json", tmp_path / "set.h5"
    script.write_text(SCRIPT)
    settings.write_text(CONFIG.model_dump_json())
    processes = [subprocess.Popen([sys.executable, str(script), str(settings), str(out), share],
                                  stderr=subprocess.DEVNULL) for share in ("1/2", "2/2")]
    first = PartsFolder(out).record("unit-00000-0")
    wait_for(first.exists, processes[0])
    processes[0].kill()
    processes[0].wait()
    assert processes[1].wait() == 0 and first.exists() and not out.exists()
    done = {path.name: path.stat().st_mtime_ns for path in first.parent.glob("unit-*.json")}
    assert {f"unit-{unit:05d}-0.json" for unit in (1, 3, 5, 7, 9)} < set(done)
    simulate(CONFIG, out=out, workers=1)
    assert content(out) == content(whole)
    assert content(out.with_name("set.reserve.h5")) == content(whole.with_name("set.reserve.h5"))


def test_an_array_of_jobs_through_submitit(tmp_path: Path, whole: Path):
    pytest.importorskip("submitit", reason="the extra slurm is not installed")
    from cbedgan.simulate.slurm import Cluster, submit
    out = tmp_path / "set.h5"
    jobs = submit(CONFIG, Cluster(shares=2, minutes=5, at_once=2, name="local"), out=out, workers=1)
    assert [job.result() for job in jobs] == [str(out.with_name("set.h5.parts"))] * 2
    assert content(simulate(CONFIG, out=out, workers=1)) == content(whole)
    with pytest.raises(InputError, match="the file is there"):
        submit(CONFIG, Cluster(shares=2, minutes=5, at_once=2, name="local"), out=out, workers=1)


def test_the_derivation_of_a_crystal_reaches_its_row(whole: Path):
    with StackFile(whole) as file:
        crystal = json.loads(file.table.provenance[0])["crystal"]
        assert set(file.table.derivation) == {""}  # this plan does not say
    job = {"name": "x", "beam_energy_kev": 100.0, "partition": "test", "crystal": crystal, "derivation": "real"}
    (_, rows), = simulate_job(job, CONFIG, "cpu")
    assert rows.derivation.tolist() == ["real"] and rows.partition.tolist() == ["test"]
    (_, rows), = simulate_job({key: value for key, value in job.items() if key != "derivation"}, CONFIG, "cpu")
    assert rows.derivation.tolist() == [""]


def test_a_new_job_finds_a_unit_where_no_place_is_vacant(monkeypatch: pytest.MonkeyPatch):
    """As where the real-derived crystals of a held-out part get more after another has failed."""
    manifest = planning.plan(CONFIG, None, IDENTITY, 1)
    victim = next(job for job in manifest["jobs"] if job["partition"] == "test")
    entries = [planning.PlannedCrystal(Crystal.from_record(job["crystal"]), job["partition"])
               for job in manifest["jobs"]
               if job["crystal"]["space_group"] == victim["crystal"]["space_group"] and job is not victim]
    stranger = replace(Crystal.from_record(victim["crystal"]), material="other")
    monkeypatch.setattr(planning, "plan_group", lambda *_: planning.CrystalPlan(
        [*entries, planning.PlannedCrystal(stranger, "validation", "real")], []))
    again = planning.replan(manifest, {victim["crystal"]["material"]: "failed"}, CONFIG, None, 1)
    new = next(job for job in again["jobs"] if job["name"].startswith("other"))
    assert 0 <= new["unit"] < again["units"] and new["round"] == 1 and new["derivation"] == "real"


def test_a_killed_plan_goes_on_after_the_groups_that_were_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    whole = plan(CONFIG, None, IDENTITY, 1, kept=tmp_path)
    again = plan(CONFIG, None, IDENTITY, 1, kept=tmp_path)
    assert again == whole  # seconds of planning included: nothing was planned anew
    last = CONFIG.crystals.groups[-1].space_group
    (tmp_path / f"{last}.json").unlink()
    asked = []

    def plan_group(quota: GroupQuota, *arguments: Any) -> planning.CrystalPlan:
        asked.append(quota.space_group)
        return plan_one_group(quota, *arguments)

    plan_one_group = planning.plan_group
    monkeypatch.setattr(planning, "plan_group", plan_group)
    assert plan(CONFIG, None, IDENTITY, 1, kept=tmp_path)["jobs"] == whole["jobs"] and asked == [last]
    asked.clear()
    other = CONFIG.model_copy(update={"seed": CONFIG.seed + 1})
    plan(other, None, {**IDENTITY, "config_digest": "another"}, 1, kept=tmp_path)
    assert asked == [quota.space_group for quota in CONFIG.crystals.groups]  # kept plans of another set are not taken
