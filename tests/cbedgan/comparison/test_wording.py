import pytest

from cbedgan.comparison.wording import comparison, headline, setting, subject

PRIMARY = {"arm": "boundary_synthetic", "reference": "real", "shot": "few", "groups": 8, "units": 32, "before": 0.4,
           "after": 0.46, "estimate": 0.06, "low": 0.01, "high": 0.11}


@pytest.mark.parametrize(("change", "sentence"), [
    ({"verdict": "helped"}, "Boundary synthetic stacks helped: mean recall of the groups with at most 20 training "
     "materials rose from 40.0 to 46.0\u00a0%, +6.0 points (95\u00a0% interval +1.0 to +11.0)."),
    ({"verdict": "hurt", "after": 0.34, "estimate": -0.06, "low": -0.11, "high": -0.01},
     "Boundary synthetic stacks hurt: mean recall of the groups with at most 20 training materials fell from 40.0 to "
     "34.0\u00a0%, −6.0 points (95\u00a0% interval −11.0 to −1.0)."),
    ({"verdict": "no difference", "estimate": 0.001, "low": -0.012, "high": 0.013},
     "Boundary synthetic stacks made no difference: mean recall of the groups with at most 20 training materials "
     "changed by +0.1 points (95\u00a0% interval −1.2 to +1.3), inside ±2 points."),
    ({"verdict": "cannot tell", "low": -0.02},
     "We cannot tell whether boundary synthetic stacks help: mean recall of the groups with at most 20 training "
     "materials changed by +6.0 points (95\u00a0% interval −2.0 to +11.0).")])
def test_headline_says_what_was_found(change, sentence):
    assert headline({**PRIMARY, **change}, subject("boundary_synthetic"), alpha=0.05, band=0.02) == sentence


@pytest.mark.parametrize(("arm", "told"), [
    ("real_logit_adjusted", "the logit-adjusted loss helps"), ("duplicated_reals", "duplicated real stacks help"),
    ("boundary_synthetic_logit_adjusted", "boundary synthetic stacks help"),
    ("hard_synthetic", "hard synthetic stacks help"),
    ("boundary_shuffled_labels", "boundary stacks with shuffled labels help")])
def test_the_subject_is_what_the_arm_adds(arm, told):
    said = headline({**PRIMARY, "verdict": "cannot tell"}, subject(arm), alpha=0.05, band=0.02)
    assert f"whether {told}:" in said


def test_setting_names_reference_units_and_seeds():
    written = setting(PRIMARY, {"real": "real"}, unit="structure_type", seeds=3)
    assert "“real”" in written and "8 such groups" in written and "32 test structure types" in written
    assert "3 seeds" in written


def test_comparison_uses_the_corrected_interval():
    row = {**PRIMARY, "reference": "other", "corrected": {"low": -0.03, "high": 0.15}}
    labels = {"boundary_synthetic": "boundary synthetic", "other": "real (LA)"}
    assert comparison(row, labels) == "boundary synthetic against real (LA), few groups: +6.0 points (−3.0 to +15.0)"
