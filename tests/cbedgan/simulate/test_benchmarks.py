"""The benchmark configurations: the groups and the imbalance they promise, and one set of crystals at both sizes."""

from pathlib import Path

import pytest

from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.simulate import simulate
from cbedgan.simulate.units import frame
from classifier.foundation.config import load_config
from classifier.foundation.errors import InputError
from project import CONFIGS

BENCH = CONFIGS / "bench"
LIU = [2, 4, 9, 11, 12, 13, 14, 15, 19, 33, 36, 47, 55, 58, 60, 61, 62, 63, 64, 65, 71, 87, 88, 122, 123, 129, 136, 139,
       140, 141, 148, 160, 164, 166, 167, 176, 186, 191, 194, 205, 216, 221, 225, 227, 230]


def load(name: str) -> SimulateConfig:
    return load_config(BENCH / f"{name}.toml", SimulateConfig)


def test_cbed_lt_has_the_groups_of_the_study_and_a_long_tail():
    groups = load("cbed_lt").crystals.groups
    assert sorted(quota.space_group for quota in groups) == LIU
    train = [quota.train for quota in groups]
    assert train == sorted(train, reverse=True) and (train[0], train[-1], sum(train)) == (330, 3, 2247)
    assert groups[0].space_group == 14 and {quota.space_group for quota in groups[-2:]} == {88, 122}
    assert all((quota.validation, quota.test) == (5, 15) for quota in groups)
    assert all(quota.reserve == (20 if quota.train <= 20 else 0) for quota in groups)


def test_the_finer_variant_has_the_same_crystals():
    coarse, fine = (load(name).model_dump() for name in ("cbed_lt", "cbed_lt_128"))
    assert fine["detector"].pop("size_pixels") == 2 * coarse["detector"].pop("size_pixels")
    assert fine["detector"].pop("samples_per_pixel") < coarse["detector"].pop("samples_per_pixel") and fine == coarse


@pytest.mark.parametrize("part, least", [("train", 3), ("validation", 2), ("test", 6)])
def test_cbed_lt230_has_all_groups(part: str, least: int):
    groups = load("cbed_lt230").crystals.groups
    assert sorted(quota.space_group for quota in groups) == list(range(1, 231))
    assert min(getattr(quota, part) for quota in groups) == least


def test_version_2_has_the_groups_and_training_counts_of_version_1():
    first, second = load("cbed_lt").crystals, load("cbed_lt_2").crystals
    assert [(q.space_group, q.train, q.reserve) for q in second.groups] == [
        (q.space_group, q.train, q.reserve) for q in first.groups]
    for quota in second.groups:
        assert (quota.test, quota.validation) == ((50, 10) if quota.train <= 20 else (15, 5))
    assert second.real_derived is not None and second.real_derived.drawn_types == 20
    assert second.real_derived.test >= 20 and second.real_derived.of_a_type >= 10


def test_version_2_of_all_groups_has_thirty_without_a_real_stack():
    first, second = load("cbed_lt230").crystals, load("cbed_lt230_2").crystals
    without = {quota.space_group for quota in second.groups if quota.train == 0}
    assert len(without) == 30 and {75, 151, 207, 228} <= without
    assert all(quota.reserve == 20 for quota in second.groups if quota.space_group in without)
    assert [(q.space_group, q.train) for q in second.groups] == [
        (q.space_group, 0 if q.space_group in without else q.train) for q in first.groups]


def test_version_2_of_all_groups_has_the_crystals_of_version_2_and_is_rendered_as_random_crystals_are():
    lt, all_groups, rendered = (load(name).model_dump() for name in ("cbed_lt_2", "cbed_lt230_2", "random_crystals_2"))
    assert all_groups["seed"] != lt["seed"] and all_groups["maximum_steps"] > lt["maximum_steps"]
    assert all_groups["distinct"] == lt["distinct"]
    for name in ("render", "multislice", "detector", "views"):
        assert all_groups[name] == rendered[name]
    for content in (lt["crystals"], all_groups["crystals"]):
        content.pop("groups"), content.pop("real_derived")
    # In a row in vain, after which types may come again: among 230 groups many have few types.
    assert all_groups["crystals"]["random"].pop("attempts") < lt["crystals"]["random"].pop("attempts")
    assert lt["crystals"] == all_groups["crystals"]


@pytest.mark.parametrize("version", ["", "_2"])
def test_crystals_from_files_are_measured_as_cbed_lt_is(version: str):
    benchmark, files = (load(f"{name}{version}").model_dump() for name in ("cbed_lt", "real_crystals"))
    assert files.pop("maximum_steps") > benchmark.pop("maximum_steps")
    for content in (benchmark, files):
        content.pop("crystals"), content.pop("seed")
    if version:  # the larger frame is cbed-lt's alone
        benchmark["views"] = benchmark["views"][:1]
    assert files == benchmark


def test_random_crystals_have_all_groups_alike_in_the_frame_of_cbed_lt():
    benchmark, added = load("cbed_lt"), load("random_crystals")
    assert [quota.space_group for quota in added.crystals.groups] == LIU
    assert {tuple(quota.sides().values()) for quota in added.crystals.groups} == {(0, 0, 20)}
    assert added.seed != benchmark.seed and added.crystals.prototype_share == 0
    assert frame(added) == frame(benchmark) and added.detector.pose == benchmark.detector.pose
    assert added.detector.aperture_radius == benchmark.detector.aperture_radius
    assert added.thickness_angstrom == benchmark.thickness_angstrom and added.distinct == benchmark.distinct


def test_a_configuration_without_groups_asks_for_files(tmp_path: Path):
    with pytest.raises(InputError, match="--crystals"):
        simulate(load("real_crystals"), out=tmp_path / "set.h5", workers=1)
    assert list(tmp_path.iterdir()) == []
