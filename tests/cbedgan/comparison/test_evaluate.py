import json

import numpy as np
import pytest

from cbedgan.comparison.evaluate import Evaluation, PrimaryConfig, VerdictConfig
from classifier.statistics.trials import Trials

K, UNITS, SEEDS = 3, 30, 3
CONFIG = VerdictConfig(unit="material", primary=PrimaryConfig(arm="boundary_synthetic", reference="real", shot="few"),
                         replicates=500, seed=0, alpha=0.05, band=0.02, minimum_units=6, top_k=2)
CLASS = np.repeat([0, 1, 2], [10, 10, 10])
TRIALS = Trials.of(CLASS, np.arange(UNITS).astype(str), K)
MATERIALS = np.array([5, 3, 60])  # few, few, medium


def logits(wrong: dict[int, int]) -> np.ndarray:
    """Logits [S, N, K] that take the first `wrong[k]` samples of class k for the next class, in every seed."""
    target = CLASS.copy()
    for k, number in wrong.items():
        target[np.flatnonzero(CLASS == k)[:number]] = (k + 1) % K
    return np.broadcast_to(np.eye(K)[target] + 0.1 * np.eye(K)[CLASS], (SEEDS, UNITS, K))


def evaluation(**arms: dict[int, int]) -> Evaluation:
    return Evaluation(CONFIG, {name: logits(wrong) for name, wrong in arms.items()}, TRIALS, MATERIALS,
                      {"real_logit_adjusted": "real", "duplicated_reals": "real", "boundary_synthetic": "real",
                       "reserve_reals": "real"})


def test_scores_are_those_of_the_matrix():
    scores = evaluation(real={0: 4, 2: 1}, boundary_synthetic={}).arms()
    assert scores["real"]["few_recall"]["estimate"] == pytest.approx((0.6 + 1.0) / 2)
    assert scores["real"]["medium_recall"]["estimate"] == pytest.approx(0.9) and "many_recall" not in scores["real"]
    assert scores["real"]["balanced_accuracy"]["estimate"] == pytest.approx(2.5 / 3)
    assert scores["real"]["top_1"]["estimate"] == pytest.approx(25 / 30)
    assert scores["real"]["top_k"]["estimate"] == 1.0  # the true class always comes second
    assert scores["boundary_synthetic"]["balanced_accuracy"] == {"estimate": 1.0, "low": 1.0, "high": 1.0}


@pytest.mark.parametrize(("real", "boundary", "verdict", "change"), [
    ({0: 8, 1: 6}, {}, "helped", 0.7), ({}, {0: 8, 1: 6}, "hurt", -0.7), ({0: 2}, {0: 2}, "no difference", 0.0),
    ({0: 1}, {}, "cannot tell", 0.05)])
def test_primary(real, boundary, verdict, change):
    primary = evaluation(real=real, boundary_synthetic=boundary).primary()
    assert primary["verdict"] == verdict and primary["estimate"] == pytest.approx(change)
    assert primary["per_seed"] == pytest.approx([change] * SEEDS) and (primary["groups"], primary["units"]) == (2, 20)


def test_won_and_lost_count_units():
    primary = evaluation(real={0: 8, 1: 6}, boundary_synthetic={0: 9}).primary()
    assert primary["mcnemar"]["only_arm_right"] == 6 and primary["mcnemar"]["only_reference_right"] == 1
    assert primary["mcnemar"]["p"] == pytest.approx(2 * 8 / 2**7)


def test_contrasts_hold_every_arm_against_its_reference_and_the_primary_against_all():
    found = evaluation(real={0: 8}, real_logit_adjusted={0: 4}, duplicated_reals={0: 8}, boundary_synthetic={})
    pairs = {(row["arm"], row["reference"]) for row in found.contrasts()}
    assert pairs == {("real_logit_adjusted", "real"), ("duplicated_reals", "real"), ("boundary_synthetic", "real"),
                     ("boundary_synthetic", "real_logit_adjusted"), ("boundary_synthetic", "duplicated_reals")}
    assert {row["shot"] for row in found.contrasts()} == {"few", "medium"}
    assert all(row["corrected"]["alpha"] <= 0.05 for row in found.contrasts())


def test_groups_are_one_family_with_their_own_counts():
    rows = evaluation(real={0: 8}, boundary_synthetic={}).groups("boundary_synthetic", "real")
    assert [row["class_idx"] for row in rows] == [0, 1, 2]
    assert [row["estimate"] for row in rows] == pytest.approx([0.8, 0.0, 0.0])
    assert [row["verdict"] for row in rows] == ["helped", "no difference", "no difference"]


def test_a_class_without_test_samples_is_left_out():
    trials = Trials.of(CLASS, np.arange(UNITS).astype(str), K + 1)
    wide = {name: np.pad(logits(wrong), ((0, 0), (0, 0), (0, 1)), constant_values=-9)
            for name, wrong in (("real", {0: 8}), ("boundary_synthetic", {}))}
    found = Evaluation(CONFIG, wide, trials, np.append(MATERIALS, 2))
    assert found.primary()["estimate"] == pytest.approx(0.4) and found.primary()["groups"] == 2
    assert found.recall_intervals("real")[3] == {"estimate": None, "low": None, "high": None}


def test_confusion_rows_sum_to_one_and_everything_is_json():
    found = evaluation(real={0: 4}, boundary_synthetic={})
    np.testing.assert_allclose(found.confusion("real"), [[0.6, 0.4, 0], [0, 1, 0], [0, 0, 1]])
    json.dumps([found.arms(), found.primary(), found.contrasts(),
                found.groups("boundary_synthetic", "real")], allow_nan=False)


def test_kinds_of_test_crystals_stay_apart():
    whole = evaluation(real={0: 8}, boundary_synthetic={0: 4})
    assert whole.by_derivation == {}
    rows = np.arange(UNITS) % 2 == 0  # of the even ones, half of the wrong
    trials = Trials.of(CLASS[rows], np.flatnonzero(rows).astype(str), K)
    apart = Evaluation(CONFIG, {arm: values[:, rows] for arm, values in whole.logits.items()}, trials, MATERIALS)
    both = Evaluation(CONFIG, whole.logits, TRIALS, MATERIALS, by_derivation={"real": apart})
    assert both.arms() == whole.arms() and both.by_derivation["real"].primary()["units"] == 10
    assert both.by_derivation["real"].arms()["real"]["few_recall"]["estimate"] == pytest.approx((1 / 5 + 1) / 2)
