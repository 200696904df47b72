"""The stage: folds that part no material, files like the nets', resuming, importance, and what it refuses."""

from typing import Any

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

from classifier.baseline import train_baseline as stage
from classifier.baseline.train_baseline import TrainBaselineConfig, log_probabilities, search, train_baseline, units
from classifier.foundation.atomic import read_json, write_json
from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError
from classifier.prediction.predict import Predictions
from classifier.samples.sampletable import SampleTable

NEAREST = {"kind": "neighbours", "scale": ["standard"], "components": [4], "neighbours": [1, 3],
           "distance_power": [0.0], "class_weight": ["none", "balanced"]}
CONFIG: dict[str, Any] = {
    "seed": 0, "threads": 1, "folds": 2, "repeats": 3, "view": {"half_width": 2.0, "size_pixels": 16},
    "descriptors": {"floor": 1e-5, "rings": 4, "bands": 2, "orders": 6, "direct_disk_radius": 0.5,
                    "pattern_order": "kept"}, "method": NEAREST}


def config(**changes: Any) -> TrainBaselineConfig:
    return parse_config({**CONFIG, **changes}, TrainBaselineConfig, source="test")


def test_files_are_those_of_the_nets(data, tmp_path):
    path = train_baseline(config(), stacks=data.stacks, split=data.split, out=tmp_path / "run")
    predictions, result = Predictions.load(path), read_json(tmp_path / "run" / "result.json")
    left = sorted(file.name for file in path.parent.iterdir())
    assert left == [".lock", "predictions.npz", "result.json", "run.json"]
    assert set(predictions.part) == {"validation", "test"}
    assert predictions.class_map.space_groups == (186, 194, 216, 225)
    np.testing.assert_allclose(np.exp(predictions.logits).sum(axis=1), 1, rtol=1e-6)
    assert result["split_digest"] == predictions.split_digest
    assert result["test"]["materials"] == 8 and result["test"]["groups"]["225"]["training_materials"] == 3
    assert [len(row["folds"]) for row in result["searched"]] == [2] * 4
    assert result["choice"] in [row["choice"] for row in result["searched"]]
    assert {"radial", "angular", "symmetry", "direct", "dark", "pattern 1"} <= set(result["importance"])


def test_spots_at_four_azimuths_are_told_by_the_cosines(data, tmp_path):
    # Azimuths 0 and 180 degrees are one in canonical pose, up to its sign; 90 and 270 likewise.
    train_baseline(config(), stacks=data.stacks, split=data.split, out=tmp_path / "run")
    result = read_json(tmp_path / "run" / "result.json")
    assert result["test"]["top_6"] == 1 and result["test"]["balanced_accuracy"] >= 0.4


def test_majority_predicts_the_commonest_group(tiny_stack_file, make_split_config, tmp_path):
    from classifier.samples.split import split
    stacks = tiny_stack_file(space_groups=(216, 225, 225))
    held = split(make_split_config(group_by="material"), stacks=stacks, out=tmp_path / "split.json")
    path = train_baseline(config(method={"kind": "majority"}), stacks=stacks, split=held, out=tmp_path / "run")
    assert set(Predictions.load(path).predicted()) == {225}
    assert read_json(tmp_path / "run" / "result.json")["test"]["balanced_accuracy"] == 0.5


@pytest.mark.slow
def test_a_finished_run_is_kept_and_one_that_was_cut_goes_on(data, tmp_path, monkeypatch):
    out, again = tmp_path / "run", tmp_path / "again"
    whole = train_baseline(config(), stacks=data.stacks, split=data.split, out=out)
    searched = read_json(out / "result.json")["searched"]
    train_baseline(config(), stacks=data.stacks, split=data.split, out=again)
    (again / "result.json").unlink()
    write_json(again / "search.json", {"searched": searched[:3]})
    calls = []
    monkeypatch.setattr(stage, "cross_val_predict", lambda model, features, truth, cv: calls.append(1) or truth)
    resumed = train_baseline(config(), stacks=data.stacks, split=data.split, out=again)
    assert len(calls) == 1 and read_json(again / "result.json")["searched"][:3] == searched[:3]
    np.testing.assert_array_equal(Predictions.load(whole).sample_id, Predictions.load(resumed).sample_id)
    monkeypatch.setattr(stage, "_run", None)
    assert train_baseline(config(), stacks=data.stacks, split=data.split, out=out) == whole
    with pytest.raises(InputError, match="config_digest may not change"):
        train_baseline(config(seed=1), stacks=data.stacks, split=data.split, out=out)


