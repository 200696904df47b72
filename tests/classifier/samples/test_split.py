
import numpy as np
import pytest

from classifier.foundation.errors import InputError
from classifier.samples.split import assign_parts, split
from classifier.samples.stackfile import SampleTable


def table(materials: list[str], types: list[str], *, group: int = 225, formulas: list[str] | None = None,
          partition: list[str] | str = "", origin: str = "simulated") -> SampleTable:
    n = len(materials)
    return SampleTable.build(n, sample_id=[f"s{group}-{i}" for i in range(n)], space_group=np.full(n, group),
                             material=materials, structure_type=types, formula=formulas or [f"f{m}" for m in materials],
                             partition=partition, origin=origin)


def names(count: int) -> list[str]:
    return [f"m{i:03d}" for i in range(count)]


def test_neither_materials_nor_types_cross_parts(make_split_config) -> None:
    samples = table(sorted(names(60) * 3), [f"t{i // 6}" for i in range(60) for _ in range(3)])
    part, listed = assign_parts(samples, make_split_config(adopt_partition=False), source="t")
    assert set(part) == {"train", "validation", "test"} and not listed
    for column in (samples.material, samples.structure_type):
        owners = [set(column[part == name]) for name in ("train", "validation", "test")]
        assert not (owners[0] & owners[1] or owners[0] & owners[2] or owners[1] & owners[2])
    assert 6 <= len(set(samples.material[part == "test"])) <= 18


def test_a_group_with_two_types_gives_validation_by_material_and_says_so(make_split_config) -> None:
    samples = table(names(10), ["a"] * 5 + ["b"] * 5)
    part, listed = assign_parts(samples, make_split_config(adopt_partition=False, test_fraction=0.0), source="t")
    assert (part == "validation").sum() == 2
    assert listed == {"validation shares structure types with train": ["space group 225"]}


def test_a_poor_group_gives_nothing_and_is_listed(make_split_config) -> None:
    samples = table(names(3), ["a", "b", "c"])
    part, listed = assign_parts(samples, make_split_config(adopt_partition=False), source="t")
    assert (part == "train").all()
    assert listed == {f"no {name}: fewer than 4 materials": ["space group 225"] for name in ("test", "validation")}


def test_a_group_of_one_type_has_no_test(make_split_config) -> None:
    part, listed = assign_parts(table(names(9), ["a"] * 9), make_split_config(adopt_partition=False), source="t")
    assert "test" not in part and "no test: nothing can be held out whole" in listed


def test_one_type_name_in_two_space_groups_is_two_types(make_split_config) -> None:
    samples = SampleTable.concatenate([
        table([f"x{m}" for m in names(9)], [f"t{i % 3}" for i in range(9)]),
        table([f"y{m}" for m in names(9)], [f"t{i % 3}" for i in range(9)], group=221)])
    part, _ = assign_parts(samples, make_split_config(adopt_partition=False), source="t")
    for group in (221, 225):
        assert {"train", "test"} <= set(part[samples.space_group == group])


def test_another_group_does_not_change_how_one_is_cut(make_split_config) -> None:
    one = table([f"x{m}" for m in names(30)], [f"t{i // 3}" for i in range(30)])
    two = SampleTable.concatenate([table([f"w{m}" for m in names(9)], [f"t{i}" for i in range(9)], group=12), one])
    config = make_split_config(adopt_partition=False)
    assert assign_parts(two, config, source="t")[0][9:].tolist() == assign_parts(one, config, source="t")[0].tolist()


def test_near_duplicates_stay_together(make_split_config) -> None:
    formulas = [f"f{i // 2}" for i in range(20)]
    samples = table(names(20), names(20), formulas=formulas)
    for seed in range(10):
        part, _ = assign_parts(samples, make_split_config(adopt_partition=False, group_by="material", seed=seed),
                               source="t")
        assert (part[::2] == part[1::2]).all()


def adopted(**columns) -> SampleTable:
    return table(names(8), [f"t{i // 2}" for i in range(8)], partition=["train"] * 6 + ["test"] * 2, **columns)


def test_a_published_partition_is_kept_and_validation_comes_from_train(make_split_config) -> None:
    samples = adopted()
    part, listed = assign_parts(samples, make_split_config(), source="t")
    assert (part == "test").tolist() == (samples.partition == "test").tolist()
    assert (part == "validation").sum() == 2 and len(set(samples.structure_type[part == "validation"])) == 1
    assert not listed


@pytest.mark.parametrize("change, rule", [
    (dict(materials=["m0"] * 2 + names(8)[1:7], types=["t0", *(f"t{i}" for i in range(7))],
          formulas=["f"] * 2 + names(8)[2:]), "material may not cross"),
    (dict(types=["t0"] * 8), "structure type of the test part"),
    (dict(formulas=["NaCl"] * 8), "formula and space group of the test part"),
    (dict(partition=["train"] * 6 + ["test", ""]), "must name a part for every sample")])
def test_a_crossing_partition_is_refused(make_split_config, change, rule) -> None:
    given = dict(materials=names(8), types=[f"t{i}" for i in range(8)], formulas=None,
                 partition=["test"] + ["train"] * 6 + ["test"])
    with pytest.raises(InputError, match=rule):
        assign_parts(table(**{**given, **change}), make_split_config(), source="t")


def test_near_duplicates_of_the_test_part_can_be_dropped_from_training(make_split_config) -> None:
    samples = table(names(8), names(8), formulas=["a", "b", "c", "d", "e", "f", "a", "g"],
                    partition=["train"] * 6 + ["test"] * 2)
    part, listed = assign_parts(samples, make_split_config(near_duplicates="drop"), source="t")
    assert part[0] == "" and (part[6:] == "test").all()
    assert listed["dropped: formula and space group also in test"] == ["m000"]


def test_a_material_of_two_groups_is_refused(make_split_config) -> None:
    samples = SampleTable.concatenate([table(["m"], ["t"]), table(["m"], ["t"], group=221)])
    with pytest.raises(InputError, match="must agree in space_group"):
        assign_parts(samples, make_split_config(), source="t")


def test_the_stage_writes_a_locked_file_and_keeps_it(data, make_split_config) -> None:
    held = data.load()
    assert {part: len(ids) for part, ids in held.parts.items()} == {"train": 12, "validation": 4, "test": 8}
    assert held.space_groups == (186, 194, 216, 225)
    before = data.split.stat().st_mtime_ns
    split(make_split_config(), stacks=data.stacks, out=data.split)
    assert data.split.stat().st_mtime_ns == before
    with pytest.raises(InputError, match="existing split"):
        split(make_split_config(seed=5), stacks=data.stacks, out=data.split)
