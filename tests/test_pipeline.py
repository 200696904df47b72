"""The demo on a few rendered crystals: every stage reads what the one before it wrote, and every lock holds."""

import json
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cbedgan import demo as demo_module
from cbedgan.comparison.study import CompareConfig, compare
from cbedgan.demo import demo, pretrain
from cbedgan.distortion.distort import DistortConfig, distort
from cbedgan.gan.crystals.train_crystals import TrainCrystalsConfig
from cbedgan.synthesis.crystals.synthesize_crystals import SynthesizeCrystalsConfig, synthesize_crystals
from classifier.foundation.checkpoint import load_checkpoint
from classifier.foundation.config import load_config, parse_config
from classifier.foundation.errors import InputError
from classifier.prediction.predict import Predictions, load_classifier, predict
from classifier.samples.split import SplitConfig, split
from classifier.samples.stackfile import StackFile
from classifier.training.losses import CrossEntropy
from classifier.training.train import TrainClassifierConfig, train_classifier
from project import CONFIGS
from small_crystals import SIMULATE, SOURCE, write_small_set
from tiny import merged

GROUPS, MATERIALS = (194, 63, 12), 6  # each a maximal subgroup of the one before
VIEW = {"half_width": 2.0, "size_pixels": 16}
STILL = {"mirror": False, "half_turn": False, "quarter_turns": False, "gain": 0.0, "shift_pixels": 0}
# Features of symmetry need 32 pixels: a residual network stands for the demo's.
CLASSIFIER = {"images": 128, "batch": 16, "learning_rate": 5e-3, "warmup_images": 64, "weight_decay": 0.5,
              "ema_half_life_images": 64, "mixup_alpha": 0.0, "report_every_images": 64,
              "checkpoint_every_images": 128, "view": VIEW, "augment": STILL,
              "model": {"kind": "residual", "widths": [8, 16], "blocks": 1, "groups": 4, "dropout": 0.0}}
DRAWN = {"maximum_primitive_atoms": SOURCE["maximum_primitive_atoms"]}
FEW = {"shots": ["few"], "ratio": 0.0, "base": 2, "target": 100}
# What each demo configuration becomes for 16 pixels and a minute.
TINY: dict[str, dict[str, Any]] = {
    "split": {"validation_fraction": 0.0, "minimum_materials": 4, "near_duplicates": "drop"},
    "train_clf": CLASSIFIER,
    "train_gan": {
        "workers": 1, "images": 16, "batch": 4, "checkpoint_every_images": 8, "report_every_images": 8,
        "sheet_samples": 1, "view": VIEW, "prior": {"crystals": 2, "source": DRAWN}, "render": SIMULATE["render"],
        "network": {"embedding_dim": 8, "discriminator": {"widths": [8, 4]},
                    "generator": {"latent_dim": 4, "width": 8, "rounds": 1}}},
    "distort": {"source": DRAWN, "render": SIMULATE["render"], "thresholds": {"points": 4, "rounds": 2},
                "replicates": 100},
    "synthesize": {"sampling_strategy": {"interior": FEW, "boundary": FEW, "hard": FEW}, "copy_quantile": 0.0,
                   "arm": {"candidates": 1}, "hard": {"pool": 2.0}},
    "compare": {"judgement": {"replicates": 200, "minimum_units": 2}, "classifier": CLASSIFIER}}


def tiny(name: str, model: type) -> Any:
    """The demo configuration `name`, of which TINY replaces single keys, also within its tables."""
    content = tomllib.loads((CONFIGS / f"demo/{name}.toml").read_text(encoding="utf-8"))
    return parse_config(merged(content, TINY[name]), model, source=name)


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of bundled data with few crystals, which the demo finds while the module's tests run."""
    folder = tmp_path_factory.mktemp("data")
    write_small_set(folder, GROUPS, MATERIALS, mantissa_bits=10).stacks.rename(folder / "demo.h5")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_module, "data_folder", lambda: folder)
        patch.setattr(demo_module, "_config", tiny)
        yield folder


