import json
import re
import shutil

import numpy as np
import pytest

from cbedgan.study.study import plan_study, study
from classifier.foundation.errors import InputError
from classifier.samples.stackfile import StackFile, write_stack_file
from running import verb
from tiny import frame_of, toml


@pytest.fixture
def call(split_stacks, synthetic_file, tmp_path):
    stacks, split = split_stacks
    return {"stacks": stacks, "split": split, "sources": {"made": synthetic_file}, "out": tmp_path / "study"}


@pytest.fixture
def elsewhere(split_stacks, tmp_path):
    """Some stacks of the set under another name, with one of a group that no classifier knows."""
    path = tmp_path / "real_2.h5"
    with StackFile(split_stacks[0]) as file:
        table = file.table.take(np.arange(8))
        table.space_group[0] = 2
        write_stack_file(path, file.read(np.arange(8)), table, **frame_of(file), provenance={})
    return path


@pytest.mark.slow
def test_the_study_is_whole_alone_and_resumable(call, elsewhere, study_config, tmp_path):
    config = study_config(source_seeds=[4, 5, 6], conditions=["counted_1e4", "ideal"], equal_real="interior", arms={
        "adjusted": {"label": "adjusted", "post_hoc": {"kind": "logit_adjustment", "taus": [1.0]}}})
    path = study(config, **call, workers=1)
    report = json.loads((call["out"] / "report.json").read_text())
    assert {(place["where"], place["condition"]) for place in report["places"]} == {
        ("test", "counted_1e4"), ("test", "ideal")}
    assert [arm["stacks_added"] for arm in report["arms"].values()] == [0, 6, 6, 0, 0]
    assert {(row["arm"], row["reference"], row["shot"]) for row in report["contrasts"]} >= {
        ("boundary", "interior", "few"), ("adjusted", "nothing", "all")}
    assert report["arms"]["plain"]["recovery"] is None and report["arms"]["interior"]["recovery"] is None
    kept = [*call["out"].glob("runs/*/classifier.safetensors"), *call["out"].glob("heads/*/result.json"),
            *call["out"].glob("sources/*.h5")]
    before = [one.stat().st_mtime_ns for one in kept]
    assert len(kept) == 15 + 3 + 6
    (call["out"] / "report.json").unlink()
    study(config, **call, workers=1, elsewhere=[elsewhere])  # a file of other crystals may come later
    assert [one.stat().st_mtime_ns for one in kept] == before
    again, page = json.loads((call["out"] / "report.json").read_text()), path.read_text()
    assert {key: again[key] for key in ("primary", "contrasts", "arms")} == {
        key: report[key] for key in ("primary", "contrasts", "arms")}
    assert again["elsewhere"]["real_2"] | {"digest": ""} == {"digest": "", "stacks": 7, "left_out": 1, "of_known_types":
                                                             again["elsewhere"]["real_2"]["of_known_types"]}
    assert {(place["where"], place["condition"], place["samples"]) for place in again["places"]} >= {
        ("real_2", "counted_1e4", 7), ("real_2", "ideal", 7)}
    assert report["headline"] in page.replace("&#39;", "'") and page.count('src="data:image/png;base64,') == 2
    assert not re.search(r'src="(?!data:)|href=|url\(|@import|https?:', page)
    assert report["headline"] in (call["out"] / "study.txt").read_text()
    seeds = {json.loads(one.read_text())["inputs"].get("synthetic") for one in
             call["out"].glob("runs/boundary-seed*/run.json")}
    assert len(seeds) == 3  # each seed has a draw of its own

    changed = study_config(source_seeds=[4, 5, 6], conditions=["counted_1e4", "ideal"])  # other arms: another folder
    with pytest.raises(InputError, match="config_digest may not change"):
        study(changed, **call, workers=1)
    for folder in ("runs", "sources"):
        shutil.copytree(call["out"] / folder, tmp_path / "other" / folder)
    study(changed, **{**call, "out": tmp_path / "other"}, workers=1)
    trained = [one.relative_to(call["out"]) for one in kept if one.name == "classifier.safetensors"]
    assert all((tmp_path / "other" / one).stat().st_mtime_ns == (call["out"] / one).stat().st_mtime_ns
               for one in trained)  # what stayed the same was taken over


def test_a_plan_runs_nothing(call, study_config):
    told = plan_study(study_config(), **call)
    assert "4 arms x 3 seeds: 12 trainings, 0 of them finished, 576 stacks seen in all; one draw." in told
    assert "Equal numbers in every group: boundary, interior (3 in 2 groups)." in told
    assert "The question fixed beforehand: boundary stacks against interior stacks" in told
    assert not call["out"].exists()


@pytest.mark.parametrize("sources", [{}, {"other": 1}, {"made": 1, "other": 1}])
def test_sources_and_arms_name_the_same(call, study_config, sources):
    with pytest.raises(InputError, match="must name the sources of the arms: made"):
        plan_study(study_config(), **{**call, "sources": {name: call["stacks"] for name in sources}})


def test_stacks_of_the_test_part_are_no_source(call, study_config):
    with pytest.raises(InputError, match="an added source may share no material"):
        plan_study(study_config(), **{**call, "sources": {"made": call["stacks"]}})


@pytest.mark.parametrize("changes", [{"crystals": "real"}, {"shot": "many"}])
def test_a_question_that_the_test_part_cannot_answer_is_refused(call, study_config, changes):
    judgement = study_config().judgement.model_dump()
    primary = {**judgement["primary"], **{key: value for key, value in changes.items() if key == "shot"}}
    config = study_config(judgement={**judgement, "primary": primary}, crystals=changes.get("crystals", "all"))
    with pytest.raises(InputError, match=r"judgement\.primary\.shot: must be tested by"):
        plan_study(config, **call)


def test_the_verb_names_files_and_prints_the_plan(call, study_config, tmp_path, capsys):
    (tmp_path / "study.toml").write_text(toml(study_config().model_dump(mode="json", exclude_none=True)))
    named = ["study", "--config", tmp_path / "study.toml",
             *(part for key in ("stacks", "split", "out") for part in (f"--{key}", call[key]))]
    assert verb(*named, "--source", f"made={call['sources']['made']}", "--plan") == 0
    assert "12 trainings" in capsys.readouterr().out
    assert verb(*named, "--source", "made", "--plan") == 2
    assert "must be NAME=FILE" in capsys.readouterr().err
