"""The demo on a tiny stack file: every stage reads what the one before it wrote, and every lock holds."""

import json
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cbedgan import demo as demo_module
from cbedgan.boundary.probe import ProbeConfig, probe
from cbedgan.boundary.probefile import read_probe
from cbedgan.comparison.study import CompareConfig, compare
from cbedgan.comparison.walk import walk
from cbedgan.demo import demo, pretrain
from cbedgan.gan.train import TrainGanConfig
from cbedgan.synthesis.synthesize import SynthesizeConfig, synthesize
from classifier.foundation.config import load_config, parse_config
from classifier.foundation.errors import InputError
from classifier.prediction.predict import Predictions, load_classifier, predict
from classifier.samples.split import SplitConfig, split
from classifier.samples.stackfile import StackFile
from classifier.training.losses import CrossEntropy
from classifier.training.train import TrainClassifierConfig, train_classifier
from project import CONFIGS
from tiny import merged

VIEW = {"half_width": 2.0, "size_pixels": 16}
STILL = {"mirror": False, "half_turn": False, "quarter_turns": False, "gain": 0.0, "shift_pixels": 0}
# Features of symmetry need 32 pixels: a residual network stands for the demo's.
CLASSIFIER = {"images": 768, "batch": 16, "learning_rate": 5e-3, "warmup_images": 64, "weight_decay": 0.5,
              "ema_half_life_images": 64, "mixup_alpha": 0.0, "report_every_images": 256,
              "checkpoint_every_images": 768, "view": VIEW, "augment": STILL,
              "model": {"kind": "residual", "widths": [8, 16], "blocks": 1, "groups": 4, "dropout": 0.0}}
# What each demo configuration becomes for 16 pixels and a minute.
TINY: dict[str, dict[str, Any]] = {
    "split": {"validation_fraction": 0.25, "minimum_materials": 4},
    "train_clf": CLASSIFIER,
    "train_gan": {
        "images": 2048, "batch": 16, "view": VIEW, "augmentation": {"transforms": STILL},
        "optimiser": {"generator_rate": 1.0}, "ema": {"half_life_images": 128},
        "report": {"every_images": 1024, "fidelity_samples": 16, "sheet_samples": 1},
        "network": {"embedding_dim": 8, "discriminator": {"widths": [16, 16]},
                    "generator": {"latent_dim": 8, "mapping_dim": 16, "mapping_layers": 1, "widths": [16, 16],
                                  "templates": 4}}},
    "probe": {"threads": 1, "shots": ["few"], "partners": 2, "paths": 12, "paths_at_once": 64},
    # Loose limits: a generator of a minute could not pass the real ones, and what is tested is the way through.
    "synthesize": {
        "threads": 1, "sampling_strategy": {"shots": ["few"], "ratio": 0.0, "base": 3, "target": 100}, "rounds": 3,
        "pair_probability": 0.0,
        "acceptance": {"interior_probability": 0.0, "boundary_probability": 0.0, "range_factor": 1e6, "neighbours": 2,
                       "realism_quantile": 1.0, "realism_factor": 1e6, "small_class": 2, "copy_quantile": 0.0}},
    "compare": {"judgement": {"replicates": 200, "minimum_units": 2}, "classifier": {**CLASSIFIER, "images": 128}}}


def tiny(name: str, model: type) -> Any:
    """The demo configuration `name`, of which TINY replaces single keys, also within its tables."""
    content = tomllib.loads((CONFIGS / f"demo/{name}.toml").read_text(encoding="utf-8"))
    return parse_config(merged(content, TINY[name]), model, source=name)


@pytest.fixture(scope="module")
def bundled(tiny_networks: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of bundled data with tiny stacks, which the demo finds while the module's tests run."""
    folder = tmp_path_factory.mktemp("data")
    shutil.copyfile(tiny_networks.stacks, folder / "demo.h5")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_module, "data_folder", lambda: folder)
        patch.setattr(demo_module, "_config", tiny)
        yield folder


