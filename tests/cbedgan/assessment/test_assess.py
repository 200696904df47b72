"""The whole assessment: what it writes, what it says of good, copying and collapsed generators, what it refuses."""

import json

import pytest
import torch

from cbedgan.assessment.assess import AssessConfig, assess
from cbedgan.fidelity.features import random_features
from cbedgan.gan.network.generator import load_generator
from cbedgan.gan.train import fidelity_of
from cbedgan.likeness.bars import summary
from classifier.foundation.config import load_config
from classifier.foundation.errors import InputError
from classifier.samples.split import load_split
from classifier.training.train import TrainClassifierConfig
from project import CONFIGS

CONFIG = AssessConfig(seed=0, threads=1, stacks=64, least_of_group=4, network_epochs=0, disk_patterns=4,
                      held_out="validation", sheet_stacks=2, suspicious=3)


class Double:
    """A generator's place taken by a function of the class."""

    def __init__(self, trained, sample) -> None:
        self.trained, self.latent_dim, self._sample = trained, trained.latent_dim, sample
        self.class_map, self.intensity, self.frame = trained.class_map, trained.intensity, trained.frame

    def sample(self, z, class_idx):
        return self._sample(class_idx)


@pytest.fixture
def inputs(tiny_networks):
    return {name: getattr(tiny_networks, name) for name in ("generator", "stacks", "split")}


def real_stacks(networks):
    trained = load_generator(networks.generator)
    ids = load_split(networks.split, stack_digest=trained.stack_digest).parts["train"]
    return trained, networks.samples(trained, ids)


def test_it_writes_figures_a_page_and_pictures_and_a_second_call_leaves_them(tiny_networks, inputs, tmp_path):
    arguments = inputs | {"classifier": tiny_networks.classifier, "out": tmp_path / "out"}
    config = CONFIG.model_copy(update={"network_epochs": 1})
    page = assess(config, **arguments)
    found = json.loads((tmp_path / "out/fidelity.json").read_text())
    assert found["generated"].keys() >= {"kid", "coverage", "sliced_wasserstein", "symmetry_difference", "profile"}
    assert found["generated"].keys() - {"kid_interval"} <= found["real"].keys() | {"symmetry_ratio"}
    assert [row["space_group"] for row in found["groups"]] == [186, 194, 216, 225]
    assert set(found["realness"]["views"]) == {"features", "pixels", "network"}
    assert {"copies", "spread", "realness", "accuracy", "held_out", "disks", "summary"} <= found.keys()
    text = page.read_text()
    assert text.count("<img") == 5 and "http" not in text and "225 Fm-3m" in text
    assert {path.name for path in (tmp_path / "out/groups").iterdir()} == {f"{k}.png" for k in (186, 194, 216, 225)}
    stamp = page.stat().st_mtime_ns
    assert assess(config, **arguments) == page and page.stat().st_mtime_ns == stamp
    with pytest.raises(InputError, match="config_digest"):
        assess(config.model_copy(update={"seed": 1}), **arguments)


def test_judges_that_have_not_seen_the_real_stacks_say_so_too(tiny_networks, inputs, tmp_path):
    arguments = inputs | {"out": tmp_path / "out"}
    unseen = TrainClassifierConfig.model_validate(json.loads(
        tiny_networks.classifier.with_name("run.json").read_text())["config"] | {"images": 64})
    page = assess(CONFIG, **arguments, unseen=unseen)
    found = json.loads((tmp_path / "out/fidelity.json").read_text())
    trained, samples = real_stacks(tiny_networks)
    assert found["unseen"]["samples"] == len(samples)  # each is unseen by one of the two
    assert found["unseen"]["generated"].keys() == {"kid", "kid_interval"} and found["unseen"]["shots"].keys() == {"few"}
    assert "By judges that have not seen" in page.read_text()
    with pytest.raises(InputError, match="judge"):
        assess(CONFIG, **arguments, unseen=unseen.model_copy(update={"seed": 7}))


def test_two_runs_write_the_same_figures(inputs, tmp_path):
    for name in ("a", "b"):
        assess(CONFIG, **inputs, out=tmp_path / name)
    assert (tmp_path / "a/fidelity.json").read_bytes() == (tmp_path / "b/fidelity.json").read_bytes()


