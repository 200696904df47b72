import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from classifier.crystal.levels import parse_space_groups
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.errors import InputError
from classifier.judgement.judge import judge, judgement, read
from classifier.prediction.predict import Predictions
from classifier.prediction.scores import measure, score
from classifier.statistics.measured import Measured

GROUPS = (1, 14, 62, 194, 216, 225)
TRAINED = np.array([3, 150, 60, 20, 21, 100])


def some_predictions(seed: int, *, hits: float = 2.0) -> Predictions:
    """Four materials of two stacks a group and part; logits of noise, the true one raised."""
    part, group, material, _ = (a.ravel() for a in np.indices((2, len(GROUPS), 4, 2)))
    names = np.array(["validation", "test"])[part]
    numbers = np.array(GROUPS)[group]
    logits = np.random.default_rng(seed).normal(size=(len(group), len(GROUPS))).astype(np.float32)
    logits[np.arange(len(group)), group] += hits
    label = np.array([f"{p}-{g}-{m}" for p, g, m in zip(names, numbers, material, strict=True)])
    return Predictions(np.array([f"s{i:03d}" for i in range(len(group))]), label, label, numbers, logits, names,
                       ClassMap(GROUPS), "split", {"classifier_digest": f"c{seed}"})


def write(folder: Path, predictions: Predictions, *, result: bool = True) -> Path:
    predictions.save(folder / "predictions.npz")
    if result:
        (folder / "result.json").write_text(json.dumps({"test": score(predictions.take("test"), TRAINED)}))
    return folder / "predictions.npz"


@pytest.mark.slow
def test_the_page_of_one_classifier_says_what_its_scores_say(tmp_path):
    predictions = some_predictions(0)
    page = judge([write(tmp_path / "a", predictions)], part="test", space_groups=None, out=tmp_path / "out")
    found, wanted = json.loads((tmp_path / "out/judgement.json").read_text()), score(predictions.take("test"), TRAINED)
    assert found["samples"] == 48 and found["materials"] == 24 and found["seeds"] == 1
    assert [row["estimate"] for row in found["accuracy_within"]] == pytest.approx(wanted["accuracy_within"])
    for name in ("balanced_accuracy", "macro_f1", "direct_edge_enrichment"):
        assert found["scores"][name]["estimate"] == pytest.approx(wanted[name])
        low, high = wanted[f"{name}_interval"]
        assert (found["scores"][name]["low"], found["scores"][name]["high"]) == pytest.approx((low, high))
    assert found["batch_averaged_f1"]["per_seed"] == [wanted["batch_averaged_f1"]]
    assert [row["training_materials"] for row in found["groups"]] == TRAINED.tolist()
    assert [row["order"] for row in found["groups"]] == [1, 4, 8, 24, 24, 48]
    differ = {(row["truth"], row["answer"]): row["separation"] for row in found["worst"]}
    known = {(216, 225): "inversion", (14, 62): "metric", (1, 14): "crystal family", (194, 216): "crystal family"}
    pairs = [(pair, name) for pair, name in known.items() if {pair, pair[::-1]} & differ.keys()]
    assert pairs and all(differ.get(pair, name) == differ.get(pair[::-1], name) == name for pair, name in pairs)
    text = page.read_text()
    assert text.count("data:image/png;base64,") == 6
    assert "http" not in text.replace("http-equiv", "") and "src=\"/" not in text
    assert "24 materials (48 stacks) of 6 space groups" in text


