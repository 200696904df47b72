"""The assessment of a generator of crystals: arms on one page, its crystals beside real-derived ones, exact resume."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from cbedgan.assessment.assess import AssessConfig, assess
from cbedgan.assessment.crystal_drawer import CrystalDrawsConfig, crystal_drawer
from cbedgan.crystal.census import two_sample
from cbedgan.crystal.census.known import real_crystals
from cbedgan.gan.crystals.draw import ArmConfig
from cbedgan.gan.crystals.sample_crystals import sample_crystals
from cbedgan.gan.crystals.trained_crystals import load_crystals
from classifier.foundation.config import load_config
from classifier.foundation.errors import InputError
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile
from project import CONFIGS
from running import verb
from tiny import toml

pytestmark = pytest.mark.slow
PLAIN, UNTRAINED = ArmConfig(candidates=1), ArmConfig(moved=False, candidates=1)
CONFIG = AssessConfig(stacks=16, least_of_group=5, network_epochs=0, disk_patterns=2, held_out="test", sheet_stacks=2,
                      suspicious=2, crystals=CrystalDrawsConfig(arm=PLAIN, beside={"untrained": UNTRAINED}))


@pytest.fixture(scope="module", autouse=True)
def few_trees() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(two_sample, "TREES", 20)
        patched.setattr(two_sample, "REPLICATES", 50)
        yield


@pytest.fixture(scope="module")
def inputs(trained, small_set) -> dict[str, Path]:
    return {"generator": trained / "generator.safetensors", **small_set._asdict()}


@pytest.fixture(scope="module")
def assessed(inputs, tmp_path_factory) -> Path:
    """The folder of a finished assessment, by the verb."""
    folder = tmp_path_factory.mktemp("assessed")
    (folder / "assess.toml").write_text(toml(CONFIG.model_dump(mode="json", exclude_none=True)))
    words = [word for name, path in inputs.items() for word in (f"--{name}", path)]
    assert verb("assess", "--config", folder / "assess.toml", *words, "--out", folder / "out") == 0
    return folder / "out"


@pytest.fixture(scope="module")
def found(assessed) -> dict:
    return json.loads((assessed / "fidelity.json").read_text())


def test_pictures_are_measured_as_those_of_any_generator(found, assessed):
    assert found["generated"].keys() >= {"coverage", "sliced_wasserstein", "symmetry_difference", "profile"}
    assert found["copies"].keys() == {"share", "distance_ratio", "authenticity"}
    assert {"spread", "realness", "held_out", "accuracy", "disks", "summary"} <= found.keys()
    assert [(row["space_group"], row["generated"]) for row in found["groups"]] == [(62, 5), (194, 5), (225, 5)]
    assert (found["arm"], found["real_stacks"], found["left_out"]) == (PLAIN.model_dump(), "stored", [])
    with StackFile(assessed / "drawn.h5") as file:
        assert file.table.space_group.tolist() == [62] * 5 + [194] * 5 + [225] * 5


def test_only_real_derived_crystals_are_compared_as_many_of_each_group(found, small_set):
    crystals = found["crystals"]
    assert (crystals["crystals"], crystals["groups"]) == (12, 3)  # four of each group, the fifth is a random one
    with StackFile(small_set.stacks) as file:
        parted = load_split(small_set.split, stack_digest=file.identity)
        known = np.isin(file.table.sample_id, parted.parts["train"]) & (file.table.derivation == "real")
        sites = [json.loads(row)["crystal"]["numbers"] for row in file.table.provenance[known]]
    assert crystals["numbers"]["atoms"]["real"]["mean"] == pytest.approx(np.mean([len(one) for one in sites]))
    assert 0 < crystals["told_apart"]["estimate"] < 1 and crystals["told_apart"]["crystals"] == 12
    assert crystals["told_apart_real"]["crystals"] == 6


def test_arms_stand_beside_each_other(found, assessed):
    other = found["beside"]["untrained"]
    assert other["arm"] == UNTRAINED.model_dump() and other["summary"] != found["summary"]
    # Both begin with the same crystals of the prior; moves change cells and no composition.
    numbers, moved = other["crystals"]["numbers"], found["crystals"]["numbers"]
    assert numbers["elements"]["real"] == moved["elements"]["real"]
    assert numbers["volume_an_atom"]["drawn"] != moved["volume_an_atom"]["drawn"]
    text = (assessed / "report.html").read_text()
    assert "untrained<br>as drawn, not chosen" in text and "told apart by the last ten together" in text
    assert text.count("volume an atom") == 1 and "http" not in text


def test_drawn_stacks_are_kept_and_an_interrupted_assessment_ends_at_the_same_figures(assessed, inputs, tmp_path,
                                                                                      monkeypatch):
    def broken(config, **arguments):
        if config.arm == UNTRAINED:
            raise KeyboardInterrupt
        return sample_crystals(config, **arguments)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("cbedgan.assessment.crystal_drawer.sample_crystals", broken)
        assess(CONFIG, **inputs, out=tmp_path / "out")
    kept = (tmp_path / "out/drawn.h5").stat().st_mtime_ns
    assess(CONFIG, **inputs, out=tmp_path / "out")
    assert (tmp_path / "out/drawn.h5").stat().st_mtime_ns == kept
    assert (tmp_path / "out/fidelity.json").read_bytes() == (assessed / "fidelity.json").read_bytes()


def test_stacks_come_in_the_order_of_the_classes_asked_for(trained, tmp_path):
    source = load_crystals(trained / "generator.safetensors")
    subject = crystal_drawer(CrystalDrawsConfig(arm=PLAIN), source, 3, generator=trained / "generator.safetensors",
                             out=tmp_path, mantissa_bits=10)
    x = subject.arm.generate(torch.tensor([2, 0, 2]))
    with StackFile(tmp_path / "drawn.h5") as file:
        assert file.table.space_group.tolist() == [62, 225, 225]
        stacks = source.seen.intensity.normalise(torch.from_numpy(file.read([1, 0, 2])))
    assert (x == stacks).all()


def test_real_stacks_can_be_rendered_again(inputs, found, tmp_path):
    draws = CrystalDrawsConfig(arm=PLAIN, real="rendered")
    assess(CONFIG.model_copy(update={"crystals": draws}), **inputs, out=tmp_path / "out")
    again = json.loads((tmp_path / "out/fidelity.json").read_text())
    # The renderer has made this set, too.
    assert again["generated"] == found["generated"] and again["real_stacks"] == "rendered" and again["beside"] == {}


def test_without_crystals_in_the_rows_it_says_so(small_set):
    with StackFile(small_set.stacks) as file:
        table = file.table
    random = table.take(np.flatnonzero(table.derivation == "random"))
    assert real_crystals(random) == ([], "the set has no crystals derived from real ones")
    random.provenance[:] = ["", "{}", "[]"]
    assert real_crystals(random) == ([], "the rows of the set hold no crystals")
    assert len(real_crystals(table)[0]) == 15


def test_arms_of_crystals_are_refused_for_other_generators(tiny_networks, tmp_path):
    inputs = {name: getattr(tiny_networks, name) for name in ("generator", "stacks", "split")}
    with pytest.raises(InputError, match="goes with generators of crystals"):
        assess(CONFIG, **inputs, out=tmp_path / "out")


def test_the_shipped_configuration_is_complete():
    config = load_config(CONFIGS / "bench/assess_crystals.toml", AssessConfig)
    assert config.crystals is not None and config.crystals.beside["untrained"] == UNTRAINED
