import json

import numpy as np
import pytest

from cbedgan.study.added import added_numbers, added_path, alike, write_added
from cbedgan.study.study_config import StudyConfig
from classifier.foundation.errors import InputError
from classifier.samples.dataset import check_added_source
from classifier.samples.split import load_split
from classifier.samples.stackfile import SampleTable, StackFile


def table_of(*counts: tuple[int, str, int]) -> SampleTable:
    """Rows of (space group, kind, number)."""
    groups, kinds = zip(*[(group, kind) for group, kind, number in counts for _ in range(number)], strict=True)
    return SampleTable.build(len(groups), space_group=list(groups),
                             provenance=[json.dumps({"kind": kind}) for kind in kinds])


MADE = table_of((225, "boundary", 5), (225, "interior", 2), (194, "boundary", 4), (194, "interior", 9),
                (14, "interior", 4))
MATERIALS = {14: 150, 194: 20, 225: 3, 216: 5}


def numbers(study_config, **changes) -> dict:
    tables = {"made": MADE, "duplicated": table_of((225, "", 3), (194, "", 20), (14, "", 150))}
    return added_numbers(study_config(**changes), tables, MATERIALS)


def test_arms_of_one_number_get_the_fewest_that_any_can_give(study_config):
    found = numbers(study_config)
    assert found == {"nothing": {}, "boundary": {225: 2, 194: 3}, "interior": {225: 2, 194: 3}, "plain": {}}
    assert alike(study_config()) == [["boundary", "interior"]]
    apart = numbers(study_config, equal_numbers=False)
    assert apart["boundary"] == {225: 3, 194: 3} and apart["interior"] == {225: 2, 194: 3, 14: 3}


def test_duplicates_come_as_often_as_asked_and_only_to_the_shots_that_get_any(study_config):
    found = numbers(study_config, arms={
        "again": {"label": "again", "source": "duplicated", "number": 7, "shots": ["few"]},
        "once": {"label": "once", "source": "duplicated", "shots": ["many"]}})
    assert found["again"] == {225: 7, 194: 7} and found["once"] == {14: 150}
    assert found["boundary"] == {225: 2, 194: 3}  # other shots: another family


def test_an_arm_of_all_is_cut_by_no_other(study_config):
    found = numbers(study_config, arms={"all": {"label": "all", "source": "made", "kind": "boundary"}})
    assert found["all"] == {225: 5, 194: 4} and found["boundary"] == {225: 2, 194: 3}


def test_an_arm_that_adds_nothing_is_named(study_config):
    with pytest.raises(InputError, match="arms.hard.*none of kind hard"):
        numbers(study_config, arms={"hard": {"label": "hard", "source": "made", "kind": "hard"}})


def test_files_hold_what_was_planned_each_draw_its_own(study_config, split_stacks, synthetic_file, tmp_path):
    stacks, split_path = split_stacks
    config: StudyConfig = study_config({
        "shuffled": {"label": "s", "source": "made", "kind": "boundary", "number": 3, "shuffled": True},
        "again": {"label": "d", "source": "duplicated", "number": 3}, "all": {"label": "a", "source": "made"}},
        source_seeds=[4, 5, 6])
    with StackFile(stacks) as real, StackFile(synthetic_file) as made:
        held = load_split(split_path, stack_digest=real.identity)
        train = real.table.take(np.isin(real.table.sample_id, held.parts["train"]))
        counts = added_numbers(config, {"made": made.table, "duplicated": train}, {194: 4, 216: 4, 225: 4})
        write_added(config, counts, {"made": made, "duplicated": real}, held, tmp_path)
        before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "sources").iterdir()}
        write_added(config, counts, {"made": made, "duplicated": real}, held, tmp_path)
    assert before == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "sources").iterdir()}
    assert sorted(before) == sorted(["all-all.h5", *(f"{name}-draw{seed}.h5" for seed in (4, 5, 6)
                                                     for name in ("boundary", "interior", "shuffled", "again"))])
    tables = {}
    for name in ("boundary", "interior", "shuffled", "again", "all"):
        path = added_path(config, name, 1, tmp_path)
        assert check_added_source(path, held, stacks=stacks)
        with StackFile(path) as file:
            tables[name] = file.table
            assert dict(zip(*np.unique(file.table.space_group, return_counts=True), strict=True)) == counts[name]
    assert counts["again"] == counts["boundary"] == counts["interior"] == {225: 3, 194: 3}
    assert tables["shuffled"].sample_id.tolist() == tables["boundary"].sample_id.tolist()
    assert tables["shuffled"].space_group.tolist() != tables["boundary"].space_group.tolist()
    assert all(json.loads(text)["of"] in held.parts["train"] for text in tables["again"].provenance)
    with StackFile(added_path(config, "interior", 2, tmp_path)) as file:
        assert sorted(file.table.sample_id.tolist()) != sorted(tables["interior"].sample_id.tolist())
    assert added_path(config, "nothing", 1, tmp_path) is None