@pytest.mark.slow
def test_real_derived_and_random_crystals_are_judged_apart(tmp_path):
    plain = some_predictions(0)
    # The even materials are real-derived, and there it is right.
    real = np.array([int(name[-1]) % 2 == 0 for name in plain.material])
    logits = plain.logits + 9 * real[:, None] * np.eye(len(GROUPS))[plain.class_map.indices(plain.space_group)]
    known = replace(plain, logits=logits.astype(np.float32), derivation=np.where(real, "real", "random"))
    page = judge([write(tmp_path / "a", known)], part="test", space_groups=None, out=tmp_path / "out")
    found = json.loads((tmp_path / "out/judgement.json").read_text())["derivations"]
    assert set(found) == {"real", "random"} and found["real"]["scores"]["balanced_accuracy"]["estimate"] == 1
    assert (found["real"]["materials"], found["real"]["structure_types"], found["real"]["groups"]) == (12, 12, 6)
    alone = score(known.take("test").by_derivation()["random"], TRAINED)
    assert found["random"]["scores"]["balanced_accuracy"]["estimate"] == pytest.approx(alone["balanced_accuracy"])
    assert alone["balanced_accuracy"] < 1
    before, real_first, after = page.read_text().partition("real-derived: 12 materials of 12 structure types, 6 groups")
    assert real_first and "random: 12 materials" in after and "random: 12 materials" not in before
    without = judge([write(tmp_path / "b", plain)], part="test", space_groups=None, out=tmp_path / "plain")
    assert "real-derived" not in without.read_text()


@pytest.mark.slow
def test_what_was_before_stands_beside_what_is_now(tmp_path):
    now, earlier = (write(tmp_path / name, some_predictions(seed, hits=hits))
                    for name, seed, hits in (("now", 0, 4.0), ("before", 1, 0.5)))
    page = judge([now], part="test", space_groups=None, out=tmp_path / "out", before=[earlier])
    found = json.loads((tmp_path / "out/judgement.json").read_text())
    for row in found["separations"]:
        assert row["change"]["estimate"] == pytest.approx(
            row["now"]["errors"]["estimate"] - row["before"]["errors"]["estimate"])
    alone = judgement(read([earlier], part="test", space_groups=None), part="test")
    assert [row["before"] for row in found["separations"]] == [row["now"] for row in alone["separations"]]
    assert found["neighbours_confused"]["before"] == alone["neighbours_confused"]["now"]
    assert [one["file"] for one in found["inputs_before"]] == [str(earlier)] and str(earlier) in page.read_text()
    assert "before" not in alone["separations"][0] and alone["recall_by_training_materials"].keys() == {
        "groups", "smoothing_ln", "now"}
    other = write(tmp_path / "other", replace(some_predictions(1), split_digest="other"))
    with pytest.raises(InputError, match="another split"):
        judge([now], part="test", space_groups=None, out=tmp_path / "out", before=[other])


@pytest.mark.slow
def test_several_seeds_are_averaged_and_their_scatter_widens_the_interval(tmp_path):
    seeds = [some_predictions(seed, hits=hits) for seed, hits in ((0, 0.5), (1, 2.0), (2, 4.0))]
    read_back = read([write(tmp_path / str(k), one) for k, one in enumerate(seeds)], part="test", space_groups=None)
    found = judgement(read_back, part="test")["scores"]["balanced_accuracy"]
    alone = [score(one.take("test"), TRAINED) for one in seeds]
    assert found["per_seed"] == pytest.approx([one["balanced_accuracy"] for one in alone])
    assert found["estimate"] == pytest.approx(np.mean(found["per_seed"]))
    widths = [np.diff(one["balanced_accuracy_interval"])[0] for one in alone]
    assert found["high"] - found["low"] > max(widths)


def test_the_mean_over_one_seed_is_that_seed():
    found = measure(some_predictions(0).take("test"), TRAINED)
    again = Measured.mean([found], seed=0)
    for name, values in found.values.items():
        assert np.allclose(again.values[name], values, equal_nan=True), name


def test_bins_of_several_seeds_weigh_by_what_they_hold():
    found = measure(some_predictions(0).take("test"), None)
    sure = Measured(found.values | {"bin_share": np.zeros_like(found.values["bin_share"]),
                                    "bin_accuracy": np.full_like(found.values["bin_share"], 0.123)}, found.unit)
    both = Measured.mean([found, sure], seed=0)
    assert both.values["bin_accuracy"][0] == pytest.approx(found.values["bin_accuracy"][0], nan_ok=True)


