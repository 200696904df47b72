"""What the errors say: sorted by hand, the trend of a recall that is known, and the table for the terminal."""

import numpy as np
import pytest

from classifier.crystal.separation import SEPARATIONS
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.page import plain_text
from classifier.judgement.readings import Reading, readings, recall_trend
from classifier.judgement.separation_table import separation_table
from classifier.prediction.predict import Predictions
from classifier.prediction.scores import measure

GROUPS = (47, 71, 123, 216, 225)
TRAINED = np.array([3, 10, 30, 100, 300])


def reading(answers: list[int]) -> Reading:
    """One sample of each of GROUPS and what it was answered."""
    logits = (np.array(answers)[:, None] == GROUPS).astype(np.float32)
    names = np.array([f"s{k}" for k in range(len(GROUPS))])
    return Reading(measure(Predictions(names, names, names, np.array(GROUPS), logits, np.full(len(GROUPS), "test"),
                                       ClassMap(GROUPS), "split", {}), TRAINED), TRAINED)


def test_errors_sorted_by_hand_before_and_now():
    # 123 for 47 is the metric, 71 for 47 the centring, 225 for 216 the centre of inversion; 71, 123 and 225 are right.
    found = readings(reading([123, 71, 123, 225, 225]), reading([71, 71, 123, 216, 225]))
    rows = {row["separation"]: row for row in found["separations"]}
    assert list(rows) == list(SEPARATIONS)
    wrong = {when: {name for name, row in rows.items() if row[when]["errors"]["estimate"] == pytest.approx(0.2)}
             for when in ("now", "before")}
    assert wrong == {"now": {"metric", "inversion"}, "before": {"centring"}}
    assert sum(row["now"]["errors"]["estimate"] for row in rows.values()) == pytest.approx(0.4)
    assert rows["metric"]["now"]["share"]["estimate"] == 0.5
    assert rows["centring"]["change"]["estimate"] == pytest.approx(-0.2)
    # Errors of 47 and of 216, answers 123 and 225: by chance half of them are 225 for 47 and 123 for 216, which are of
    # other families; no strain leaves a primitive lattice of a face-centred one.
    assert rows["crystal_family"]["now"]["share_by_chance"]["estimate"] == pytest.approx(0.5)
    assert rows["metric"]["now"]["share_by_chance"]["estimate"] == pytest.approx(0.25)
    text = plain_text(separation_table(found))
    (metric,) = (line.split() for line in text.splitlines() if line.startswith("metric"))
    assert metric[1:7] == ["0.0", "0.0", "(0.0)", "20.0", "50.0", "(25.0)"] and metric[7] == "+20.0"
    assert "\nLaue class" in text and "Rank correlation of recall and training materials: before " in text


def test_one_method_alone_has_nothing_before_and_unknown_materials_have_no_trend():
    alone = reading([123, 71, 123, 225, 225])
    found = readings(alone._replace(training_materials=None), None)
    assert found["recall_by_training_materials"] is None and found["neighbours_confused"].keys() == {"now"}
    assert all({"change", "before"}.isdisjoint(row) for row in found["separations"])
    text = plain_text(separation_table(found))
    assert "Rank correlation" not in text and "before" not in text and "times chance" in text


def test_the_trend_of_a_recall_that_grows_with_the_logarithm():
    materials = np.array([0, 3, 10, 30, 100, 300, 1000])
    recall = np.array([0.9, 0.1, 0.3, 0.5, 0.7, np.nan, 0.9])  # no material, and nothing judged: both are left out
    trend = recall_trend(recall, materials)
    assert trend.groups == 5 and trend.rho[0] == pytest.approx(1)
    assert trend.training_materials[[0, -1]] == pytest.approx([3, 1000])
    assert (np.diff(trend.curve[0]) > 0).all() and trend.curve[0, 0] == pytest.approx(0.1, abs=0.03)
    assert recall_trend(recall[:3], materials[:3]) is None
