import json
import re
from pathlib import Path

import pytest

from cbedgan.ablation.figures import FIGURES, figures_of
from cbedgan.ablation.runs import read_assessment
from cbedgan.ablation.study import CompareGeneratorsConfig, compare_generators
from cbedgan.ablation.variants import load_variants, plan_runs
from cbedgan.gan.crystals.crystal_config import TrainCrystalsConfig
from classifier.foundation.config import load_config, parse_config
from classifier.foundation.errors import InputError
from project import CONFIGS
from running import verb
from small_crystals import TRAIN
from tiny import toml

CONFIG = {"seeds": [1, 2], "judgement": {"reference": "plain", "judged": ["kid", "coverage"], "alpha": 0.05},
          "assessment": {"seed": 0, "threads": 1, "stacks": 24, "least_of_group": 2, "network_epochs": 0,
                         "disk_patterns": 0, "held_out": "validation", "sheet_stacks": 1, "suspicious": 1}}
FASTER = {"penalty": {"every": 16}}


def config(**changes):
    return parse_config(CONFIG | changes, CompareGeneratorsConfig, source="test")


@pytest.fixture
def call(tiny_networks, tmp_path):
    """Keyword arguments of the stage but for the variants."""
    return {"stacks": tiny_networks.stacks, "split": tiny_networks.split, "out": tmp_path / "out", "workers": 1,
            "classifier": tiny_networks.classifier}


def test_the_comparison_is_whole_alone_and_resumable(call, variants):
    folder = variants(plain={}, same={}, rare=FASTER)
    path = compare_generators(config(), variants=folder, **call)
    report, page = json.loads((call["out"] / "report.json").read_text()), path.read_text()
    assert path == call["out"] / "report.html" and not re.search(r'src="(?!data:)|href=|url\(|@import|https?:', page)
    assert {variant["name"] for variant in report["variants"]} == {"plain", "same", "rare"}
    assert report["variants"][0]["figures"]["kid"]["estimate"] <= report["variants"][-1]["figures"]["kid"]["estimate"]
    rows = {(row["variant"], row["figure"]): row for row in report["differences"]}
    assert set(rows) == {(variant, figure) for variant in ("same", "rare") for figure in FIGURES}
    assert rows["same", "kid"]["per_seed"] == [0.0, 0.0] and rows["rare", "kid"]["estimate"] != 0
    assert report["real"]["coverage"] is not None and report["real"]["kid_many"] is None  # no group with many
    text = (call["out"] / "ablation.txt").read_text()
    assert all(name in text for name in ("plain", "same", "rare", "of rare", "real stacks in their place"))
    # Equal configurations are one run; what is there stays, and a further variant joins.
    runs = sorted(call["out"].glob("trainings/*/fidelity/result.json"))
    assert len(runs) == 4
    before = [run.stat().st_mtime_ns for run in runs]
    compare_generators(config(), variants=variants(flat={"sampling_power": 0.0}), **call)
    assert [run.stat().st_mtime_ns for run in runs] == before
    again = json.loads((call["out"] / "report.json").read_text())
    assert len(again["variants"]) == 4 and len(list(call["out"].glob("trainings/*/generator.safetensors"))) == 6
    # A lost assessment is made again, the same, without training.
    lost = runs[0].parent
    trained = (lost.parent / "generator.safetensors").stat().st_mtime_ns
    for name in ("result.json", "fidelity.json"):
        (lost / name).unlink()
    compare_generators(config(), variants=folder, **call)
    assert (lost.parent / "generator.safetensors").stat().st_mtime_ns == trained
    assert json.loads((call["out"] / "report.json").read_text()) == again


def test_the_command_line_prints_the_table(call, variants, tmp_path, capsys):
    path = tmp_path / "config.toml"
    path.write_text(toml(CONFIG))
    arguments = [f"--{name}={value}" for name, value in call.items() if name != "workers"]
    folder = variants(plain={})
    assert verb("compare-generators", f"--config={path}", f"--variants={folder}", *arguments, "--workers=1") == 0
    out = capsys.readouterr().out
    assert "2 seeds, means with 95 % intervals" in out and "report.html" in out


@pytest.mark.parametrize("changes, rule", [({"seeds": [1, 1]}, "seeds: must all be different"), (
    {"judgement": CONFIG["judgement"] | {"reference": "none"}}, "reference: must be among the variants plain")])
