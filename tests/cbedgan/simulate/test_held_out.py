"""A set apart from the held-out parts of a split: what is refused, and that the plan is filled all the same."""

import json
from pathlib import Path

import numpy as np
import pytest

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.plan import CrystalConfig, GroupQuota
from cbedgan.crystal.random_crystals import RandomCrystalConfig
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.held_out import HeldOut
from cbedgan.simulate.manifest import plan
from cbedgan.simulate.simulate import prepare_manifest
from classifier.foundation.config import load_config
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import Detector
from classifier.samples.sampletable import SampleTable
from classifier.samples.split import SplitConfig, split
from classifier.samples.stackfile import write_stack_file
from project import CONFIGS
from tiny import SPLIT

CRYSTALS = CrystalConfig(prototype_share=0.0, groups=(GroupQuota(space_group=221, train=6, test=0),),
                         random=RandomCrystalConfig(kind="random", maximum_primitive_atoms=8))
CONFIG = load_config(CONFIGS / "bench/random_crystals.toml", SimulateConfig).model_copy(update={"crystals": CRYSTALS})
IDENTITY = {"stage": "simulate", "config_digest": "0", "inputs": {}}


def planned(held_out: HeldOut | None = None) -> list[Crystal]:
    return [Crystal.from_record(job["crystal"]) for job in plan(CONFIG, None, IDENTITY, 1, held_out)["jobs"]]


@pytest.fixture(scope="module")
def first() -> list[Crystal]:
    """The plan as it is with nothing held out."""
    return planned()


@pytest.fixture
def held_out(first: list[Crystal], tmp_path: Path) -> HeldOut:
    """The types of two of these crystals lie in test and validation, one of another is in train."""
    some = {crystal.structure_type: crystal for crystal in first}
    parts = dict(zip(some, ("test", "validation", "train"), strict=False))
    rows = [(some[name], part) for name, part in parts.items()]
    table = SampleTable.build(
        len(rows), sample_id=[f"s{i}" for i in range(len(rows))], space_group=221, origin="simulated",
        material=[crystal.material for crystal, _ in rows], partition=[part for _, part in rows],
        structure_type=[crystal.structure_type for crystal, _ in rows], formula=[c.formula for c, _ in rows])
    stacks = tmp_path / "stacks.h5"
    write_stack_file(stacks, np.ones((len(rows), 3, 8, 8), np.float32), table, detector=Detector(8, 0.5, "shortest_g"),
                     pose="canonical", intensity_unit="1", provenance={})
    return HeldOut.of(split(SplitConfig(**SPLIT), stacks=stacks, out=tmp_path / "split.json"), stacks)


def test_only_what_is_held_out_is_refused(first: list[Crystal], held_out: HeldOut):
    types = list(dict.fromkeys(crystal.structure_type for crystal in first))
    refused = {crystal.structure_type for crystal in first if held_out.reason(crystal)}
    assert len(types) >= 3 and {types[0], types[1]} <= refused and types[2] not in refused
    named = HeldOut(frozenset(), frozenset({(221, first[0].formula), (225, first[1].formula)}), "")
    assert first[0].formula in str(named.reason(first[0])) and named.reason(first[1]) is None


def test_the_plan_is_filled_with_others(first: list[Crystal], held_out: HeldOut):
    others = planned(held_out)
    assert len(others) == len(first) and not any(held_out.reason(crystal) for crystal in others)
    assert any(held_out.reason(crystal) for crystal in first)


def test_it_is_another_set(held_out: HeldOut, tmp_path: Path):
    out = tmp_path / "set.h5"
    inputs = prepare_manifest(CONFIG, out=out, workers=1, held_out=held_out)["inputs"]
    assert held_out.split_digest in json.dumps(inputs)
    with pytest.raises(InputError):
        prepare_manifest(CONFIG, out=out, workers=1)
