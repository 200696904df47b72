import json

import numpy as np
import pytest

from classifier.foundation.config import load_config, parse_config
from classifier.foundation.errors import InputError
from classifier.samples.folds import ALWAYS_TRAINED, BY_MATERIAL, NOT_CUT, FoldsConfig, assign_folds, folds
from classifier.samples.holdout import deal
from classifier.samples.split import load_split
from classifier.samples.stackfile import SampleTable, StackFile
from classifier.training.train import train_classifier


def config(**changes) -> FoldsConfig:
    return parse_config({"folds": 3, "group_by": "structure_type", "seed": 0, **changes}, FoldsConfig, source="test")


def table(types: dict[int, list[str]], *, samples: int = 2, formula: str = "") -> SampleTable:
    """Stacks of materials whose structure types are given for each space group."""
    rows = [(group, f"sg{group}-m{i}", kind) for group, kinds in types.items() for i, kind in enumerate(kinds)
            for _ in range(samples)]
    return SampleTable.build(len(rows), sample_id=[f"s{i}" for i in range(len(rows))],
                             space_group=np.array([group for group, _, _ in rows]),
                             material=[name for _, name, _ in rows], structure_type=[kind for _, _, kind in rows],
                             formula=[formula or name for _, name, _ in rows], partition="", origin="simulated")


def test_units_are_dealt_whole_and_evenly() -> None:
    unit = np.repeat(np.arange(9), [5, 4, 3, 3, 2, 2, 1, 1, 1])
    hands = deal(unit, 3, np.random.default_rng(0))
    assert sorted(np.bincount(hands)) == [7, 7, 8]
    assert all(len(set(hands[unit == number])) == 1 for number in range(9))
    assert (hands != deal(unit, 3, np.random.default_rng(1))).any()


def test_every_material_has_one_fold_and_types_and_groups_are_in_their_share() -> None:
    samples = table({225: [f"t{i // 2}" for i in range(30)], 194: [f"t{i}" for i in range(9)]})
    fold, listed = assign_folds(samples, config(), source="t")
    assert not listed and set(fold) == {0, 1, 2}
    for column in (samples.material, np.char.add(samples.space_group.astype(str), samples.structure_type)):
        assert all(len(set(fold[column == value])) == 1 for value in column)
    assert np.bincount(fold[samples.space_group == 225]).tolist() == [20, 20, 20]
    assert np.bincount(fold[samples.space_group == 194]).tolist() == [6, 6, 6]
    alone = assign_folds(samples.take(samples.space_group == 225), config(), source="t")[0]
    assert alone.tolist() == fold[:60].tolist()


def test_a_group_of_one_large_type_is_dealt_by_material_and_one_of_one_material_is_always_trained() -> None:
    samples = table({225: ["a"] * 6, 194: ["a"] * 5 + ["b"], 1: ["a"]})
    fold, listed = assign_folds(samples, config(), source="t")
    assert listed == {BY_MATERIAL: ["space group 194", "space group 225"], NOT_CUT: ["space group 1"]}
    assert (fold[samples.space_group == 1] == ALWAYS_TRAINED).all() and (fold[samples.space_group > 1] >= 0).all()
    together = table({225: ["a", "b", "c", "d"]}, formula="NaCl")
    with pytest.raises(InputError, match="every fold needs materials"):
        assign_folds(together, config(), source="t")


def test_folds_are_splits_with_one_test_part_and_every_other_material_is_judged_once(data, tmp_path) -> None:
    out = folds(config(), stacks=data.stacks, split=data.split, out=tmp_path / "folds")
    with StackFile(data.stacks) as file:
        base = load_split(data.split, stack_digest=file.identity)
        made = [load_split(out / f"fold-{number}.json", stack_digest=file.identity) for number in (1, 2, 3)]
    learning = set(base.materials["train"] + base.materials["validation"])
    judged = [name for one in made for name in one.materials["validation"]]
    assert sorted(judged) == sorted(learning) and len(judged) == 16
    for one in made:
        assert one.parts["test"] == base.parts["test"] and one.space_groups == base.space_groups
        assert not set(one.materials["train"]) & set(one.materials["validation"] + one.materials["test"])
        assert set(one.materials["train"]) | set(one.materials["validation"]) == learning
    assert len({one.digest for one in made} | {base.digest}) == 4
    before = [path.stat().st_mtime_ns for path in sorted(out.iterdir())]
    folds(config(), stacks=data.stacks, split=data.split, out=out)
    assert [path.stat().st_mtime_ns for path in sorted(out.iterdir())] == before
    with pytest.raises(InputError, match="existing split"):
        folds(config(seed=1), stacks=data.stacks, split=data.split, out=out)


@pytest.mark.slow
def test_a_training_runs_on_a_fold(data, make_train_config, tmp_path) -> None:
    out = folds(config(), stacks=data.stacks, split=data.split, out=tmp_path / "folds")
    train_classifier(make_train_config(images=64), stacks=data.stacks, split=out / "fold-2.json", out=tmp_path / "clf")
    held = json.loads((out / "fold-2.json").read_text())
    result = json.loads((tmp_path / "clf/result.json").read_text())
    assert result["split_digest"] == held["digest"]
    assert result["validation"]["materials"] == len(held["parts"]["validation"]["materials"]) > 0


def test_the_shipped_configuration_is_complete(pytestconfig) -> None:
    assert load_config(pytestconfig.rootpath / "configs/demo/folds.toml", FoldsConfig).folds == 5
