import json
import re

import numpy as np
import pytest

from cbedgan.comparison.study import compare, training_materials
from classifier.foundation.errors import InputError
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile, write_stack_file
from tiny import frame_of


@pytest.fixture
def call(split_stacks, synthetic_file, tmp_path):
    stacks, split = split_stacks
    return {"stacks": stacks, "split": split, "synthetic": synthetic_file, "out": tmp_path / "compare", "workers": 1}


@pytest.mark.slow
def test_report_is_whole_alone_and_resumable(call, compare_config):
    path = compare(compare_config(), **call)
    page, report = path.read_text(), json.loads(path.with_suffix(".json").read_text())
    assert path == call["out"] / "report.html"
    assert report["headline"] in page.replace("&#39;", "'")
    assert set(report["arms"]) == {"real", "boundary_synthetic"}
    assert report["arms"]["boundary_synthetic"]["stacks_added"] == 9  # interior is in no arm: 5 of 225 and 4 of 194
    assert report["primary"]["verdict"] in ("helped", "hurt", "no difference", "cannot tell")
    assert len(report["primary"]["per_seed"]) == 3 and page.count('src="data:image/png;base64,') == 4
    assert not re.search(r'src="(?!data:)|href=|url\(|@import|https?:', page)
    runs = sorted(call["out"].glob("runs/*/classifier.safetensors"))
    before = [run.stat().st_mtime_ns for run in runs]
    assert len(runs) == 6
    compare(compare_config(), **call)
    assert [run.stat().st_mtime_ns for run in runs] == before
    assert json.loads(path.with_suffix(".json").read_text()) == report


@pytest.mark.slow
def test_arms_differ_in_their_argument_and_nothing_else(call, compare_config):
    compare(compare_config(arms=["real", "real_logit_adjusted", "boundary_synthetic"]), **call)
    runs = {path.parent.name: json.loads(path.read_text()) for path in call["out"].glob("runs/*/run.json")}
    for seed in range(3):
        real, adjusted, boundary = (runs[f"{arm}-seed{seed}"] for arm in
                                    ("real", "real_logit_adjusted", "boundary_synthetic"))
        assert real["config"]["seed"] == seed
        assert adjusted["config"] == {**real["config"], "loss": {"kind": "logit_adjusted", "tau": 1.0}}
        assert boundary["config"] == real["config"] and adjusted["inputs"] == real["inputs"]
        assert set(boundary["inputs"]) - set(real["inputs"]) == {"synthetic"}


@pytest.mark.parametrize(("changes", "key"), [
    ({"arms": ["real", "imaginary"]}, "arms"), ({"arms": ["real", "real", "boundary_synthetic"]}, "arms"),
    ({"seeds": [0, 1]}, "seeds"), ({"seeds": [0, 1, 1]}, "seeds"), ({"arms": ["real"]}, "judgement.primary")])
def test_bad_configurations_are_named(call, compare_config, changes, key):
    with pytest.raises(InputError, match=f"compare configuration, {key}"):
        compare(compare_config(**changes), **call)


def test_synthetic_stacks_of_another_split_are_refused(call, compare_config, tmp_path):
    with StackFile(call["synthetic"]) as file:
        write_stack_file(tmp_path / "other.h5", file.read(np.arange(2)), file.table.take([0, 1]), **frame_of(file),
                         provenance={"split_digest": "0" * 64})
    with pytest.raises(InputError, match="must come from the split they are compared on"):
        compare(compare_config(), **{**call, "synthetic": tmp_path / "other.h5"})


def test_a_question_that_the_test_part_cannot_answer_is_refused_at_once(call, compare_config):
    judgement = compare_config().judgement.model_dump()
    config = compare_config(judgement={**judgement, "primary": {**judgement["primary"], "shot": "many"}})
    with pytest.raises(InputError, match="a shot class that has test samples: few; found many"):
        compare(config, **call)
    assert not (call["out"] / "runs").exists()


def test_a_path_needs_the_networks_that_were_probed(call, compare_config):
    with pytest.raises(InputError, match="together or not at all"):
        compare(compare_config(), **call, probe=call["stacks"])


def test_a_reserve_and_the_arms_that_use_it_come_together(call, compare_config, split_stacks):
    with pytest.raises(InputError, match="reserve"):
        compare(compare_config(), reserve=split_stacks[0], **call)
    with pytest.raises(InputError, match="--reserve"):
        compare(compare_config(arms=("real", "reserve_reals", "boundary_synthetic")), **call)


def test_training_materials_are_counted_by_class(call):
    with StackFile(call["stacks"]) as file:
        held = load_split(call["split"], stack_digest=file.identity)
        np.testing.assert_array_equal(training_materials(held, file.table), [4, 4, 4, 4])
