"""The gate on tiny stacks: added ones that mislead one group are taken away, others are kept."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cbedgan.densify.gate import GateConfig, gate
from cbedgan.densify.joined import join
from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError
from classifier.samples.split import SplitConfig, load_split, split
from classifier.samples.stackfile import StackFile, write_stack_file
from tiny import SPLIT, TRAIN, frame_of

pytestmark = pytest.mark.slow


@pytest.fixture
def given(tiny_stack_file, tmp_path):
    """Stacks and split, and added stacks of the train part's groups 216 and 194; those of 194 look like 225."""
    stacks = tiny_stack_file(materials=9)
    parted = split(parse_config(SPLIT, SplitConfig, source="test"), stacks=stacks, out=tmp_path / "split.json")
    with StackFile(stacks) as file:
        held, table = load_split(parted, stack_digest=file.identity), file.table
        training = np.isin(table.sample_id, held.parts["train"])
        rows = np.flatnonzero(training & np.isin(table.space_group, (216, 225)))
        groups = np.where(table.space_group[rows] == 225, 194, 216)
        names = np.array([f"added-{row}" for row in rows])
        added = replace(table.take(rows), space_group=groups, sample_id=names, material=names, formula=names,
                        structure_type=names, origin=np.full(len(rows), "synthetic"))
        write_stack_file(tmp_path / "added.h5", file.read(rows), added, **frame_of(file),
                         provenance={"split_digest": held.digest})
    return {"stacks": stacks, "split": parted, "synthetic": tmp_path / "added.h5"}


def config(**changes):
    classifier = TRAIN | {"images": 640, "report_every_images": 640, "checkpoint_every_images": 640,
                          "synthetic_share": 0.5, "synthetic_weight": 1.0}
    return parse_config({"folds": 2, "strength": 0.0, "classifier": classifier} | changes, GateConfig, source="test")


def test_what_misleads_a_group_is_taken_away_and_nothing_held_out_is_looked_at(given, tmp_path):
    out = tmp_path / "gate"
    text = gate(config(), **given, out=out, workers=1).read_text()
    told = {row["space_group"]: row for row in json.loads((out / "report.json").read_text())["groups"]}
    assert told[216]["passes"] and not told[194]["passes"] and told[194]["within"] < told[194]["without"]
    assert [line.split()[0] for line in text.splitlines()[1:]] == ["194", "216"]
    with StackFile(given["stacks"]) as file, StackFile(out / "gated.h5") as kept:
        held = load_split(given["split"], stack_digest=file.identity)
        assert kept.provenance["split_digest"] == held.digest
        assert set(kept.table.space_group) == {216}
        for number in (1, 2):
            fold = load_split(out / f"fold-{number}.json", stack_digest=file.identity)
            assert not fold.parts["test"]
            assert set(fold.parts["train"] + fold.parts["validation"]) == set(held.parts["train"])
    before = (out / "gated.h5").stat().st_mtime_ns
    gate(config(), **given, out=out, workers=1)
    assert (out / "gated.h5").stat().st_mtime_ns == before


def test_what_is_held_out_on_a_fold_is_not_added_to_its_training(given, tmp_path):
    """Every added stack is said to be distorted from one of the training crystals of its look."""
    with StackFile(given["stacks"]) as file, StackFile(given["synthetic"]) as made:
        table, rows = file.table, [file.table.sample_id.tolist().index(name) for name in
                                   file.table.sample_id[[int(one.split("-")[1]) for one in made.table.sample_id]]]
        told = [json.dumps({"parent": {"space_group": int(table.space_group[row]), "formula": str(table.formula[row]),
                                       "structure_type": str(table.structure_type[row])}}) for row in rows]
        write_stack_file(tmp_path / "distorted.h5", made.read(np.arange(len(made))),
                         replace(made.table, provenance=np.array(told)), **frame_of(made),
                         provenance=made.provenance)
    asked = config(classifier=TRAIN | {"images": 32})
    gate(asked, **(given | {"synthetic": tmp_path / "distorted.h5"}), out=tmp_path / "gate", workers=1)
    sizes = [len(StackFile(tmp_path / f"gate/fold-{number}-added.h5")) for number in (1, 2)]
    assert sum(sizes) == len(told)  # two folds: each parent is held out once


def test_a_condition_that_is_not_judged_is_refused():
    with pytest.raises(InputError, match="one of classifier.judged_under"):
        config(condition="ordinary")


def test_files_are_joined_under_names_of_their_own(given, tmp_path):
    record = {"stage": "rounds", "config_digest": "c", "inputs": {}, "split_digest": "s"}
    path = join({"a": given["synthetic"], "b": given["synthetic"]}, tmp_path / "both.h5", record)
    with StackFile(path) as both, StackFile(given["synthetic"]) as one:
        assert len(both) == 2 * len(one) and both.provenance["split_digest"] == "s"
        assert both.table.sample_id[0] == f"a-{one.table.sample_id[0]}"
        assert (both.read(np.arange(len(both))) == np.concatenate([one.read(np.arange(len(one)))] * 2)).all()
    with pytest.raises(InputError, match="inputs may not change"):
        join({"a": given["synthetic"]}, path, record | {"inputs": {"a": "other"}})
