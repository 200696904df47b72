"""The plan names a set: builds of it that differ in bits or in condition share a split, other sets do not."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifier.foundation.atomic import read_json, write_json
from classifier.foundation.config import digest
from classifier.foundation.errors import InputError
from classifier.prediction.predict import load_classifier
from classifier.samples.folds import FoldsConfig, folds
from classifier.samples.narrow import narrow_split
from classifier.samples.plan import KNOWN_BUILDS, SetIdentity, identity_of
from classifier.samples.split import load_split, split
from classifier.samples.stackfile import SampleTable, StackFile, write_stack_file
from classifier.training.train import train_classifier
from tiny import frame_of


def crystal(row: int, **changes: Any) -> dict[str, Any]:
    return {"lattice": [[4.0 + row / 8, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 4.0]], "sites": [[0.0, 0.25, 0.5]],
            "numbers": [14], "source": "a test", **changes}


@pytest.fixture
def build(tiny_stack_file: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Factory of builds of one plan; `crystals`: {row: what its record has instead}, `table`: columns likewise."""
    tiny = StackFile(tiny_stack_file())

    def write(name: str, *, last_bits: bool = False, crystals: dict[int, dict[str, Any]] | None = None,
              table: dict[str, Any] | None = None, **provenance: Any) -> Path:
        stacks, columns = tiny.read(np.arange(len(tiny))), tiny.table.columns()
        if last_bits:
            stacks.view(np.uint32)[:] += 1
        rows = [json.dumps({"crystal": crystal(row, **(crystals or {}).get(row, {})), "slope": [0.1 * last_bits]})
                for row in range(len(tiny))]
        write_stack_file(tmp_path / name, stacks, SampleTable.build(len(tiny), **{
            **columns, "provenance": rows, **(table or {})}), **frame_of(tiny),
            provenance={"stage": "simulate", "config": {"seed": 0}, "config_digest": digest({"seed": 0}), "inputs": {},
                        **provenance})
        return tmp_path / name
    return write


def cut(stacks: Path, config: Any) -> Path:
    return split(config, stacks=stacks, out=stacks.with_suffix(".json"))


def older(path: Path, pixels: str) -> Path:
    """The split as it was written before plans had digests, from a build with these pixels."""
    content = {key: value for key, value in read_json(path).items() if key not in ("digest", "plan_digest")}
    content["stack_digest"] = pixels
    out = path.with_name(f"older_{path.name}")
    write_json(out, {**content, "digest": digest(content)})
    return out


def test_builds_that_differ_in_the_last_bits_share_a_split(build, make_split_config):
    one, other = (StackFile(build(name, last_bits=name == "b.h5")) for name in ("a.h5", "b.h5"))
    assert one.digest != other.digest and one.plan_digest == other.plan_digest != one.digest
    made = [cut(file.path, make_split_config()) for file in (one, other)]
    digests = {load_split(path, stack_digest=file.identity).digest for path in made for file in (one, other)}
    assert len(digests) == 1
    # a split that is there already is kept for the other build
    before = made[0].read_bytes()
    assert split(make_split_config(), stacks=other.path, out=made[0]).read_bytes() == before


@pytest.mark.parametrize("changes", [
    {"crystals": {3: {"lattice": [[4.37501, 0, 0], [0, 4, 0], [0, 0, 4]]}}}, {"crystals": {3: {"numbers": [32]}}},
    {"crystals": {3: {"sites": [[0.0, 0.25, 0.50001]]}}}, {"table": {"beam_energy_kev": 200.0}},
    {"table": {"sample_id": [f"other-{i:04d}" for i in range(24)]}}, {"config_digest": digest({"seed": 1})},
    {"inputs": {"crystals": "another folder"}}])
def test_another_plan_does_not_share_it(build, make_split_config, changes):
    one, other = StackFile(build("a.h5")), StackFile(build("b.h5", **changes))
    assert one.plan_digest != other.plan_digest
    made = cut(one.path, make_split_config())
    with pytest.raises(InputError, match=f"plan {one.plan_digest[:12]}.*given plan {other.plan_digest[:12]}"):
        load_split(made, stack_digest=other.identity)
    with pytest.raises(InputError, match="these stacks and this configuration"):
        split(make_split_config(), stacks=other.path, out=made)


@pytest.mark.parametrize("changes", [
    {"crystals": {0: {"lattice": [[4.0, -0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 4.00000001]]}}},
    {"crystals": {0: {"sites": [[0.99999999, 0.25, 0.5]]}}}, {"inputs": {"share": "1/1", "device": "cuda"}},
    {"crystals": {0: {"source": "told in other words"}}}, {"table": {"azimuth_rad": 0.5}}])
def test_what_hangs_on_the_machine_makes_no_other_plan(build, changes):
    assert StackFile(build("a.h5")).plan_digest == StackFile(build("b.h5", **changes)).plan_digest


def test_a_condition_shares_the_split_but_is_another_input_of_a_run(build, make_split_config):
    ideal, tilted = StackFile(build("a.h5")), StackFile(build("b.h5", condition="tilted"))
    assert ideal.plan_digest == tilted.plan_digest
    one, other = (load_split(cut(ideal.path, make_split_config()), stack_digest=file.identity)
                  for file in (ideal, tilted))
    assert one.digest == other.digest and one.stack_digest != other.stack_digest