@pytest.mark.slow
def test_the_order_of_the_samples_does_not_matter(tmp_path):
    predictions = some_predictions(0)
    turned = replace(predictions, **{name: getattr(predictions, name)[::-1] for name in (
        "sample_id", "material", "structure_type", "space_group", "logits", "part", "derivation")})
    paths = [write(tmp_path / "a", predictions), write(tmp_path / "b", turned)]
    both, one = (judgement(read(some, part="test", space_groups=None), part="test") for some in (paths, paths[:1]))
    assert both["confusion"] == one["confusion"]


def test_only_groups_that_can_occur_are_answered_and_judged(tmp_path):
    path = write(tmp_path / "a", some_predictions(0))
    found = judgement(read([path], part="test", space_groups=[14, 62, 225]), part="test")
    assert [row["space_group"] for row in found["groups"]] == [14, 62, 225] and found["left_out"] == 24
    confusion = np.array([[np.nan if cell is None else cell for cell in row] for row in found["confusion"]])
    assert np.allclose(confusion[[1, 2, 5]][:, [0, 3, 4]], 0) and np.isnan(confusion[[0, 3, 4]]).all()
    assert found["accuracy_within"][2]["estimate"] == 1  # three groups: the third answer is always right


def test_temperature_comes_from_validation_alone(tmp_path):
    # Validation says nothing against the logits as they are, times three; test must not be asked.
    predictions = some_predictions(0)
    louder = replace(predictions, logits=predictions.logits * 3)
    (calm,), (loud,) = (read([write(tmp_path / name, one)], part="test", space_groups=None).temperatures
                        for name, one in (("a", predictions), ("b", louder)))
    assert loud == pytest.approx(3 * calm, rel=0.1)
    changed = replace(louder, logits=np.where((louder.part == "test")[:, None], 0, louder.logits))
    assert read([write(tmp_path / "c", changed)], part="test", space_groups=None).temperatures == [loud]


@pytest.mark.slow
def test_without_a_result_the_training_materials_are_left_out(tmp_path):
    page = judge([write(tmp_path / "a", some_predictions(0), result=False)], part="validation", space_groups=None,
                 out=tmp_path / "out")
    found = json.loads((tmp_path / "out/judgement.json").read_text())
    assert {row["training_materials"] for row in found["groups"]} == {None} and "few_recall" not in found["scores"]
    assert found["recall_by_training_materials"] is None and page.read_text().count("data:image/png;base64,") == 5
    assert "scaled_calibration_error" not in found["scores"] and "temperature" not in page.read_text()


@pytest.mark.slow
def test_what_cannot_be_judged_is_named(tmp_path):
    path = write(tmp_path / "a", some_predictions(0))
    with pytest.raises(InputError, match="part 'train'; found 'test', 'validation'"):
        read([path], part="train", space_groups=None)
    with pytest.raises(InputError, match="found \\[2\\]"):
        read([path], part="test", space_groups=[2, 14])
    other = write(tmp_path / "b", replace(some_predictions(1), split_digest="other"))
    with pytest.raises(InputError, match="another split"):
        read([path, other], part="test", space_groups=None)
    fewer = some_predictions(1)
    fewer = replace(fewer, **{name: getattr(fewer, name)[:-1] for name in (
        "sample_id", "material", "structure_type", "space_group", "logits", "part", "derivation")})
    with pytest.raises(InputError, match="another samples"):
        read([path, write(tmp_path / "c", fewer)], part="test", space_groups=None)


def test_lists_of_groups():
    assert parse_space_groups(None) is None and parse_space_groups("2, 14,62") == [2, 14, 62]
    with pytest.raises(InputError, match="commas"):
        parse_space_groups("2;14")
