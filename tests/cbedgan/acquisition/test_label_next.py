import json
from dataclasses import replace

import numpy as np
import pytest

from cbedgan.acquisition.label_next import Hints, label_next
from cbedgan.boundary.probe import ProbeConfig, probe
from classifier.foundation.errors import InputError
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile, write_stack_file
from tiny import frame_of

NONE = Hints(stacks=None, split=None, probe=None, generator=None)


@pytest.fixture
def pool(tiny_stack_file):
    """Ten materials of two stacks each, under names that the networks' split does not know."""
    path = tiny_stack_file(space_groups=(216, 225), materials=5, samples_per_material=2, seed=7)
    with StackFile(path) as file:
        held = file.read(np.arange(len(file)))
        table = replace(file.table, material=np.char.add("new ", file.table.material))
        frame = frame_of(file)
    write_stack_file(path.with_name("pool.h5"), held, table, **frame, provenance={"stage": "test"})
    write_stack_file(path.with_name("hidden.h5"), held, replace(table, space_group=np.zeros(len(table), np.int16)),
                     **frame, provenance={"stage": "test"})
    return path.with_name("pool.h5")


def _rank(strategy, networks, pool, tmp_path, hints=NONE, members=1, count=4):
    classifiers = [networks.classifier, networks.second_classifier][:members]
    return label_next(strategy, classifiers=classifiers, pool=pool, count=count, seed=0, hints=hints,
                      out=tmp_path / "ranking.json")


@pytest.mark.parametrize(("strategy", "members"), [("random", 1), ("entropy", 1), ("margin", 2), ("bald", 2),
                                                   ("core_set", 1)])
def test_ranks_materials_without_their_labels(tiny_networks, pool, tmp_path, strategy, members):
    hints = replace(NONE, stacks=tiny_networks.stacks, split=tiny_networks.split)
    ranking = _rank(strategy, tiny_networks, pool, tmp_path, hints, members)
    assert len(set(ranking.material)) == 4 and all(name.startswith("new sg") for name in ranking.material)
    assert (np.diff(ranking.score) <= 0).all()
    hidden = _rank(strategy, tiny_networks, pool.with_name("hidden.h5"), tmp_path, hints, members)
    assert hidden.material.tolist() == ranking.material.tolist()
    written = json.loads((tmp_path / "ranking.json").read_text())
    assert [row["material"] for row in written["ranking"]] == ranking.material.tolist()
    assert written["strategy"] == strategy and len(written["classifiers"]) == members


def test_materials_of_the_split_are_left_out(tiny_networks, tmp_path):
    """The pool is the training file itself: nothing of it is left to label, held-out materials least of all."""
    hints = replace(NONE, stacks=tiny_networks.stacks, split=tiny_networks.split)
    with pytest.raises(InputError, match="must hold a material that the split does not"):
        _rank("entropy", tiny_networks, tiny_networks.stacks, tmp_path, hints)
    with StackFile(tiny_networks.stacks) as file:
        held = load_split(tiny_networks.split, stack_digest=file.identity)
    assert set(held.materials["test"]) & set(_rank("random", tiny_networks, tiny_networks.stacks, tmp_path,
                                                   count=99).material)


@pytest.mark.parametrize(("strategy", "hints", "message"), [
    ("core_set", {}, "stacks and split must be given together"),
    ("entropy", {"stacks": "x.h5"}, "stacks and split must be given together"),
    ("boundary", {}, "probe and generator must be given together"),
    ("bald", {}, "two classifiers or more")])
def test_what_is_missing_is_named(tiny_networks, pool, tmp_path, strategy, hints, message):
    with pytest.raises(InputError, match=message):
        _rank(strategy, tiny_networks, pool, tmp_path, replace(NONE, **hints))


def test_boundary_ranks_by_probed_stacks(tiny_networks, pool, tmp_path, boundary_content):
    networks = {name: getattr(tiny_networks, name) for name in ("generator", "classifier", "stacks", "split")}
    probed = probe(ProbeConfig.model_validate_json(json.dumps(boundary_content["probe"])), **networks,
                   out=tmp_path / "probe.h5")
    ranking = _rank("boundary", tiny_networks, pool, tmp_path,
                    replace(NONE, probe=probed, generator=tiny_networks.generator), count=10)
    assert len(set(ranking.material)) == 10 and (np.diff(ranking.score) <= 0).all()
    assert np.isfinite(ranking.score).any() and ranking.score.max() <= 0