@pytest.fixture(scope="module")
def chain(bundled: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Paths of everything that the demo wrote."""
    out = tmp_path_factory.mktemp("demo")
    assert demo(out, pretrained=False, workers=1) == out / "compare/report.html"
    return {"stacks": bundled / "demo.h5", "split": out / "split.json", "paths": out / "distort/paths.json",
            "classifier": out / "classifier/classifier.safetensors",
            "second_classifier": out / "second_classifier/classifier.safetensors",
            "generator": out / "generator/generator.safetensors", "synthetic": out / "synthetic.h5",
            "report": out / "compare/report.html"}


@pytest.mark.parametrize(("name", "model"), [
    ("split", SplitConfig), ("train_clf", TrainClassifierConfig), ("train_gan", TrainCrystalsConfig),
    ("distort", DistortConfig), ("synthesize", SynthesizeCrystalsConfig), ("compare", CompareConfig)])
def test_shipped_configurations_are_complete(name, model):
    load_config(demo_module.config_folder() / f"{name}.toml", model)


def test_arms_are_trained_as_the_classifier_is():
    arms, alone = (load_config(CONFIGS / f"demo/{name}.toml", model) for name, model in
                   (("compare", CompareConfig), ("train_clf", TrainClassifierConfig)))
    assert arms.classifier == alone.model_copy(update={"loss": CrossEntropy(kind="cross_entropy")})
    assert not {alone.seed, alone.seed + 1} & set(arms.seeds)  # those judged where stacks are made


def test_every_group_gets_stacks_of_all_kinds(chain):
    with StackFile(chain["synthetic"]) as made, StackFile(chain["stacks"]) as real:
        assert made.detector == real.detector and made.intensity_unit == real.intensity_unit and made.pose == real.pose
        assert set(made.table.origin) == {"synthetic"} and set(made.table.space_group) == set(GROUPS)
        kinds = [json.loads(text)["kind"] for text in made.table.provenance]
        assert [kinds.count(kind) for kind in ("interior", "boundary", "hard")] == [6, 6, 6]
        assert (made.read(np.arange(len(made))) >= 0).all()


def test_one_split_runs_through_all_artefacts(chain):
    digest = json.loads(chain["split"].read_text())["digest"]
    report = json.loads(chain["report"].with_suffix(".json").read_text())
    with StackFile(chain["synthetic"]) as made:
        held = [made.provenance["split_digest"],
                json.loads(chain["paths"].read_text())["provenance"]["split_digest"],
                load_classifier(chain["classifier"]).split_digest, report["provenance"]["inputs"]["split"],
                load_checkpoint(chain["generator"], kind="crystal-generator").header["split_digest"]]
    assert set(held) == {digest}


def test_the_report_shows_every_arm(chain):
    report = json.loads(chain["report"].with_suffix(".json").read_text())
    assert set(report["arms"]) == set(tiny("compare", CompareConfig).arms)
    assert {arm["stacks_added"] for arm in report["arms"].values() if arm["source"]} == {6}
    assert "Where the synthetic stacks come from" in chain["report"].read_text()


def test_the_classifier_judges_a_file_of_its_own_as_in_its_training(chain):
    judged = predict(load_classifier(chain["classifier"]), chain["stacks"])
    held = Predictions.load(chain["classifier"].with_name("predictions.npz")).take("test")
    rows = {name: row for row, name in enumerate(judged.sample_id)}
    np.testing.assert_allclose(judged.logits[[rows[name] for name in held.sample_id]], held.logits, atol=1e-4)


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
    asked = [chain["classifier"], chain["second_classifier"]]
    calls = {
        "distort": lambda: distort(tiny("distort", DistortConfig), classifiers=asked, **data, out=tmp_path / "distort"),
        "synthesize": lambda: synthesize_crystals(
            tiny("synthesize", SynthesizeCrystalsConfig), generator=chain["generator"], paths=chain["paths"].parent,
            classifiers=asked, **data, out=tmp_path / "made.h5", workers=1),
        "compare": lambda: compare(tiny("compare", CompareConfig), **data, synthetic=chain["synthetic"],
                                   out=tmp_path / "compare", workers=1),
        "train-clf": lambda: train_classifier(tiny("train_clf", TrainClassifierConfig), **data, out=tmp_path / "clf",
                                              synthetic=chain["synthetic"])}
    for stage in calls.values():
        with pytest.raises(InputError, match="split"):
            stage()
