import json
from dataclasses import replace

import numpy as np
import pytest

from cbedgan.choice.choose import ChooseConfig, Verdicts, choose, chosen_rows, look
from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError
from classifier.prediction.predict import load_classifier
from classifier.samples.dataset import check_added_source
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile, write_stack_file
from tiny import frame_of


def config(**changes):
    return parse_config({"seed": 0, "counts": 3, "preference": {"kind": "denied", "power": 8.0}, **changes},
                        ChooseConfig, source="test")


@pytest.fixture
def pool(tiny_stack_file, tiny_networks):
    """Eight materials of two groups; the first has the structure type, the second the formula of a held-out one."""
    with StackFile(tiny_networks.stacks) as base:
        test = load_split(tiny_networks.split, stack_digest=base.identity).parts["test"]
        held_out = base.table.take(np.isin(base.table.sample_id, test) & (base.table.space_group == 216))
    path = tiny_stack_file(space_groups=(216, 225), materials=8, partition=False, seed=7)
    with StackFile(path) as file:
        held, table, frame = file.read(np.arange(len(file))), file.table, frame_of(file)
    names = np.array([f"new {name}" for name in table.material])
    types, formulas = np.array([f"new {i}" for i in range(16)]), np.array([f"B{i + 9}C" for i in range(16)])
    types = np.append(held_out.structure_type[:1], types[1:])
    formulas = np.concatenate([formulas[:1], held_out.formula[:1], formulas[2:]])
    write_stack_file(path.with_name("pool.h5"), held, replace(table, material=names, structure_type=types,
                                                              formula=formulas), **frame, provenance={"stage": "test"})
    return path.with_name("pool.h5")


@pytest.fixture
def call(tiny_networks, pool, tmp_path):
    return {"pool": pool, "classifiers": [tiny_networks.classifier, tiny_networks.second_classifier],
            "stacks": tiny_networks.stacks, "split": tiny_networks.split, "out": tmp_path / "hard.h5"}


def test_what_is_chosen_stays_as_it_was_and_may_be_trained_on(call, tiny_networks):
    with StackFile(choose(config(), **call)) as made, StackFile(call["pool"]) as file:
        rows = [file.table.sample_id.tolist().index(name) for name in made.table.sample_id]
        assert np.array_equal(made.read(np.arange(6)), file.read(np.array(rows)))
        assert set(made.table.partition) == {"train"} and made.provenance["stage"] == "choose"
        groups = file.table.space_group
    with StackFile(tiny_networks.stacks) as base:
        split = load_split(tiny_networks.split, stack_digest=base.identity)
    check_added_source(call["out"], split, stacks=tiny_networks.stacks)
    seen = look([load_classifier(path) for path in call["classifiers"]], call["pool"], "ideal")
    free = np.arange(16) > 1
    for group in (216, 225):
        there = np.flatnonzero((groups == group) & free)
        mine = [row for row in rows if groups[row] == group]
        assert len(mine) == 3 and set(mine) <= set(there)
    report = json.loads((call["out"].parent / "hard.h5.report.json").read_text())
    assert report["chosen"] == 6 and report["groups"]["216"]["passed over"] == 2
    assert report["groups"]["216"]["pool"] == 6 and report["groups"]["225"]["passed over"] == 0
    assert report["mean probability, chosen"] == pytest.approx(seen.probability[rows].mean(), abs=1e-4)


def test_a_file_that_is_there_stays_and_another_configuration_is_refused(call):
    before = choose(config(), **call).stat().st_mtime_ns
    assert choose(config(), **call).stat().st_mtime_ns == before
    with pytest.raises(InputError, match=r"hard\.h5"):
        choose(config(counts=2), **call)


def test_crystals_that_are_denied_are_taken_of_every_group():
    seen = Verdicts(np.tile(np.repeat([0.99, 0.01], 5), 2), np.full(20, 1))
    groups, free = np.repeat([5, 7], 10), np.ones(20, dtype=bool)
    rows = chosen_rows(config(), groups, free, seen)
    assert groups[rows].tolist() == [5, 5, 5, 7, 7, 7] and (seen.probability[rows] == 0.01).all()
    free[5:9] = False  # then one is left that is denied, and it is taken
    assert 9 in chosen_rows(config(), groups, free, seen) and not set(range(5, 9)) & set(
        chosen_rows(config(), groups, free, seen).tolist())


def test_a_group_is_chosen_alike_whatever_else_is_asked_for():
    seen = Verdicts(np.linspace(0, 1, 20), np.full(20, 1))
    groups, free = np.repeat([5, 7], 10), np.ones(20, dtype=bool)
    both = chosen_rows(config(counts={5: 2, 7: 4}), groups, free, seen)
    assert chosen_rows(config(counts={7: 4}), groups, free, seen).tolist() == both[both >= 10].tolist()
    assert len(both) == 6 and not len(chosen_rows(config(counts={9: 4}), groups, free, seen))


def test_pools_that_give_nothing_are_refused(call, tiny_networks, tmp_path):
    with pytest.raises(InputError, match="must hold crystals that validation and test do not"):
        choose(config(counts={1: 4}), **call)
    with StackFile(call["pool"]) as file:
        held, table, frame = file.read(np.arange(16)), file.table, frame_of(file)
    nameless = tmp_path / "nameless.h5"
    write_stack_file(nameless, held, replace(table, structure_type=np.full(16, "")), **frame, provenance={})
    with pytest.raises(InputError, match="must name its structure type"):
        choose(config(), **{**call, "pool": nameless})
