"""The whole chain on a tiny stack file: every stage reads what the one before it wrote."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cbedgan.boundary.probe import ProbeConfig, probe
from cbedgan.boundary.probefile import read_probe
from cbedgan.comparison.study import CompareConfig, compare
from cbedgan.gan.train import TrainGanConfig, train_gan
from cbedgan.synthesis.synthesize import SynthesizeConfig, synthesize
from classifier.config import parse_config
from classifier.errors import InputError
from classifier.predict import Predictions, load_classifier, predict
from classifier.split import SplitConfig, split
from classifier.stackfile import StackFile
from classifier.train import TrainClassifierConfig, train_classifier

CONFIGS = Path(__file__).parents[1] / "configs" / "demo"
VIEW = {"half_width": 2.0, "size_pixels": 16}
STILL = {"mirror": False, "half_turn": False, "quarter_turns": False, "gain": 0.0, "shift_pixels": 0}
CLASSIFIER = {"images": 768, "batch": 16, "learning_rate": 5e-3, "warmup_images": 64, "ema_half_life_images": 64,
              "report_every_images": 256, "checkpoint_every_images": 768, "view": VIEW, "augment": STILL,
              "model": {"widths": [8, 16], "blocks": 1, "groups": 4, "dropout": 0.0}}
# What each demo configuration becomes for 16 pixels and a minute.
TINY: dict[str, dict[str, Any]] = {
    "split": {"validation_fraction": 0.25, "minimum_materials": 4},
    "train_clf": CLASSIFIER,
    "train_gan": {
        "threads": 1, "images": 2048, "batch": 16, "report_every_images": 1024, "checkpoint_every_images": 1024,
        "ema_half_life_images": 128, "view": VIEW, "augment": STILL, "fidelity_samples": 16, "sheet_samples": 1,
        "network": {"latent_dim": 8, "mapping_dim": 16, "mapping_layers": 1, "embedding_dim": 8, "blocks": 1,
                    "generator_widths": [16, 16], "discriminator_widths": [16, 16], "patch": 2,
                    "unconditional_pixels": 0, "precision": "float32"}},
    "probe": {"threads": 1, "shots": ["few"], "partners": 2, "paths": 4, "paths_at_once": 64},
    # Loose limits: a generator of a minute could not pass the real ones, and what is tested is the way through.
    "synthesize": {
        "threads": 1, "sampling_strategy": {"shots": ["few"], "ratio": 0.0, "base": 3, "target": 100}, "rounds": 3,
        "acceptance": {"interior_probability": 0.0, "boundary_probability": 0.0, "range_factor": 1e6, "neighbours": 2,
                       "realism_quantile": 1.0, "realism_factor": 1e6, "small_class": 2, "copy_quantile": 0.0}},
}


def shipped(name: str) -> dict[str, Any]:
    return tomllib.loads((CONFIGS / f"{name}.toml").read_text(encoding="utf-8"))


def tiny(name: str, model: type) -> Any:
    return parse_config({**shipped(name), **TINY[name]}, model, source=name)


def tiny_compare() -> CompareConfig:
    demo = shipped("compare")
    return parse_config({**demo, "judgement": {**demo["judgement"], "replicates": 200, "minimum_units": 2},
                         "classifier": {**demo["classifier"], **CLASSIFIER, "images": 128}}, CompareConfig,
                        source="compare")


@pytest.fixture(scope="module")
def chain(tiny_networks: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Paths of everything that the chain wrote, from the stacks of the shared fixture alone."""
    return run_chain(tiny_networks.stacks, tmp_path_factory.mktemp("chain"))


def run_chain(stacks: Path, out: Path) -> dict[str, Path]:
    data = {"stacks": stacks, "split": split(tiny("split", SplitConfig), stacks=stacks, out=out / "split.json")}
    config = tiny("train_clf", TrainClassifierConfig)
    networks = {"classifier": train_classifier(config, **data, out=out / "classifier"),
                "second_classifier": train_classifier(config.model_copy(update={"seed": 1}), **data,
                                                      out=out / "second_classifier")}
    networks["generator"] = train_gan(tiny("train_gan", TrainGanConfig), **data, out=out / "generator",
                                      classifier=networks["classifier"])
    first = {name: networks[name] for name in ("generator", "classifier")}
    probed = probe(tiny("probe", ProbeConfig), **first, **data, out=out / "probe.h5")
    made = synthesize(tiny("synthesize", SynthesizeConfig), probe=probed, **networks, **data, out=out / "synthetic.h5")
    report = compare(tiny_compare(), **data, synthetic=made, out=out / "compare", workers=1, probe=probed, **first)
    return {**data, **networks, "probe": probed, "synthetic": made, "report": report}


def test_every_group_gets_stacks_of_both_kinds(chain):
    with StackFile(chain["synthetic"]) as made, StackFile(chain["stacks"]) as real:
        assert made.detector == real.detector and made.intensity_unit == real.intensity_unit and made.pose == real.pose
        assert set(made.table.origin) == {"synthetic"}
        assert set(made.table.space_group) == set(real.table.space_group)
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
    assert set(report["arms"]) == set(tiny_compare().arms)
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


def test_the_chain_run_again_changes_no_artefact(chain):
    before = {path: path.read_bytes() for path in chain.values() if path.name != "report.html"}
    again = run_chain(chain["stacks"], chain["split"].parent)
    assert again == chain
    assert {path: path.read_bytes() for path in before} == before


def test_a_second_split_locks_every_stage(chain, tmp_path):
    other = split(parse_config({**shipped("split"), **TINY["split"], "seed": 1}, SplitConfig, source="split"),
                  stacks=chain["stacks"], out=tmp_path / "split.json")
    assert json.loads(other.read_text())["digest"] != json.loads(chain["split"].read_text())["digest"]
    data = {"stacks": chain["stacks"], "split": other}
    first = {name: chain[name] for name in ("generator", "classifier")}
    calls = {
        "probe": lambda: probe(tiny("probe", ProbeConfig), **first, **data, out=tmp_path / "probe.h5"),
        "synthesize": lambda: synthesize(tiny("synthesize", SynthesizeConfig), probe=chain["probe"], **first, **data,
                                         second_classifier=chain["second_classifier"], out=tmp_path / "made.h5"),
        "compare": lambda: compare(tiny_compare(), **data, synthetic=chain["synthetic"], out=tmp_path / "compare",
                                   workers=1),
        "train-clf": lambda: train_classifier(tiny("train_clf", TrainClassifierConfig), **data, out=tmp_path / "clf",
                                              synthetic=chain["synthetic"])}
    for stage in calls.values():
        with pytest.raises(InputError, match="split"):
            stage()