def test_what_could_not_be_judged_is_refused_before_training(call, variants, changes, rule):
    with pytest.raises(InputError, match=rule):
        compare_generators(config(**changes), variants=variants(plain={}), **call)
    assert not call["out"].exists()


def test_variants_of_different_scales_need_one_to_be_compared_on(call, variants):
    folder = variants(plain={}, root={"intensity": {"transform": "fourth_root"}})
    with pytest.raises(InputError, match="assessment.intensity: must be given"):
        compare_generators(config(), variants=folder, **call)


def test_a_folder_without_variants_is_refused(call, tmp_path):
    with pytest.raises(InputError, match="folder of variants"):
        compare_generators(config(), variants=tmp_path, **call)


def test_a_variant_sets_everything_but_the_seed(variants, tmp_path):
    found = load_variants(variants(a={}, b=FASTER, c={"seed": 9}))
    planned = plan_runs(found, (1, 2), config().assessment, stacks=Path("s"), split=Path("p"), classifier=None,
                        out=tmp_path)
    assert len(planned.jobs) == 4 and planned.folders["a"] == planned.folders["c"] != planned.folders["b"]
    assert {job.config.seed for job in planned.jobs} == {1, 2}


def test_variants_that_are_drawn_otherwise_share_a_training():
    found = load_variants(CONFIGS / "gan")
    drawn = {name: found[name] for name in ("recipe", "no_choice", "no_moves", "untrained")}
    planned = plan_runs(drawn, (1, 2), config().assessment, stacks=Path("s"), split=Path("p"), classifier=None,
                        out=Path("out"))
    assert len(planned.jobs) == 2 and len({folder for folders in planned.folders.values() for folder in folders}) == 8
    for job in planned.jobs:
        arms = {folder: assessment.crystals.arm for folder, assessment in job.assessments.items()}
        assert {(arm.moved, arm.candidates) for arm in arms.values()} == {
            (True, 8), (True, 1), (False, 8), (False, 1)} and {folder.parent for folder in arms} == {job.out}
        assert arms[planned.folders["no_choice"][job.seed - 1]] == drawn["no_choice"].crystals.arm


@pytest.mark.slow
def test_variants_of_crystals_are_trained_once_and_assessed_as_each_says(small_set, tmp_path):
    for name, arm in (("recipe", {"candidates": 1}), ("untrained", {"candidates": 1, "moved": False})):
        content = {"label": name, "changes": "", "train": TRAIN | {"images": 4, "sheet_samples": 0},
                   "crystals": {"arm": arm}}
        (tmp_path / f"{name}.toml").write_text(toml(content), encoding="utf-8")
    asked = config().assessment.model_copy(update={"held_out": "test"})
    planned = plan_runs(load_variants(tmp_path), (3,), asked, stacks=small_set.stacks, split=small_set.split,
                        classifier=None, out=tmp_path / "out")
    job, = planned.jobs
    job.run()
    found = {name: read_assessment(folder) for name, (folder,) in planned.folders.items()}
    assert found["recipe"]["arm"]["moved"] and not found["untrained"]["arm"]["moved"]
    assert found["recipe"]["generated"] != found["untrained"]["generated"]
    assert figures_of(found["recipe"])["coverage"] is not None


def test_the_shipped_variants_differ_from_the_recipe_in_what_they_say():
    found = load_variants(CONFIGS / "gan")
    settings = load_config(CONFIGS / "bench" / "compare_generators.toml", CompareGeneratorsConfig)
    assert settings.judgement.reference in found and len(settings.seeds) >= 3
    recipe = found["recipe"].train
    for name, variant in found.items():
        assert (variant.train.images, variant.train.batch, variant.train.view) == (
            recipe.images, recipe.batch, recipe.view), name
    assert len({variant.label for variant in found.values()}) == len(found)


def test_the_recipe_is_the_shipped_training_but_for_what_makes_many_runs_cheap():
    recipe = load_variants(CONFIGS / "gan")["recipe"].train.model_dump()
    shipped = load_config(CONFIGS / "bench/train_gan_crystals.toml", TrainCrystalsConfig).model_dump()
    assert {key for key in shipped if shipped[key] != recipe[key]} == {
        "images", "prior", "checkpoint_every_images", "report_every_images"}
