"""Areas, intervals and curves on a few numbers that can be worked out by hand."""

import numpy as np
import pytest

from cbedgan.acquisition.curves import area, learning_curves, student_interval
from classifier.crystal.spacegroup import ClassMap
from classifier.prediction.predict import Predictions


def test_area_is_the_mean_over_the_range():
    labelled = np.array([10, 20, 40])
    assert area(labelled, np.array([0.2, 0.4, 0.4])) == pytest.approx((3 + 8) / 30)
    assert area(labelled, np.full((3, 2), 0.7)) == pytest.approx([0.7, 0.7])


def test_student_interval_of_three_seeds():
    """t(0.975, 2) = 4.3027, standard error 0.01 / sqrt(3)."""
    assert student_interval(np.array([0.01, 0.02, 0.03]), 0.05) == pytest.approx((0.02 - 0.024841, 0.02 + 0.024841),
                                                                                 abs=1e-6)


def test_curves_and_differences(base):
    """Random stays at one group right of two; entropy finds the second in the last round, with every seed."""
    groups = list(base.split.space_groups)
    def predictions(right: int) -> Predictions:
        truth = np.repeat(groups, 2)
        logits = np.zeros((8, 4))
        logits[np.arange(8), np.where(np.arange(8) // 2 < right, np.arange(8) // 2, (np.arange(8) // 2 + 1) % 4)] = 1
        names = np.array([f"t{i}" for i in range(8)])
        return Predictions(names, names, names, truth, logits, np.full(8, "test"), ClassMap(tuple(groups)), "", {})
    found = learning_curves(
        {"random": [[predictions(1)] * 3] * 2, "entropy": [[predictions(1)] * 3, [predictions(2)] * 3]},
        {name: [[base.split.materials["train"][:n]] * 3 for n in (4, 8)] for name in ("random", "entropy")}, base,
        replicates=200, alpha=0.05)
    assert found["labelled_materials"] == [4, 8]
    entropy = found["strategies"]["entropy"]["balanced_accuracy"]
    assert [point["estimate"] for point in entropy["curve"]] == pytest.approx([0.25, 0.5])
    assert entropy["area"]["estimate"] == pytest.approx(0.375)
    assert entropy["difference"]["estimate"] == pytest.approx(0.125)
    assert entropy["difference"]["of_seed"] == pytest.approx([0.125] * 3)
    assert entropy["difference"]["student"] == {"low": pytest.approx(0.125), "high": pytest.approx(0.125)}
    assert entropy["curve"][1]["low"] <= 0.5 <= entropy["curve"][1]["high"]
    assert found["strategies"]["random"]["balanced_accuracy"]["difference"] is None
    # All four groups are few-shot here, so that both metrics are one, and every labelled material counts.
    assert found["strategies"]["entropy"]["few_recall"]["curve"] == entropy["curve"]
    assert found["strategies"]["random"]["few_shot_materials"] == [4.0, 8.0]
