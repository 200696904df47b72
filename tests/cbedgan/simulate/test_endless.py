"""Crystals without end: each stack is a new crystal of its group, none is held out, and a training learns from them."""

import json
import tomllib
from typing import Any

import numpy as np
import pytest

from cbedgan.crystal.crystals import Crystal
from cbedgan.simulate.cbed.stack import resimulate
from cbedgan.simulate.endless import EndlessConfig, EndlessCrystals
from cbedgan.simulate.engine import engine_of
from cbedgan.simulate.held_out import HeldOut
from classifier.foundation.config import digest, parse_config
from classifier.foundation.errors import InputError
from classifier.foundation.workers import worker_pool
from classifier.samples.split import SplitConfig, split
from project import CONFIGS
from running import verb
from tiny import ARM, SPLIT, merged, toml

SMALL: dict[str, Any] = {
    "detector": {"size_pixels": 16}, "thickness_angstrom": 60.0, "render": {"most_beams": 40},
    "stream": {"block": 8, "images_per_block": 32, "view_shares": {"axis": 1.0, "tilted": 1.0}},
    "crystals": {"random": {"kind": "natural", "maximum_primitive_atoms": 6, "attempts": 40}}}


def content(**changes: Any) -> dict[str, Any]:
    return merged(merged(tomllib.loads((CONFIGS / "bench/endless.toml").read_text(encoding="utf-8")), SMALL), changes)


def crystals(apart: HeldOut | None = None, **changes: Any) -> EndlessCrystals:
    return EndlessCrystals(parse_config(content(**changes), EndlessConfig, source="test"), {225: 1.0, 166: 1.0}, apart,
                           "test")


def drawn(source: EndlessCrystals, n: int) -> tuple[list[Crystal], int]:
    """Crystals of group 225, and how many were passed over for them."""
    stacks = [source.draw(225, np.random.default_rng([0, k])) for k in range(n)]
    records = [json.loads(one.row.provenance[0])["crystal"] for one in stacks]
    return [Crystal.from_record(record) for record in records], sum(one.passed_over for one in stacks)


def test_the_file_is_the_physics_of_the_benchmark():
    ours, theirs = (tomllib.loads((CONFIGS / f"bench/{name}.toml").read_text()) for name in ("endless", "cbed_lt_2"))
    assert {key: ours[key] for key in ("multislice", "detector", "thickness_angstrom", "randomised", "zone_axis_rule",
                                       "maximum_steps")}.items() <= theirs.items()
    assert ours["views"] == theirs["views"][:1]
    assert ours["crystals"]["random"] == theirs["crystals"]["random"]


@pytest.mark.slow
def test_a_stack_is_a_new_crystal_of_its_group_in_one_of_the_views_and_the_same_in_every_process():
    source = crystals()
    stacks = [source.draw(166, np.random.default_rng([1, k])) for k in range(6)]
    told = [json.loads(one.row.provenance[0]) for one in stacks]
    assert len({one.row.material[0] for one in stacks}) > 3 and {one.row.space_group[0] for one in stacks} == {166}
    assert {one.get("view", "axis") for one in told} == {"axis", "tilted"}
    assert all(one.intensity.shape == (3, 16, 16) and one.intensity.max() > 0 for one in stacks)
    again = resimulate(source.config, stacks[3].row.provenance[0], engine=engine_of(source.config))
    assert np.array_equal(again, stacks[3].intensity)
    with worker_pool(1) as pool:
        there = pool.submit(source.draw, 166, np.random.default_rng([1, 3])).result()
    assert np.array_equal(there.intensity, stacks[3].intensity) and there.row.material == stacks[3].row.material


@pytest.mark.slow
def test_what_the_split_holds_out_never_appears_and_is_counted():
    (first, *_, last), none = drawn(crystals(), 5)
    apart = crystals(HeldOut(frozenset({(225, first.structure_type)}), frozenset({(225, last.formula)}), "0"))
    kept, passed_over = drawn(apart, 5)
    assert none == 0 and passed_over >= 2
    assert all(one.structure_type != first.structure_type and one.formula != last.formula for one in kept)
    assert apart.record() != crystals().record() and digest(crystals().record()) == digest(crystals().record())


def test_a_group_that_cannot_be_drawn_is_named():
    source = crystals(stream={"maximum_random_atoms": {"230": 3}})
    with pytest.raises(InputError, match=r"space group 230: every group must be drawn; found 40 draws in vain"):
        source.draw(230, np.random.default_rng(0))


@pytest.mark.parametrize("changes, fault", [
    ({"stream": {"blok": 3}}, "stream.blok"), ({"stream": {"view_shares": {"large": 1.0}}}, "must name some of axis"),
    ({"stream": {"view_shares": {"axis": 0.0, "tilted": 0.0}}}, "not all with 0"),
    ({"views": [{"name": "tilted", "size_pixels": 32}]}, "pixels of one size"),
    ({"crystals": {"random": {"kind": "prototypes"}}, "stream": {"maximum_random_atoms": {"225": 9}}}, "sized cells"),
    ({"crystals": {"groups": [{"space_group": 225, "train": 1, "test": 1}]}}, "crystals.groups must be empty")])
def test_a_configuration_that_cannot_work_is_refused(changes, fault):
    with pytest.raises(InputError, match=fault):
        parse_config(content(**changes), EndlessConfig, source="test")


def test_without_a_source_there_is_no_stream():
    bare = content()
    del bare["crystals"]["random"]
    with pytest.raises(InputError, match="crystals.random must say"):
        parse_config(bare, EndlessConfig, source="test")


@pytest.mark.slow
@pytest.mark.parametrize("held_out", ["passed_over", "allowed"])
def test_the_verb_trains_on_them(tiny_stack_file, tmp_path, held_out):
    stacks = tiny_stack_file(space_groups=(166, 225))
    held = split(SplitConfig(**SPLIT), stacks=stacks, out=tmp_path / "split.json")
    (tmp_path / "clf.toml").write_text(toml(ARM))
    tables = content(stream={"held_out": held_out, "group_shares": {"225": 3.0}})
    views = tables.pop("views")
    (tmp_path / "crystals.toml").write_text(toml(tables) + "\n[[views]]\n" + toml(views[0], "views."))
    given = ["--stacks", stacks, "--split", held, "--crystals", tmp_path / "crystals.toml", "--workers", 1]
    assert verb("train-clf", "--config", tmp_path / "clf.toml", *given, "--out", tmp_path / "run") == 0
    result = json.loads((tmp_path / "run/result.json").read_text())["crystals"]
    assert result["blocks"] == 2 and result["stacks"] == 16 and result["mean_uses"] == 12 / 16
    assert result["source"]["config"]["stream"]["held_out"] == held_out
    assert ("apart from the held-out parts of the split" in result["source"]) == (held_out == "passed_over")
    path = tmp_path / "crystals.toml"
    path.write_text(path.read_text().replace("225 = 3.0", "226 = 3.0"))
    assert verb("train-clf", "--config", tmp_path / "clf.toml", *given, "--out", tmp_path / "other") == 2
