"""Sources of crystals: each built-in one fills a quota, and that of the guide makes a set and is counted."""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cbedgan.crystal.census import counts
from cbedgan.crystal.plan import CrystalConfig, plan_group
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from classifier.foundation.config import digest, load_config, parse_config
from classifier.foundation.errors import InputError
from classifier.foundation.registry import own_sources
from classifier.samples.stackfile import StackFile
from project import of_guide
from running import verb

TOML = """
seed = 1
thickness_angstrom = 60.0
[multislice]
g_max_inv_angstrom = 2.0
[detector]
size_pixels = 16
directions_across = 4
[crystals]
prototype_share = 0.0
groups = [{ space_group = 221, train = 2, test = 1 }]
[crystals.random]
kind = "our_crystals:Cubic"
edge_angstrom = 4.0
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of a set of a user's own crystals, where he works; its module's name occurs once a session."""
    module = f"crystals_{digest(str(tmp_path))[:8]}"
    (tmp_path / f"{module}.py").write_text(of_guide("own_crystal_source", "own_crystals.py"))
    (tmp_path / "simulate.toml").write_text(TOML.replace("our_crystals", module))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path / "simulate.toml"


@pytest.mark.slow
def test_a_set_is_simulated_from_a_users_own_source(own: Path):
    assert verb("simulate", "--config", own, "--out", "stacks.h5", "--workers", "1") == 0
    with StackFile(Path("stacks.h5")) as file:
        assert Counter(file.table.partition.tolist()) == {"train": 2, "test": 1}
        assert set(file.table.space_group.tolist()) == {221} and len(set(file.table.structure_type.tolist())) == 2
        assert '"source":"cubic of our own"' in file.table.provenance[0]
        config = load_config(own, SimulateConfig)
        assert file.provenance["inputs"] == own_sources(config) != {}  # with another module it is another set


def test_a_users_own_source_is_counted(own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.setattr(counts, "ALL_GROUPS", range(220, 222))
    monkeypatch.setattr(counts, "prototypes", lambda: ())
    monkeypatch.setenv("COLUMNS", "200")
    verb("crystals", "--config", own, "--tries", "3")
    (row,) = [line.split() for line in capsys.readouterr().out.splitlines() if ":Cubic, 3 tries" in line]
    assert row[-5:] == ["6", "1", "2", "0", "220"]


@pytest.mark.slow
def test_a_crystal_of_another_group_than_was_asked_for_is_no_crystal(own: Path):
    config = load_config(own, SimulateConfig).crystals
    quota = config.groups[0].model_copy(update={"space_group": 225})
    with pytest.raises(InputError, match="0 of 1 test, 0 of 2 train materials"):
        plan_group(quota, config, 0, lambda crystal: None)


def crystal_config(source: dict, **quota: int) -> CrystalConfig:
    return parse_config({"prototype_share": 0.0, "groups": [{"space_group": 225, **quota}], "random": source},
                        CrystalConfig, source="test")


def test_structure_files_fill_a_quota(tmp_path: Path, rock_salt_cif: Callable[..., str]):
    for anion in ("Cl", "Br", "I"):
        (tmp_path / f"{anion}.cif").write_text(rock_salt_cif(a=6.0, type_symbol=("Na", anion)))
    config = crystal_config({"kind": "files", "path": str(tmp_path)}, train=3, test=0)
    crystals, _ = plan_group(config.groups[0], config, 0, lambda crystal: None)
    assert {entry.crystal.formula for entry in crystals} == {"ClNa", "BrNa", "INa"}
    (name,), = [config.random.inputs()]
    assert name == f"crystals in {tmp_path}" and config.random.draw(221, np.random.default_rng(0)) is None


@pytest.mark.slow
def test_prototypes_are_a_source_too():
    config = crystal_config({"kind": "prototypes", "maximum_primitive_atoms": 4}, train=2, test=1)
    crystals, _ = plan_group(config.groups[0], config, 0, lambda crystal: None)
    assert len(crystals) == 3 and all("AFLOW prototype" in entry.crystal.source for entry in crystals)
    types = {entry.partition: entry.crystal.structure_type for entry in crystals}
    assert types["train"] != types["test"]


def test_larger_cells_go_with_random_crystals_only(tmp_path: Path):
    with pytest.raises(InputError, match="maximum_random_atoms goes with"):
        crystal_config({"kind": "files", "path": str(tmp_path)}, train=3, test=0, maximum_random_atoms=40)


def test_gas_is_another_name_of_the_random_source_and_grows_likewise():
    gas, random = (crystal_config({"kind": kind}, train=1, test=0, maximum_random_atoms=40)
                   for kind in ("gas", "random"))
    assert digest(gas) == digest(random)
    assert gas.random.of_at_most(40).maximum_primitive_atoms == 40
    assert digest(gas.random.of_at_most(gas.random.maximum_primitive_atoms)) == digest(random.random)
