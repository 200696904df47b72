import json

import numpy as np
import pytest

from classifier.crystal.spacegroup import ClassMap
from classifier.prediction.predict import Predictions
from classifier.prediction.scores import score


def test_scores_count_materials_and_leave_nothing_undefined() -> None:
    logits = np.zeros((5, 3), np.float32)
    logits[np.arange(5), [0, 0, 1, 1, 1]] = 2
    predictions = Predictions(np.array(list("abcde")), np.array(["m", "m", "m", "n", "o"]), np.full(5, ""),
                              np.array([194, 194, 194, 194, 216]), logits, np.full(5, "test"),
                              ClassMap((194, 216, 225)), "digest", {})
    found = score(predictions, np.array([120, 20, 4]))
    # Of 194: material m is right in 2 of 3 samples, n is wrong; the one material of 216 is right.
    assert found["groups"]["194"] == {"recall": pytest.approx(1 / 3), "materials": 2, "samples": 4,
                                      "training_materials": 120}
    assert found["groups"]["225"]["recall"] is None
    assert found["balanced_accuracy"] == pytest.approx(2 / 3) and found["top_1"] == pytest.approx(5 / 9)
    assert found["top_6"] == 1 and found["resampled_by"] == "material"
    assert found["recall_by_shot"] == {"many": pytest.approx(1 / 3), "few": 1.0, "medium": None}
    low, high = found["balanced_accuracy_interval"]
    assert 0 <= low <= 2 / 3 <= high <= 1
    assert found["accuracy_within"][0] == found["top_1"] and len(found["accuracy_within"]) == 6
    assert found["accuracy_gain"] == pytest.approx(np.diff(found["accuracy_within"]))
    # The wrong answers stay neither in the system (hexagonal, cubic) nor on an edge.
    assert found["levels"]["crystal_system"]["accuracy"] == pytest.approx(5 / 9)
    assert found["direct_edge_share"] == 0 and found["batch_averaged_f1_batch"] == 32
    assert found["accuracy_at_coverage"][-1] == pytest.approx(found["top_1"]) and found["coverage"][-1] == 1
    json.dumps(found, allow_nan=False)


def test_an_answer_in_the_right_system_counts_at_that_level() -> None:
    # The most probable group is hexagonal with 0.4, but the two cubic ones have 0.6 together.
    predictions = Predictions(*(np.array([name]) for name in "amt"), np.array([216]),
                              np.log(np.array([[0.4, 0.3, 0.3]])), np.array(["test"]), ClassMap((194, 216, 225)), "",
                              {})
    found = score(predictions, np.array([5, 5, 5]))
    assert found["top_1"] == 0 and found["levels"]["crystal_system"]["accuracy"] == 1
    assert found["levels"]["point_group"]["accuracy"] == 0


def test_an_empty_part_has_no_scores() -> None:
    empty = Predictions(*(np.array([], dtype=str),) * 3, np.array([], int), np.zeros((0, 2), np.float32),
                        np.array([], dtype=str), ClassMap((194, 216)), "digest", {})
    assert score(empty, np.array([3, 4])) == {"samples": 0, "materials": 0}


def test_real_derived_and_random_crystals_are_scored_apart() -> None:
    logits = np.eye(2, dtype=np.float32)[[0, 0, 1, 0, 0]]
    predictions = Predictions(np.array(list("abcde")), np.array(list("abcde")), np.array(list("stuss")),
                              np.array([194, 194, 216, 216, 216]), logits, np.full(5, "test"), ClassMap((194, 216)),
                              "digest", {}, np.array(["real", "random", "real", "random", "random"]))
    found = score(predictions, np.array([5, 5]))
    real, random = (found["derivations"][name] for name in ("real", "random"))
    assert list(found["derivations"]) == ["real", "random"]
    assert (real["balanced_accuracy"], real["materials"], real["structure_types"]) == (1, 2, 2)
    assert (random["balanced_accuracy"], random["materials"], random["structure_types"]) == (0.5, 3, 2)
    assert found["balanced_accuracy"] == pytest.approx((1 + 1 / 3) / 2) and "derivations" not in real
    unknown = score(Predictions(*(getattr(predictions, name) for name in (
        "sample_id", "material", "structure_type", "space_group", "logits", "part", "class_map")), "", {}),
        np.array([5, 5]))
    assert unknown == {name: value for name, value in found.items() if name != "derivations"}