@pytest.fixture(scope="module")
def chain(bundled: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Paths of everything that the demo wrote."""
    out = tmp_path_factory.mktemp("demo")
    assert demo(out, pretrained=False, workers=1) == out / "compare/report.html"
    return {"stacks": bundled / "demo.h5", "split": out / "split.json", "probe": out / "probe.h5",
            "classifier": out / "classifier/classifier.safetensors",
            "second_classifier": out / "second_classifier/classifier.safetensors",
            "generator": out / "generator/generator.safetensors", "synthetic": out / "synthetic.h5",
            "report": out / "compare/report.html"}


@pytest.mark.parametrize(("name", "model"), [
    ("split", SplitConfig), ("train_clf", TrainClassifierConfig), ("train_gan", TrainGanConfig),
    ("probe", ProbeConfig), ("synthesize", SynthesizeConfig),
    ("compare", CompareConfig)])
def test_shipped_configurations_are_complete(name, model):
    load_config(demo_module.config_folder() / f"{name}.toml", model)


def test_arms_are_trained_as_the_classifier_is():
    arms, alone = (load_config(CONFIGS / f"demo/{name}.toml", model) for name, model in
                   (("compare", CompareConfig), ("train_clf", TrainClassifierConfig)))
    assert arms.classifier == alone.model_copy(update={"loss": CrossEntropy(kind="cross_entropy")})
    assert not {alone.seed, alone.seed + 1} & set(arms.seeds)  # those judged where stacks are made


def test_every_group_gets_stacks_of_both_kinds(chain):
    with StackFile(chain["synthetic"]) as made, StackFile(chain["stacks"]) as real:
        assert made.detector == real.detector and made.intensity_unit == real.intensity_unit and made.pose == real.pose
        assert set(made.table.origin) == {"synthetic"} and set(made.table.space_group) == set(real.table.space_group)
        kinds = [json.loads(text)["kind"] for text in made.table.provenance]
        assert kinds.count("interior") == 12 and kinds.count("boundary") > 0
        assert (made.read(np.arange(len(made))) >= 0).all()


def test_one_split_runs_through_all_artefacts(chain):
    digest = json.loads(chain["split"].read_text())["digest"]
    report = json.loads(chain["report"].with_suffix(".json").read_text())
    with StackFile(chain["synthetic"]) as made:
        held = [made.provenance["split_digest"], read_probe(chain["probe"]).provenance["split_digest"],
                load_classifier(chain["classifier"]).split_digest, report["provenance"]["inputs"]["split"],
                json.loads(chain["generator"].with_suffix(".json").read_text())["split_digest"]]
    assert set(held) == {digest}


def test_report_shows_every_arm_and_one_path(chain):
    report = json.loads(chain["report"].with_suffix(".json").read_text())
    assert set(report["arms"]) == set(tiny("compare", CompareConfig).arms)
    added = {arm["stacks_added"] for arm in report["arms"].values() if arm["source"]}
    assert len(added) == 1 and added != {0}
    page = chain["report"].read_text()
    assert "One path across a boundary" in page and "Where the synthetic stacks come from" in page


def test_the_classifier_learnt_and_judges_a_file_of_its_own(chain):
    judged = predict(load_classifier(chain["classifier"]), chain["stacks"])
    held = Predictions.load(chain["classifier"].with_name("predictions.npz")).take("test")
    rows = {name: row for row, name in enumerate(judged.sample_id)}
    np.testing.assert_allclose(judged.logits[[rows[name] for name in held.sample_id]], held.logits, atol=1e-4)
    assert (held.predicted() == held.space_group).mean() > 0.7


def test_the_demo_run_again_changes_no_artefact(chain, capsys):
    before = {path: path.read_bytes() for path in chain.values() if path.name != "report.html"}
    demo(chain["split"].parent, pretrained=False, workers=1)
    assert {path: path.read_bytes() for path in before} == before
    printed = capsys.readouterr().out
    headline = json.loads(chain["report"].with_suffix(".json").read_text())["headline"]
    assert " ".join(headline.split()) in " ".join(printed.split())
    assert printed.endswith(f"Report: {chain['report']}\n")


def test_pretrained_networks_serve_their_own_split_only(chain, bundled, tmp_path, monkeypatch):
    pretrain(tmp_path / "pretrained")
    for network in demo_module.NETWORKS:
        shutil.copy(tmp_path / "pretrained" / f"{network}.safetensors", bundled)
    report = demo(tmp_path / "demo", pretrained=True, workers=1)
    assert report.exists() and not (tmp_path / "demo/generator").exists()
    monkeypatch.setitem(TINY["split"], "seed", 1)
    with pytest.raises(InputError, match="must be trained on the split it is used with"):
        demo(tmp_path / "another", pretrained=True, workers=1)


def test_another_split_locks_every_stage(chain, tmp_path):
    config = tiny("split", SplitConfig).model_copy(update={"seed": 1})
    other = split(config, stacks=chain["stacks"], out=tmp_path / "split.json")
    assert json.loads(other.read_text())["digest"] != json.loads(chain["split"].read_text())["digest"]
    data = {"stacks": chain["stacks"], "split": other}
    first = {name: chain[name] for name in ("generator", "classifier")}
    calls = {
        "probe": lambda: probe(tiny("probe", ProbeConfig), **first, **data, out=tmp_path / "probe.h5"),
        "synthesize": lambda: synthesize(tiny("synthesize", SynthesizeConfig), probe=chain["probe"], **first, **data,
                                         second_classifier=chain["second_classifier"], out=tmp_path / "made.h5"),
        "compare": lambda: compare(tiny("compare", CompareConfig), **data, synthetic=chain["synthetic"],
                                   out=tmp_path / "compare", workers=1),
        "train-clf": lambda: train_classifier(tiny("train_clf", TrainClassifierConfig), **data, out=tmp_path / "clf",
                                              synthetic=chain["synthetic"])}
    for stage in calls.values():
        with pytest.raises(InputError, match="split"):
            stage()


def test_a_path_is_pictured_with_the_networks_it_was_probed_with(chain):
    digest = json.loads(chain["split"].read_text())["digest"]
    with pytest.raises(InputError, match="must have been probed with this classifier"):
        walk(probe=chain["probe"], generator=chain["generator"], classifier=chain["second_classifier"],
             split_digest=digest)
