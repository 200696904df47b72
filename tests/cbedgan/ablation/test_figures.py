import pytest

from cbedgan.ablation.figures import FIGURES, figures_of, reached
from cbedgan.ablation.report import heading, with_ends, written

ASSESSMENT = {
    "generated": {"kid": 0.2, "coverage": 0.7, "symmetry_ratio": 1.1},
    "real": {"kid": 0.01, "coverage": 0.9, "symmetry_ratio": 1.0},
    "shots": {"many": {"generated": {"kid": 0.3}, "real": {"kid": 0.05, "kid_high": 0.1}},
              "few": {"generated": {"coverage": 0.4}, "real": {"coverage": 0.6}}},
    "realness": {"estimate": 0.8, "view": "pixels", "views": {"pixels": {"real": {"estimate": 0.52}}}},
    "copies": {"share": 0.02}, "held_out": {"copies": {"share": 0.01}},
    "spread": {"alarm": [216, 225]},
    "crystals": {"told_apart": {"estimate": 0.75}, "told_apart_real": {"estimate": 0.5}}}


def test_figures_stand_where_an_assessment_has_them():
    assert figures_of(ASSESSMENT) == {
        "kid": 0.2, "kid_many": pytest.approx(3.0), "coverage": 0.7, "coverage_few": 0.4, "auc": 0.8,
        "symmetry_ratio": 1.1, "copies": 0.02, "collapsed": 2.0, "crystals": 0.75}
    assert figures_of(ASSESSMENT, real=True) == {
        "kid": 0.01, "kid_many": pytest.approx(0.5), "coverage": 0.9, "coverage_few": 0.6, "auc": 0.52,
        "symmetry_ratio": 1.0, "copies": 0.01, "collapsed": None, "crystals": 0.5}


def test_what_was_not_measured_is_none():
    assert set(figures_of({}).values()) == {None}
    assert figures_of(ASSESSMENT | {"shots": {"many": {"generated": {}, "real": {}}}})["kid_many"] is None
    assert figures_of(ASSESSMENT | {"spread": {"alarm": []}})["collapsed"] == 0


def test_goals_are_reached_from_their_side():
    assert reached("coverage_few", 0.5) and not reached("coverage_few", 0.49)
    assert reached("auc", 0.75) and not reached("auc", 0.76)
    assert reached("collapsed", 0.0) and not reached("collapsed", 1.0)
    assert not reached("kid", 0.0) and not reached("auc", None)


def test_figures_are_written_with_their_digits():
    assert written("kid", -0.00012, "+") == "−0.0001" and written("kid", -0.00001, "+") == "+0.0000"
    assert written("auc", None) == "n/a" and heading("auc") == "AUC (≤ 0.75)" and heading("kid") == "KID"
    assert with_ends("auc", {"estimate": 0.8, "low": 0.7, "high": 0.9}) == "0.800 (0.700 to 0.900)"
    assert with_ends("auc", {"estimate": 0.8, "low": None, "high": None}) == "0.800"
    assert all(figure.label for figure in FIGURES.values())
