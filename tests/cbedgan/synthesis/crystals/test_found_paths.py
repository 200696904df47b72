"""From where to where a boundary is densified, as paths.json says."""

import json
from math import inf

import numpy as np
import pytest

from cbedgan.crystal.crystals import standard_crystal
from cbedgan.synthesis.crystals.found_paths import FoundPaths, Reach
from cbedgan.synthesis.crystals.synthesize_config import BothSidesConfig
from classifier.foundation.errors import InputError


def path(t_data, t_star, state, *, subgroup=166, a=4.0):
    crystal = standard_crystal(a * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], [55, 17], source="test")
    mode = {"steps": [[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]], "strain": np.zeros((3, 3)).tolist()}
    return {"space_group": 221, "subgroup": subgroup, "crystal": crystal.record(), "end_angstrom": 0.5,
            "mode": mode, "t_data": t_data, "t_star": t_star, "state": state}


def written(folder, paths, **changes):
    content = {"paths": paths, "provenance": {
        "split_digest": "ours", "inputs": {f"classifier {k}": name for k, name in enumerate("abc")},
        "config": {"paths": {"materials": 1}, "crystals": "drawn", **changes}}}
    (folder / "paths.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def folder(tmp_path):
    """Seen by two of three, by one, by none, denied by all; and another pair that all deny."""
    return written(tmp_path, [
        path(0.01, [0.02, 0.04, None], ["crossed", "crossed", "never"]),
        path(0.02, [None, 0.3, None], ["denied", "crossed", "never"], a=4.1),
        path(None, [None, None, None], ["never"] * 3, a=4.2),
        path(0.03, [None, None, None], ["denied"] * 3, a=4.3),
        path(0.04, [None, None, None], ["denied"] * 3, subgroup=123, a=4.3)])


def test_t_star_is_the_median_over_those_that_do_not_deny_the_group(folder):
    found = FoundPaths.read(folder, ["ours"], [])
    assert [one.reach for one in found.paths] == [(0.01, 0.04), (0.02, 0.3), (inf, inf), (0.03, inf), (0.04, inf)]
    assert [one.number for one in found.between(221, 123)] == [4] and found.classifiers == 0
    assert not found.between(123, 221) and not found.crystals(123, 221)


def test_a_crystal_that_leads_to_several_subgroups_is_of_one_of_them(tmp_path):
    never = {"t_data": None, "t_star": [None] * 3, "state": ["never"] * 3}
    found = FoundPaths.read(written(tmp_path, [path(**never, a=a, subgroup=subgroup) for a in (4.0, 4.1, 4.2)
                                               for subgroup in (166, 123)] + [path(**never, a=4.3)]), ["ours"], [])
    assert [[one.lattice[0, 0] for one in found.crystals(221, subgroup)] for subgroup in (123, 166)] == [
        [4.0, 4.2], [4.1, 4.3]]


def test_the_classifiers_named_decide_where_the_file_knows_them(folder):
    found = FoundPaths.read(folder, ["ours"], ["a", "elsewhere"])
    assert [one.reach.t_star for one in found.paths] == [0.02, 0.02, inf, 0.02, 0.02] and found.classifiers == 1


def test_a_pair_without_paths_takes_the_medians_of_all(folder):
    found = FoundPaths.read(folder, ["ours"], ["b"])
    assert found.typical((221, 123)) == (0.04, 0.3) and found.typical((221, 166)) == (0.02, 0.3)
    assert found.typical((225, 166)) == (0.03, 0.3)


@pytest.mark.parametrize("reach, end, expected", [
    ((0.01, 0.02), 1.0, (0.01, 0.06)), ((0.01, inf), 0.4, (0.01, 0.4)), ((0.03, 0.001), 1.0, (0.03, 0.09)),
    ((0.01, 0.2), 0.4, (0.01, 0.4)), ((inf, 0.1), 1.0, None), ((0.4, 0.1), 0.4, None)])
def test_distortions_lie_between_what_patterns_show_and_beyond_what_classifiers_see(reach, end, expected):
    assert Reach(*reach).interval(end, BothSidesConfig()) == (expected and pytest.approx(expected))


@pytest.mark.parametrize("reach, end, expected", [
    ((0.01, 0.02), 1.0, (0.1, 0.3)), ((0.2, 0.02), 1.0, (0.2, 0.6)), ((0.01, 0.02), 0.2, (0.1, 0.2)),
    ((0.01, 0.2), 1.0, (0.1, 0.6)), ((0.01, 0.02), 0.1, None)])
def test_no_distortion_is_less_than_the_least_that_is_asked_for(reach, end, expected):
    config = BothSidesConfig(least_angstrom=0.1)
    assert Reach(*reach).interval(end, config) == (expected and pytest.approx(expected))


def test_what_may_not_be_trained_on_is_refused(tmp_path):
    with pytest.raises(InputError, match="must be of this split"):
        FoundPaths.read(written(tmp_path, []), ["another"], [])
    with pytest.raises(InputError, match="held-out ones may not be trained on"):
        FoundPaths.read(written(tmp_path, [], crystals="test"), ["ours"], [])
