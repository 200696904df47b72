"""What a round came to, from the files of its stages."""

import pytest

from cbedgan.densify.report import COLUMNS, table, thresholds, written


def path(t_star, state, *, pair=(194, 63)):
    return {"space_group": pair[0], "subgroup": pair[1], "t_star": t_star, "state": state}


def content(*paths):
    return {"paths": list(paths), "training_materials": {"194": 200, "63": 150, "12": 5},
            "provenance": {"inputs": {"classifier 0": "a", "classifier 1": "b", "classifier 2": "c", "split": "s"}}}


def test_t_star_is_compared_on_paths_that_both_rounds_begin_rightly():
    found = thresholds(content(
        path([0.1, 0.3, 0.02], ["crossed"] * 3), path([0.2, None, 0.04], ["crossed", "never", "crossed"]),
        path([0.5, 0.6, None], ["crossed", "crossed", "denied"]),  # round's own classifier denies it: not common
        path([None, None, 0.08], ["denied", "never", "crossed"], pair=(63, 12))), ["a", "b"], ["c"])
    # Of a path the lower one of two in the middle: 0.1, 0.2, never; and 0.02, 0.04, 0.08.
    assert found == {"t_star_first": 0.2, "t_star": 0.04, "t_star_few_first": None, "t_star_few": 0.08, "paths": 3}
    assert thresholds(content(), ["a"], ["b"])["t_star"] is None


def test_the_table_is_in_per_cent_and_angstrom():
    row = {"round": 1, "added": 40, "balanced": 0.5, "few": None, "medium": 0.25, "many": 1.0, "t_star_first": 0.2,
           "t_star": 0.04, "t_star_few_first": None, "t_star_few": 0.08, "paths": 3}
    assert table([row]).splitlines()[1].split() == ["1", "40", "50.0", "n/a", "25.0", "100.0", "0.2000", "0.0400",
                                                    "never", "0.0800", "3"]
    assert set(COLUMNS) == set(row) - {"round"} and written("few", None) == "n/a"


@pytest.mark.parametrize("row", [{"few": None, "t_star": None}, {"few": 0.5, "t_star": 0.1}])
def test_a_curve_is_drawn_whatever_is_known(row):
    from cbedgan.densify.figures import curve

    rows = [{"round": number, "balanced": 0.4, "medium": None, "many": 0.6, "t_star_first": 0.1, **row}
            for number in range(3)]
    assert curve(rows).startswith(b"\x89PNG")
