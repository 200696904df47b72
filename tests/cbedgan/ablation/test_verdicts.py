import numpy as np
import pytest
from scipy.stats import t

from cbedgan.ablation.verdicts import AblationVerdicts, Mean, differences, means, verdict

JUDGEMENT = AblationVerdicts(reference="recipe", judged=("kid", "coverage"), alpha=0.05)


def test_the_interval_is_students():
    found = Mean.of(np.array([1.0, 2.0, 4.0]), 0.05)
    reach = t.ppf(0.975, 2) * np.std([1, 2, 4], ddof=1) / 3**0.5
    assert found.estimate == pytest.approx(7 / 3)
    assert (found.low, found.high) == (pytest.approx(7 / 3 - reach), pytest.approx(7 / 3 + reach))


@pytest.mark.parametrize("values", [[2.0, 2.0, 2.0], [1.0], [np.nan, 1.0, 2.0]])
def test_without_a_spread_there_is_no_interval_and_no_verdict(values):
    found = Mean.of(np.array(values), 0.05)
    assert np.isnan([found.low, found.high]).all() and found.p == 1


def test_differences_are_paired_by_seed_and_judged_as_one_family():
    seed = np.array([0.0, 10.0, 20.0])  # far larger than the differences, and the same in both
    jitter = np.array([0.0, 1e-3, -1e-3])
    values = {"recipe": {"kid": seed, "coverage": seed, "copies": seed},
              "other": {"kid": seed - 1 + jitter, "coverage": seed - 1 + jitter, "copies": seed - 1 + jitter},
              "alike": {"kid": seed + 1e3 * jitter, "coverage": seed + jitter, "copies": np.full(3, np.nan)}}
    rows = {(row["variant"], row["figure"]): row for row in differences(values, JUDGEMENT)}
    assert rows["other", "kid"]["estimate"] == pytest.approx(-1) and rows["other", "kid"]["high"] < -0.9
    assert (rows["other", "kid"]["verdict"], rows["other", "coverage"]["verdict"]) == ("better", "worse")
    assert rows["other", "copies"]["verdict"] is None and rows["other", "copies"]["p"] < 1e-3
    assert rows["alike", "kid"]["verdict"] == rows["alike", "coverage"]["verdict"] == "cannot tell"
    assert rows["alike", "copies"]["estimate"] is None and rows["alike", "copies"]["per_seed"] == [None] * 3
    assert ("recipe", "kid") not in rows


def test_holm_asks_more_of_the_smallest_p():
    paired = np.array([1.0, 1.1, 1.45])  # p = 0.013: within 0.05 / 2, beyond 0.05 / 7
    assert 0.05 / 7 < Mean.of(paired, 0.05).p < 0.05 / 2
    none, noise = np.zeros(3), np.array([1.0, -1.0, 0.5])
    def judged(others):
        values = {"recipe": {"kid": none}, "one": {"kid": paired}} | {f"n{i}": {"kid": noise} for i in range(others)}
        return differences(values, JUDGEMENT)[0]["verdict"]
    assert judged(1) == "worse" and judged(6) == "cannot tell"


def test_means_keep_each_seed():
    found = means({"a": {"kid": np.array([1.0, np.nan])}}, 0.05)["a"]["kid"]
    assert found == {"estimate": None, "low": None, "high": None, "per_seed": [1.0, None]}


@pytest.mark.parametrize("name, difference, expected", [("kid", -1.0, "better"), ("kid", 1.0, "worse"),
                                                        ("coverage_few", 1.0, "better"), ("auc", 0.1, "worse")])
def test_what_is_better_depends_on_the_figure(name, difference, expected):
    assert verdict(name, difference, True) == expected and verdict(name, difference, False) == "cannot tell"