def test_sets_without_a_plan_keep_the_digest_of_their_pixels(tiny_stack_file, build, make_split_config):
    measured = StackFile(tiny_stack_file())
    assert measured.identity == SetIdentity(measured.digest, measured.digest)
    made = cut(measured.path, make_split_config())
    content = read_json(made)
    assert content.pop("digest") == digest(content) and "plan_digest" not in content
    assert load_split(made, stack_digest=measured.identity).names == (read_json(made)["digest"],)
    table = SampleTable.build(1, sample_id="s", origin="simulated", provenance='{"crystal": 3}')
    assert not identity_of(table, {"stage": "simulate", "config_digest": "c"}, "pixels").planned


def test_an_older_split_goes_on_and_newer_networks_are_known_by_it(build, make_split_config):
    one, other = (StackFile(build(name, last_bits=name == "b.h5")) for name in ("a.h5", "b.h5"))
    new = load_split(cut(one.path, make_split_config()), stack_digest=one.identity)
    path = older(one.path.with_suffix(".json"), one.digest)
    old = load_split(path, stack_digest=one.identity)
    assert old.digest != new.digest and old.names[0] == old.digest and set(old.names) == set(new.names)
    assert old.stack_digest == one.digest and load_split(path, stack_digest=one.digest).digest == old.digest
    assert split(make_split_config(), stacks=one.path, out=path) == path
    # of another build, by its pixels alone, nothing is known
    with pytest.raises(InputError, match=f"stacks {one.digest[:12]}, given plan {one.plan_digest[:12]}"):
        load_split(path, stack_digest=other.identity)


def test_a_known_build_is_accepted(build, make_split_config, monkeypatch):
    one, other = (StackFile(build(name, last_bits=name == "b.h5")) for name in ("a.h5", "b.h5"))
    monkeypatch.setitem(KNOWN_BUILDS, one.plan_digest, (one.digest,))
    path = older(cut(one.path, make_split_config()), one.digest)
    old = load_split(path, stack_digest=other.identity)
    new = load_split(cut(other.path, make_split_config()), stack_digest=other.identity)
    assert old.digest in new.names and new.digest in old.names


def test_a_digest_alone_names_the_stacks_of_a_split(build, make_split_config):
    one = StackFile(build("a.h5"))
    path = cut(one.path, make_split_config())
    for name in (one.digest, one.plan_digest):
        assert load_split(path, stack_digest=name).names[0] == read_json(path)["digest"]
    with pytest.raises(InputError, match="must belong to the stack file"):
        load_split(path, stack_digest="0" * 64)


def test_any_edit_of_what_the_lock_covers_is_seen(build, make_split_config):
    path = cut(build("a.h5"), make_split_config())
    content = read_json(path)
    for key in ("plan_digest", "space_groups", "listed", "config"):
        write_json(path, {**content, key: content["stack_digest"] if key == "plan_digest" else type(content[key])()})
        with pytest.raises(InputError, match="as the split stage wrote it"):
            load_split(path, stack_digest=content["stack_digest"])


def test_a_classifier_of_an_older_split_serves_the_new_one(build, make_split_config, make_train_config, tmp_path):
    stacks = build("a.h5")
    file = StackFile(stacks)
    new = load_split(cut(stacks, make_split_config()), stack_digest=file.identity)
    old = older(stacks.with_suffix(".json"), file.digest)
    trained = train_classifier(make_train_config(images=32), stacks=stacks, split=old, out=tmp_path / "run")
    assert load_classifier(trained).split_digest == read_json(old)["digest"] != new.digest
    loaded = load_classifier(trained, split_digest=new.names)
    assert loaded.split_digest == new.digest and loaded.stack_digest == file.digest
    with pytest.raises(InputError, match=re.escape(f"not {new.digest[:12]}")):
        load_classifier(trained, split_digest=new.digest)


def test_parts_of_a_split_rest_on_the_plan_too(build, make_split_config, tmp_path):
    one, other = (build(name, last_bits=name == "b.h5") for name in ("a.h5", "b.h5"))
    whole = cut(one, make_split_config())
    identity = StackFile(other).identity
    narrow = narrow_split(whole, stacks=other, out=tmp_path / "narrow.json",
                          materials=load_split(whole, stack_digest=identity).materials["train"][:4])
    made = folds(FoldsConfig(folds=2, group_by="material", seed=0), stacks=other, split=whole, out=tmp_path / "folds")
    for path in (narrow, made / "fold-1.json"):
        assert load_split(path, stack_digest=StackFile(one).identity).identity.plan == identity.plan


def test_damaged_pixels_are_still_told(build):
    path = build("a.h5")
    StackFile(path).verify()
    with path.open("r+b") as file:
        content = file.read()
        middle = len(content) // 2
        file.seek(middle)
        file.write(bytes(byte ^ 0xFF for byte in content[middle:middle + 4096]))
    with pytest.raises(InputError):
        StackFile(path).verify()