def test_no_fold_parts_a_material_a_structure_type_or_a_formula(tmp_path, monkeypatch):
    group = np.repeat([216, 225], 24)
    material = [f"m{i // 2}" for i in range(48)]  # two samples each
    kind = [f"t{i // 6}" if i < 24 else "" for i in range(48)]  # three materials each; unknown in 225
    formula = [f"f{i // 4}" if i >= 24 else "" for i in range(48)]  # two materials each
    table = SampleTable.build(48, sample_id=[str(i) for i in range(48)], space_group=group, material=material,
                              structure_type=kind, formula=formula, origin="simulated")
    unit, seen = units(table), []
    assert len(np.unique(unit)) == 4 + 6
    def record(model: object, features: np.ndarray, truth: np.ndarray, cv: list) -> np.ndarray:
        seen.extend(cv)
        return truth
    monkeypatch.setattr(stage, "cross_val_predict", record)
    rows = search(config(folds=3), tmp_path / "search.json", np.zeros((48, 2)), (group == 225).astype(int), unit)
    assert len(rows) == 4 and len(seen) == 12 and rows[0]["balanced_accuracy"] == 1
    for learnt, judged in seen:
        for column in (table.material, table.structure_type, table.formula):
            assert not (set(column[learnt]) & set(column[judged])) - {""}


def test_samples_without_a_material_are_units_of_their_own_unless_a_formula_links_them():
    table = SampleTable.build(5, sample_id=list("abcde"), space_group=[216, 216, 216, 225, 225],
                              material=["m", "m", "", "", ""], formula=["", "", "", "f", "f"], origin="simulated")
    assert units(table).tolist() == [0, 0, 1, 2, 2]


def test_log_probabilities_have_all_classes_and_break_ties_by_frequency():
    model = DummyClassifier(strategy="most_frequent").fit(np.zeros((6, 1)), [1, 1, 1, 3, 3, 0])
    found = log_probabilities(model, np.zeros((2, 1)), np.array([1, 3, 0, 2]))
    assert found.shape == (2, 4) and found.dtype == np.float32 and np.isfinite(found).all()
    assert np.argsort(-found[0]).tolist() == [1, 3, 0, 2]
    assert np.exp(found[0, 1]) == pytest.approx(0.999 + 0.001 * 3 / 6.5)


def test_importance_falls_on_the_family_that_is_used():
    class Reads:
        def predict(self, features: np.ndarray) -> np.ndarray:
            return (features[:, 1] > 0).astype(int)
    features = np.random.default_rng(0).normal(size=(400, 3))
    names = ["radial: ring 1, of pattern 1", "direct: share of the intensity, of pattern 2", "dark: a, of pattern 1"]
    found = stage.importance(Reads(), features, Reads().predict(features), names, config())
    assert found["direct"] == pytest.approx(0.5, abs=0.08) and found["pattern 2"] == pytest.approx(0.5, abs=0.08)
    assert found["radial"] == found["dark"] == found["pattern 1"] == 0 and "symmetry" not in found


def test_more_folds_than_a_group_has_samples_and_more_components_than_descriptors_are_refused(data, tmp_path):
    with pytest.raises(InputError, match="folds"):
        train_baseline(config(folds=50), stacks=data.stacks, split=data.split, out=tmp_path / "a")
    with pytest.raises(InputError, match="every choice must fit"):
        train_baseline(config(method={**NEAREST, "components": [5000]}), stacks=data.stacks, split=data.split,
                       out=tmp_path / "b")
