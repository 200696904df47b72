"""Two builds: the same to the bit or nearly, a share, another condition, another plan and in what, damage."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifier.foundation.config import digest
from classifier.foundation.errors import InputError
from classifier.inspection.against import compare_builds, relative_l1
from classifier.inspection.catalog import catalog
from classifier.samples.stackfile import SampleTable, StackFile, write_stack_file
from tiny import frame_of

CONFIG: dict[str, Any] = {"seed": 0, "detector": {"size_pixels": 16, "pose": "canonical"}}


@pytest.fixture
def build(tiny_stack_file: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Factory of builds of a plan of 24 samples.

    factor: {row: what its second pattern is multiplied by}; rows: of the plan, all; lattice: {row: constant}.
    """
    tiny = StackFile(tiny_stack_file(cells=True))

    def write(name: str, *, rows: slice = slice(None), factor: dict[int, float] | None = None,
              lattice: dict[int, float] | None = None, table: dict[str, Any] | None = None,
              config: dict[str, Any] = CONFIG, inputs: dict[str, Any] | None = None, **provenance: Any) -> Path:
        stacks, n = tiny.read(np.arange(len(tiny))), len(tiny)
        for row, by in (factor or {}).items():
            stacks[row, 1] *= np.float32(by)
        crystals = [{"lattice": (np.eye(3) * (lattice or {}).get(row, 4.0)).tolist(), "sites": [[0, 0, 0]],
                     "numbers": [14]} for row in range(n)]
        columns = {**tiny.table.columns(), "provenance": [json.dumps({"crystal": crystal}) for crystal in crystals]}
        write_stack_file(tmp_path / name, stacks[rows], SampleTable.build(n, **columns | (table or {})).take(
            np.arange(n)[rows]), **frame_of(tiny), provenance={
                "stage": "simulate", "config": config, "config_digest": digest(config), "inputs": inputs or {},
                **provenance})
        return tmp_path / name
    return write


def test_equal_builds(build):
    found = compare_builds(build("a.h5"), build("b.h5"))
    assert (found.relation, found.agree, found.samples) == ("the same plan", True, (24, 0, 0))
    assert found.distances.equal == 24 and found.distances.largest == 0 and found.distances.worst == ()
    assert found.verdict() == "Builds of one set; all patterns are equal to the bit."


def test_last_bits_are_within_the_tolerance_and_more_is_not(build):
    near = compare_builds(build("a.h5", factor={3: 1 + 2e-5}), build("b.h5"))
    assert near.agree and near.distances.equal == 23 and near.distances.patterns == 72
    assert near.distances.largest == pytest.approx(2e-5, rel=0.02) and near.distances.median == 0
    assert "agree within 0.0001" in near.verdict()
    far = compare_builds(build("c.h5", factor={3: 1.0003, 5: 1.01}), build("b.h5"))
    assert not far.agree and far.distances.beyond == 2 and far.relation == "the same plan"
    assert far.distances.worst[0] == ("simulated-0005", 2, pytest.approx(0.01, rel=0.01))
    assert "2 samples differ by more than 0.0001" in far.verdict() and not far.differences
    assert compare_builds(build("c.h5", factor={3: 1.0003, 5: 1.01}), build("b.h5"), tolerance=0.02).agree


def test_a_share_is_known_as_one_though_some_samples_are_its_own(build):
    whole = build("whole.h5", table={"sample_id": [f"simulated-{i:04d}" for i in range(22)] + ["x", "y"]})
    found = compare_builds(build("tenth.h5", rows=slice(16, 24), inputs={"share": "1/3"}), whole)
    assert (found.relation, found.samples, found.agree) == ("a share of one plan", (6, 2, 18), True)
    assert found.plans[0] != found.plans[1]
    # the other way round, and a part that nobody marked
    assert compare_builds(whole, build("first.h5", rows=slice(0, 5))).samples == (5, 19, 0)
    apart = compare_builds(build("b.h5"), whole)
    assert apart.relation == "another plan" and apart.differences == (
        f"Only {apart.paths[0]} has 2 samples (simulated-0022, simulated-0023).",
        f"Only {apart.paths[1]} has 2 samples (x, y).")


@pytest.mark.parametrize(("changes", "told"), [
    ({"config": {**CONFIG, "seed": 7}}, "config, seed: 7 against 0."),
    ({"config": {**CONFIG, "detector": {"size_pixels": 16}}}, "config, detector.pose: not set against canonical."),
    ({"lattice": {2: 4.01}}, "the crystals' lattice: another in 1 sample (simulated-0002)."),
    ({"table": {"beam_energy_kev": 80.0}}, "beam_energy_kev: another in 24 samples (simulated-0000, simulated-0001, "
                                           "simulated-0002, simulated-0003, simulated-0004, ...)."),
    ({"inputs": {"crystals": "f00"}}, "inputs, crystals: f00 against not set.")])
def test_another_plan_says_in_what(build, changes, told):
    found = compare_builds(build("a.h5", **changes), build("b.h5"))
    assert found.relation == "another plan" and found.differences == (told,) and not found.agree
    assert found.verdict() == "These are not two builds of one set." and found.distances.largest == 0


def test_another_condition_of_one_plan_is_another_set_of_patterns(build):
    found = compare_builds(build("a.h5", condition="tilted"), build("b.h5"))
    assert found.relation == "the same plan" and not found.agree
    assert found.differences == ("Another condition: tilted against none.",)


def test_columns_that_were_measured_are_only_remarked_on(build):
    turned = {"azimuth_rad": np.where(np.arange(24)[:, None] == 4, 0.5, 0.0) * np.ones(3)}
    found = compare_builds(build("a.h5", table=turned), build("b.h5", table={"azimuth_rad": 0.0}))
    assert found.agree and found.remarks == ("azimuth_rad differs in 1 sample (simulated-0004), by up to 0.5.",)


def test_files_without_a_plan_are_compared_by_sample_ids(tiny_stack_file, build):
    one, other = tiny_stack_file(), tiny_stack_file(seed=1)
    found = compare_builds(one, other)
    assert found.relation == "no plan" and not found.agree and "without a plan" in found.verdict()
    assert found.distances.beyond == 24
    half = compare_builds(one, build("a.h5"))
    assert half.differences == (f"Only {half.paths[1]} has a plan.",)


def test_other_sizes_have_no_distance_and_no_shared_sample_is_an_error(tiny_stack_file, build, tmp_path):
    small = compare_builds(tiny_stack_file(size=8), tiny_stack_file())
    assert small.distances is None and small.differences[0].startswith("Another detector: ") and not small.agree
    with pytest.raises(InputError, match="no sample id in both"):
        compare_builds(build("a.h5", table={"sample_id": [f"s{i}" for i in range(24)]}), build("b.h5"))


def test_a_dark_pattern_is_far_from_any_other():
    dark, light = np.zeros((1, 3, 2, 2), np.float32), np.ones((1, 3, 2, 2), np.float32)
    assert (relative_l1(dark, dark) == 0).all() and np.isinf(relative_l1(light, dark)).all()
    assert (relative_l1(dark, light) == 1).all()


def test_files_of_one_plan_are_one_set_in_a_catalog(build, tmp_path):
    found = catalog([build("a.h5"), build("b.h5", condition="tilted", factor={row: 2.0 for row in range(24)})],
                    verify=False, split=None)
    assert not any("more than one file" in finding or "Builds of" in finding for finding in found.findings)
    twice = catalog([build("a.h5"), build("c.h5", factor={1: 1.001})], verify=False, split=None)
    assert any(finding.startswith("Builds of one set") for finding in twice.findings)
