import json
from dataclasses import replace

import numpy as np
import pytest

from cbedgan.comparison.arms import ARMS, write_sources
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import ViewConfig
from classifier.samples.dataset import check_added_source
from classifier.samples.split import load_split
from classifier.samples.stackfile import SampleTable, StackFile, write_stack_file
from classifier.training.losses import CrossEntropy
from tiny import frame_of

VIEW = ViewConfig(half_width=1.5, size_pixels=12)
ALL = {"duplicated", "interior", "boundary"}


@pytest.fixture
def written(split_stacks, synthetic_file, tmp_path):
    stacks, split_path = split_stacks
    real = StackFile(stacks)
    held = load_split(split_path, stack_digest=real.identity)
    def write(sources, seed=0):
        paths, numbers = write_sources(sources, synthetic=StackFile(synthetic_file), real=real, split=held,
                                       view_config=VIEW, seed=seed, provenance={"split_digest": held.digest},
                                       out=tmp_path / f"sources{len(sources)}-{seed}")
        return {source: StackFile(path) for source, path in paths.items()}, numbers
    return write, real, held, stacks


def test_each_arm_differs_from_its_reference_in_one_argument():
    for arm in ARMS.values():
        if arm.reference is None:
            assert (arm.loss, arm.source) == (CrossEntropy(kind="cross_entropy"), None)
        else:
            reference = ARMS[arm.reference]
            assert (arm.loss != reference.loss) + (arm.source != reference.source) == 1


def test_sources_hold_equal_numbers_of_every_group(written):
    files, numbers = written[0](ALL)
    assert numbers == {225: 3, 194: 4}  # 216 has no boundary stack
    for file in files.values():
        groups, counts = np.unique(file.table.space_group, return_counts=True)
        assert dict(zip(groups.tolist(), counts.tolist(), strict=True)) == {194: 4, 225: 3}


def test_a_kind_that_no_arm_uses_does_not_limit_the_others(written):
    assert written[0]({"interior"})[1] == {225: 3, 194: 6, 216: 2}
    assert written[0]({"duplicated"})[1] == {225: 8, 194: 10, 216: 2} and written[0](set()) == ({}, {})


def test_sources_show_one_kind_in_one_view(written):
    files, _ = written[0](ALL)
    for kind in ("interior", "boundary"):
        assert {json.loads(text)["kind"] for text in files[kind].table.provenance} == {kind}
        assert len(np.unique(files[kind].table.sample_id)) == 7
    assert {file.detector.size_pixels for file in files.values()} == {12}
    assert len({file.detector for file in files.values()}) == 1


def test_duplicates_are_training_stacks_of_the_same_group_each_as_often_as_any(written):
    write, real, held, _ = written
    files, _ = write(ALL)
    table = files["duplicated"].table
    of = np.array([json.loads(text)["of"] for text in table.provenance])
    assert set(of) <= set(held.parts["train"])
    row_of = {name: row for row, name in enumerate(real.table.sample_id)}
    rows = [row_of[name] for name in of]
    np.testing.assert_array_equal(real.table.space_group[rows], table.space_group)
    np.testing.assert_array_equal(files["duplicated"].read(np.arange(7)), real.read(rows)[..., 2:14, 2:14])
    assert len(set(of[table.space_group == 194])) == 4  # four train stacks: no repetition before all have come
    assert len(np.unique(table.material)) == 7  # each is drawn as often as a synthetic stack


def test_the_reserve_gives_an_equal_number_of_new_real_stacks(written, synthetic_file, tmp_path):
    _, real, held, _ = written
    rows = np.flatnonzero(np.isin(real.table.space_group, [194, 225]))[:9]
    columns = real.table.take(rows).columns()
    columns["sample_id"] = columns["material"] = np.array([f"kept-{row}" for row in rows])
    columns["partition"] = np.full(len(rows), "")
    write_stack_file(tmp_path / "reserve.h5", real.read(rows), SampleTable.build(len(rows), **columns),
                     **frame_of(real), provenance={})
    kept = {int(group): int((real.table.space_group[rows] == group).sum()) for group in (194, 225)}
    paths, numbers = write_sources({"reserve", "interior"}, synthetic=StackFile(synthetic_file), real=real, split=held,
                                   view_config=VIEW, seed=0, provenance={}, out=tmp_path / "sources",
                                   reserve=StackFile(tmp_path / "reserve.h5"))
    assert numbers == {group: min(kept[group], limit) for group, limit in ((225, 3), (194, 6)) if kept[group]}
    table = StackFile(paths["reserve"]).table
    assert len(set(table.material.tolist())) == len(table) == sum(numbers.values())
    assert set(table.origin.tolist()) == set(real.table.origin.tolist())
    assert StackFile(paths["reserve"]).detector == StackFile(paths["interior"]).detector


def test_another_seed_draws_others(written):
    first, second = (written[0](ALL, seed)[0]["interior"].table.sample_id for seed in (0, 1))
    assert set(first) != set(second)


def test_every_source_may_be_trained_on(written):
    write, _, held, stacks = written
    for file in write(ALL)[0].values():
        assert check_added_source(file.path, held, stacks=stacks) == file.digest


def test_shuffled_labels_are_those_of_the_boundary_stacks_in_another_order(written):
    files, numbers = written[0]({"boundary", "shuffled"})
    assert numbers == {225: 5, 194: 4}
    boundary, shuffled = files["boundary"], files["shuffled"]
    assert np.array_equal(boundary.read(np.arange(9)), shuffled.read(np.arange(9)))
    assert shuffled.table.sample_id.tolist() == boundary.table.sample_id.tolist()
    assert shuffled.table.space_group.tolist() != boundary.table.space_group.tolist()
    assert sorted(shuffled.table.space_group) == sorted(boundary.table.space_group)
    assert not any("soft_label" in json.loads(text) for text in shuffled.table.provenance)


def test_hard_stacks_are_a_source_of_their_own(written, synthetic_file, tmp_path):
    _, real, held, _ = written
    with StackFile(synthetic_file) as file:
        table, told = file.table, np.array(['{"kind": "hard"}', '{"kind": "boundary", "soft_label": []}'])
        table = replace(table, provenance=told[np.arange(len(table)) % 2])
        write_stack_file(tmp_path / "hard.h5", file.read(np.arange(len(file))), table, **frame_of(file), provenance={})
    paths, numbers = write_sources({"hard", "shuffled"}, synthetic=StackFile(tmp_path / "hard.h5"), real=real,
                                   split=held, view_config=VIEW, seed=0, provenance={}, out=tmp_path / "sources")
    hard = StackFile(paths["hard"]).table
    assert len(hard) == sum(numbers.values()) and set(hard.provenance) == {'{"kind": "hard"}'}
    assert {json.loads(text)["kind"] for text in StackFile(paths["shuffled"]).table.provenance} == {"shuffled"}


def test_missing_kind_is_named(written, synthetic_file):
    write, real, held, _ = written
    only = StackFile(synthetic_file)
    object.__setattr__(only, "table", only.table.take(only.table.space_group == 216))
    with pytest.raises(InputError, match="every kind of .*boundary"):
        write_sources(ALL, synthetic=only, real=real, split=held, view_config=VIEW, seed=0, provenance={},
                      out=real.path.parent / "none")
