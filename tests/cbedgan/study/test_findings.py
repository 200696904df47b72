import json

import numpy as np
import pytest

from cbedgan.comparison.evaluate import Evaluation, PrimaryConfig, VerdictConfig
from cbedgan.study.findings import contrasts, disagreement, gain_by_materials, harmed, members, recovery, smoothed
from classifier.statistics.trials import Trials

SEEDS, UNITS = 3, 20  # units a class
CLASS = np.repeat([0, 1, 2, 3], UNITS)
MATERIALS = np.array([4, 16, 64, 256])
CONFIG = VerdictConfig(unit="material", primary=PrimaryConfig(arm="made", reference="nothing", shot="few"),
                       replicates=400, seed=0, alpha=0.05, band=0.02, minimum_units=6, top_k=2)
TRIALS = Trials.of(CLASS, np.arange(len(CLASS)).astype(str), 4)


def evaluation(**right: list[int]) -> Evaluation:
    """Arms of which the first so many samples of each class are right, in every seed."""
    logits = {}
    for arm, numbers in right.items():
        hit = np.concatenate([np.arange(UNITS) < number for number in numbers])
        logits[arm] = np.broadcast_to(np.eye(4)[np.where(hit, CLASS, (CLASS + 1) % 4)], (SEEDS, len(CLASS), 4))
    return Evaluation(CONFIG, logits, TRIALS, MATERIALS)


def test_gains_of_all_shot_classes_are_one_family():
    found = evaluation(nothing=[8, 8, 10, 20], made=[16, 16, 10, 4])
    rows = {row["shot"]: row for row in contrasts(found, [("made", "nothing")])}
    assert {shot: round(row["estimate"], 6) for shot, row in rows.items()} == {
        "few": 0.4, "medium": 0.0, "many": -0.8, "all": 0.0}
    assert [rows[shot]["verdict"] for shot in ("few", "medium", "many", "all")] == [
        "helped", "no difference", "hurt", "cannot tell"]
    assert list(members(found)) == ["few", "medium", "many", "all"]


@pytest.mark.parametrize(("real", "told"), [([12, 12, 10, 20], 2.0), ([8, 8, 10, 20], None), ([8, 9, 10, 20], None)])
def test_recovery_is_the_gain_over_that_of_real_stacks_where_these_gain(real, told):
    found = evaluation(nothing=[8, 8, 10, 20], made=[16, 16, 10, 4], real=real)
    share = recovery(found, "made", "nothing", "real", "few")
    if told is None:
        assert share is None
    else:
        assert share["estimate"] == pytest.approx(told) and 1 < share["low"] < 2 < share["high"]


def test_gain_ends_and_harm_begins_where_the_smoothed_curve_says():
    curve = gain_by_materials(evaluation(nothing=[2, 8, 10, 20], made=[18, 12, 11, 2]), "made", "nothing")
    assert curve["materials"] == [4, 16, 64, 256] and curve["gain"][0]["estimate"] == pytest.approx(0.78, abs=0.02)
    assert (curve["ends_at"], curve["harms_at"]) == (64, 256)
    everywhere = gain_by_materials(evaluation(nothing=[2, 2, 2, 2], made=[18, 18, 18, 18]), "made", "nothing")
    assert (everywhere["ends_at"], everywhere["harms_at"]) == (None, None)
    nowhere = gain_by_materials(evaluation(nothing=[9] * 4, made=[9] * 4), "made", "nothing")
    assert (nowhere["ends_at"], nowhere["harms_at"]) == (4, None)
    json.dumps([curve, everywhere, nowhere], allow_nan=False)


def test_smoothing_leaves_out_what_is_unknown_and_counts_in_doublings():
    values = np.array([[0.0, 1.0], [np.nan, 1.0], [np.nan, np.nan]])
    made = smoothed(values, np.array([8, 16]), np.array([8, 16]))
    near = np.exp(-0.5 * (1 / 0.75) ** 2)
    assert made[0] == pytest.approx([near / (1 + near), 1 / (1 + near)]) and made[1] == pytest.approx([1, 1])
    assert np.isnan(made[2]).all()


def test_groups_that_fall_beyond_their_interval_are_listed_worst_first():
    rows = harmed(evaluation(nothing=[20, 10, 20, 20], made=[14, 10, 20, 2]), "made", "nothing")
    assert [row["class_idx"] for row in rows] == [3, 0] and [row["verdict"] for row in rows] == ["hurt", "hurt"]
    assert (rows[0]["training_materials"], rows[0]["shot"], rows[0]["units"]) == (256, "many", UNITS)


def test_disagreement_says_what_seeds_share():
    found = evaluation(nothing=[8, 8, 10, 20], made=[16, 16, 10, 4])
    assert disagreement(found, "made", "nothing") == {"discordant": pytest.approx(0.4),
                                                      "between_seeds": pytest.approx(1.0)}
    assert disagreement(found, "made", "made") == {"discordant": 0.0, "between_seeds": None}
    logits = {"nothing": found.logits["nothing"], "made": found.logits["nothing"].copy()}
    for seed in range(SEEDS):  # each seed errs on samples of its own
        logits["made"][seed, seed * 4:seed * 4 + 4] = np.eye(4)[(CLASS[seed * 4:seed * 4 + 4] + 1) % 4]
    alone = disagreement(Evaluation(CONFIG, logits, TRIALS, MATERIALS), "made", "nothing")
    assert abs(alone["between_seeds"]) < 0.1
