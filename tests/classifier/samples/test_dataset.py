import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import Detector, ViewConfig
from classifier.pattern.intensity import IntensityConfig, IntensityTransform
from classifier.samples.dataset import (
    Frame,
    check_added_source,
    load_physical,
    load_stack_set,
    load_training_set,
    soft_labels,
)
from classifier.samples.split import load_split
from classifier.samples.stackfile import SampleTable, StackFile, write_stack_file
from tiny import frame_of

VIEW = ViewConfig(half_width=1.0, size_pixels=4)
MAP = ClassMap((186, 194, 216, 225))


def test_samples_come_in_the_order_asked_for_and_in_the_view(data) -> None:
    with StackFile(data.stacks) as file:
        ids = file.table.sample_id[[5, 2, 17]]
        centre = file.read([5, 2, 17])[:, :, 4:12, 4:12]
    physical, table, frame = load_physical(data.stacks, VIEW, list(ids))
    assert table.sample_id.tolist() == ids.tolist()
    assert np.allclose(physical, centre.reshape(3, 3, 4, 2, 4, 2).sum((3, 5)))
    assert frame == Frame(Detector(4, 0.5, "shortest_g"), "canonical", "fraction of the incident beam per pixel")


def test_a_set_is_normalised_and_labelled(data) -> None:
    physical, table, _ = load_physical(data.stacks, VIEW)
    transform = IntensityTransform.fit(physical, IntensityConfig(floor=1e-5))
    samples = load_stack_set(data.stacks, class_map=MAP, view=VIEW, intensity=transform)
    assert len(samples) == 24 and samples.x.dtype == torch.float32
    assert torch.allclose(samples.x, transform.normalise(torch.from_numpy(physical)))
    assert [MAP.space_group(k) for k in samples.class_idx] == table.space_group.tolist()
    assert torch.equal(samples.soft_label.argmax(1), samples.class_idx) and samples.soft_label.sum() == 24
    with pytest.raises(InputError, match="class map"):
        load_stack_set(data.stacks, class_map=ClassMap((186, 194)), view=VIEW, intensity=transform)


@pytest.mark.parametrize("value", [0.0, 1e-3])
def test_empty_and_constant_patterns_are_not_trained_on(data, tmp_path, value) -> None:
    with StackFile(data.stacks) as file:
        stacks = file.read(range(len(file)))
        stacks[5, 1] = value
        write_stack_file(tmp_path / "flat.h5", stacks, file.table, detector=file.detector, pose=file.pose,
                         intensity_unit=file.intensity_unit, provenance=file.provenance)
        names, class_map = file.table.sample_id.tolist(), ClassMap.of(file.table.space_group)
    settings = {"class_map": class_map, "view": VIEW, "intensity": IntensityConfig(), "sample_ids": names}
    for cache in (None, tmp_path / "cache"):
        load_training_set(data.stacks, **settings, cache=cache)
        with pytest.raises(InputError, match=f"1 samples, first {names[5]}"):
            load_training_set(tmp_path / "flat.h5", **settings, cache=cache)


def test_an_unknown_sample_is_refused(data) -> None:
    with pytest.raises(InputError, match="1 unknown, first zzz"):
        load_physical(data.stacks, VIEW, ["simulated-0001", "zzz"])


def test_soft_labels_come_from_the_provenance() -> None:
    table = SampleTable.build(2, sample_id=["a", "b"], space_group=[216, 225], provenance=[
        json.dumps({"soft_label": {"216": 0.7, "225": 0.3}}), "{}"])
    assert torch.allclose(soft_labels(table, MAP, "t"), torch.tensor([[0, 0, 0.7, 0.3], [0, 0, 0, 1]]))
    for shares in ({"216": 0.7, "225": 0.1}, {"216": 1.2, "225": -0.2}, {"1": 1.0}):
        wrong = replace(table, provenance=np.array([json.dumps({"soft_label": shares}), ""]))
        with pytest.raises(InputError, match="soft label"):
            soft_labels(wrong, MAP, "t")


def test_frames_must_agree_up_to_rounding() -> None:
    frame = Frame(Detector(32, 1 / 12, "shortest_g"), "canonical", "fraction")
    frame.require(Frame(Detector(32, 1 / 12 * (1 + 1e-9), "shortest_g"), "canonical", "fraction"), "t")
    for other in (replace(frame, pose="raw"), replace(frame, intensity_unit="counts"),
                  replace(frame, grid=Detector(32, 0.1, "shortest_g"))):
        with pytest.raises(InputError, match="those of training"):
            frame.require(other, "t")


def added(path: Path, data, *, rows: list[int], provenance: dict | None = None, **changes: str) -> Path:
    """A stack file of some of the samples of `data`, renamed and changed."""
    with StackFile(data.stacks) as file:
        table = file.table.take(rows)
        n = len(rows)
        columns = {name: np.full(n, value) if not isinstance(value, list) else np.array(value)
                   for name, value in changes.items()}
        table = replace(table, sample_id=np.array([f"new-{i}" for i in range(n)]), partition=np.full(n, ""), **columns)
        write_stack_file(path, file.read(rows), table, **frame_of(file), provenance=provenance or {})
    return path


@pytest.mark.slow
def test_only_synthetic_stacks_of_this_split_may_be_added(data, tmp_path) -> None:
    held = data.load()
    new = dict(rows=[0, 1], origin="synthetic", material=["z0", "z1"])
    right = added(tmp_path / "right.h5", data, provenance={"split_digest": held.digest}, **new)
    assert check_added_source(right, held, stacks=data.stacks) == StackFile(right).digest
    for provenance in ({"split_digest": "0" * 64}, {}):
        wrong = added(tmp_path / "wrong.h5", data, provenance=provenance, **new)
        with pytest.raises(InputError, match="must come from the split"):
            check_added_source(wrong, held, stacks=data.stacks)


@pytest.mark.slow
def test_real_stacks_may_be_added_unless_they_touch_the_held_out_parts(data, tmp_path) -> None:
    with StackFile(data.stacks) as file:
        held, table = load_split(data.split, stack_digest=file.identity), file.table
    rows = {part: int(np.flatnonzero(np.isin(table.sample_id, ids))[0]) for part, ids in held.parts.items()}
    check_added_source(added(tmp_path / "train.h5", data, rows=[rows["train"]]), held, stacks=data.stacks)
    for part in ("validation", "test"):
        with pytest.raises(InputError, match="share no material"):
            check_added_source(added(tmp_path / f"{part}.h5", data, rows=[rows[part]]), held, stacks=data.stacks)
        with pytest.raises(InputError, match="share no formula"):
            check_added_source(added(tmp_path / f"{part}_f.h5", data, rows=[rows[part]], material="z",
                                     structure_type="z"), held, stacks=data.stacks)
    with pytest.raises(InputError, match="share no structure_type"):
        check_added_source(added(tmp_path / "type.h5", data, rows=[rows["test"]], material="z", formula="z"), held,
                           stacks=data.stacks)
    # In these groups the split itself lets validation share structure types with train.
    check_added_source(added(tmp_path / "v.h5", data, rows=[rows["validation"]], material="z", formula="z"), held,
                       stacks=data.stacks)
