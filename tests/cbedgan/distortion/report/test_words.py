"""Sentences say the numbers that they were made from."""

import copy

from cbedgan.distortion.report.words import of_pair, of_path, seen_in

LINE = {"turn": 1, "azimuth_degree": 30.0, "hkl": [1, -1, 0], "keeps_beam": True, "stays_in_projection": False}
PATH = {"lost": {"elements": "the mirror plane normal to [0 0 1]", "patterns": [
            {"zone_axis_uvw": [0, 0, 1], "before": "1R", "after": "1", "operations": [], "dark": []},
            {"zone_axis_uvw": [1, 1, 0], "before": "m", "after": "1", "operations": [LINE], "dark": []}]},
        "t_shown": 0.01123, "shown_by": [1, 0], "t_star": [0.02, None, 0.04], "state": ["crossed", "never", "crossed"]}


def test_a_path_says_which_pattern_loses_what_and_who_sees_it():
    assert of_path(PATH, seen_in("ideal", "")) == (
        "Lost the mirror plane normal to [0 0 1]: the patterns show it from 0.0112 angstrom on, first number 2 along "
        "[1 1 0], which goes from m to 1 and loses its mirror line at 30°, across (1 -1 0); 2 of 3 classifiers see it "
        "in ideal patterns, from 0.03 angstrom on in the median.")
    unseen = copy.deepcopy(PATH) | {"shown_by": None, "t_shown": None, "state": ["never", "denied", "never"]}
    assert of_path(unseen, seen_in("ordinary", "tilted")).endswith(
        "no turn or mirror line of the patterns shows it; none of 3 classifiers sees it "
        "appear in ordinary patterns of the view tilted.")


def test_a_pair_says_its_commonest_loss_and_intervals_of_its_row():
    def bound(estimate, low, high):
        return {"estimate": estimate, "low": low, "high": high}

    other = PATH | {"lost": {"elements": "the centre of inversion", "patterns": []}}
    row = {"t_shown": bound(0.011, 0.008, None), "arms": {"plain": {"t_star": bound(0.025, 0.013, 0.052)}}}
    assert of_pair([PATH, PATH], row, "counted patterns") == (
        "Lost the mirror plane normal to [0 0 1]: the patterns show it from 0.011 (0.008 to > end) angstrom on, the "
        "classifiers, in counted patterns, from 0.025 (0.013 to 0.052).")
    assert "(in 2 of 3 paths)" in of_pair([PATH, other, PATH], row, "ideal patterns")
    two = row | {"arms": {"plain": row["arms"]["plain"], "dense": {"t_star": bound(0.01, 0.009, 0.02)}}}
    assert of_pair([PATH], two, "ideal patterns").endswith(
        "the classifiers, in ideal patterns, those of plain from 0.025 (0.013 to 0.052), those of dense "
        "from 0.01 (0.009 to 0.02).")