def test_generators_of_different_scales_are_compared_on_one(tiny_networks, inputs, tmp_path):
    own = load_generator(tiny_networks.generator).intensity.config
    scales = {"none": None, "own": own, "other": own.model_copy(update={"transform": "fourth_root"})}
    for name, scale in scales.items():
        assess(CONFIG.model_copy(update={"intensity": scale}), **inputs, out=tmp_path / name)
    none, same, other = (json.loads((tmp_path / name / "fidelity.json").read_text()) for name in scales)
    distance = [found["generated"]["sliced_wasserstein"] for found in (none, same, other)]
    assert distance[1] == pytest.approx(distance[0], rel=0.05)  # on the way, what is below zero intensity becomes zero
    assert distance[2] != pytest.approx(distance[0], rel=0.1)
    assert other["generated"]["total"] == pytest.approx(none["generated"]["total"], rel=1e-3)  # physical in any scale


def test_a_generator_of_training_stacks_copies_and_one_of_means_has_collapsed(tiny_networks):
    trained, samples = real_stacks(tiny_networks)
    features = random_features(*samples.x.shape[1:3])
    def copying(class_idx):
        turn = torch.zeros(len(trained.class_map), dtype=torch.long)
        rows = []
        for k in class_idx.tolist():
            own = (samples.class_idx == k).nonzero()[:, 0]
            rows.append(int(own[turn[k] % len(own)]))
            turn[k] += 1
        return samples.x[rows].flip(-1)
    def collapsed(class_idx):
        means = torch.stack([samples.x[samples.class_idx == k].mean(0) for k in range(len(trained.class_map))])
        return means[class_idx] + 0.01 * torch.arange(len(class_idx))[:, None, None, None] / len(class_idx)
    copies, alike = (fidelity_of(Double(trained, make), samples, features, stacks=100, seed=0)
                     for make in (copying, collapsed))
    assert copies["copies"]["share"] == 1.0 and copies["copies"]["authenticity"] == 0.0
    assert copies["spread"]["alarm"] == [] and alike["spread"]["alarm"] == [186, 194, 216, 225]
    assert alike["realness"]["estimate"] > 0.9
    rows = {row["figure"]: row["met"] for row in copies["summary"]}
    assert rows["share of copies"] is False and rows["collapsed groups"] is True
    assert {row["figure"]: row["met"] for row in alike["summary"]}["collapsed groups"] is False


def test_a_generator_that_has_diverged_is_measured_and_meets_no_bar_of_realness(tiny_networks):
    trained, samples = real_stacks(tiny_networks)
    def diverged(class_idx):
        x = samples.x[:1].repeat(len(class_idx), 1, 1, 1)
        x[::2] = torch.inf
        x[1::4] = torch.nan
        return x
    found = fidelity_of(Double(trained, diverged), samples, random_features(*samples.x.shape[1:3]), stacks=64, seed=0)
    assert found["realness"]["estimate"] > 0.9


def test_the_bars_are_those_of_the_project():
    figures = {"shots": {"many": {"generated": {"kid": 0.019}, "real": {"kid_high": 0.01}},
                         "few": {"generated": {"coverage": 0.49}, "real": {"coverage": 0.9}}},
               "generated": {"symmetry_ratio": 1.25}, "real": {"symmetry_ratio": 1.0},
               "realness": {"view": "pixels", "estimate": 0.76,
                            "views": {"pixels": {"real": {"estimate": 0.5}}}},
               "spread": {"ratio": {"225": 0.9}, "alarm": [], "alarm_real": []}, "copies": {"share": 0.02}}
    assert [row["met"] for row in summary(figures)] == [True, False, False, True, True, False]
    unseen = {"shots": {"many": {"generated": {"kid": 0.05}, "real": {"kid_high": 0.02}}}}
    met = [row["met"] for row in summary(figures | {"unseen": unseen})]
    assert met == [True, False, False, False, True, True, False]
    assert [row["real"] for row in summary(figures)] == [0.01, 0.9, 0.5, 1.0, 0, None]
    nothing = {"shots": {}, "generated": {}, "real": {}, "copies": {},
               "spread": {"ratio": {}, "alarm": [], "alarm_real": []}}
    assert {row["met"] for row in summary(nothing)} == {None}


def test_a_generator_of_another_split_is_refused_and_the_shipped_configuration_is_whole(tiny_networks, tmp_path,
                                                                                       tiny_stack_file):
    other = tiny_stack_file(seed=5)
    with pytest.raises(InputError, match="split"):
        assess(CONFIG, generator=tiny_networks.generator, stacks=other, split=tiny_networks.split, out=tmp_path / "out")
    assert load_config(CONFIGS / "bench/assess.toml", AssessConfig).held_out == "validation"
