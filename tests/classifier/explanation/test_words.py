from dataclasses import replace

import pytest

from classifier.explanation.agreement import agreement
from classifier.explanation.dark_rows import DarkRow
from classifier.explanation.shown import ShownSymmetry
from classifier.explanation.words import claims, direction, group_line, pattern_line


def shows(order: int = 1, mirrors: tuple[float, ...] = (), dark: tuple[float, ...] = (), *, no_half_turn: bool = False,
          no_mirror: bool = False) -> ShownSymmetry:
    rows = tuple(DarkRow(azimuth, ((1.0, 0.0), (-1.0, 0.0)), 0.475, 0.02) for azimuth in dark)
    return ShownSymmetry((0.0, 0.0), order, 1e-3, mirrors, 2e-3, rows, no_half_turn, no_mirror)


FOUR_MM, TWO_MM = shows(4, (0.0, 45.0, 90.0, 135.0)), shows(2, (30.0, 120.0))


@pytest.mark.parametrize("azimuth, words", [(0.4, "horizontal"), (179.0, "horizontal"), (91.0, "vertical"),
                                            (45.2, "at 45°")])
def test_lines_are_named_by_where_they_lie(azimuth, words):
    assert direction(azimuth) == words


def test_a_line_says_all_that_a_pattern_shows():
    assert pattern_line(FOUR_MM) == "four-fold about the beam (4 or -4); mirror lines at 0°, 45°, 90° and 135°"
    assert pattern_line(shows(2, (0.0, 90.0), (0.0,))) == (
        "two-fold about the beam (2 or -1); mirror lines horizontal and vertical; "
        "odd reflections dark along the row horizontal (glide or 21)")
    assert pattern_line(shows()) == "nothing that is clear"
    assert pattern_line(shows(no_half_turn=True, no_mirror=True)) == "no half turn; no mirror line"


def test_every_claim_names_its_pattern_and_what_can_cause_it():
    found = claims([shows(), shows(2, (90.0,), (90.0,))])
    assert [(one["pattern"], one["claim"]) for one in found] == [(2, "two-fold"), (2, "mirror"), (2, "dark_row")]
    assert found[0]["text"] == (
        "two-fold symmetry about the beam (2 along the beam or a centre of inversion) in pattern 2")
    assert "glide plane along the beam or two-fold screw axis across it" in found[2]["text"]
    assert found[2]["reflections"] == [[1.0, 0.0], [-1.0, 0.0]] and found[1]["azimuth_degree"] == 90.0


def test_a_group_agrees_where_a_zone_axis_shows_as_much():
    shown = [FOUR_MM, TWO_MM, shows(2, no_mirror=True)]
    agrees = agreement(139, shown)  # I4/mmm
    assert agrees.axes[0] is not None and agrees.axes[0].zone_axis_uvw == (0, 0, 1) and not agrees.excluded
    assert agreement(87, shown).excluded  # I4/m: a four-fold axis, but no mirror line beside it
    assert agreement(62, shown).excluded and not agreement(225, shown).excluded
    turned = [shows(no_half_turn=True)]
    assert agreement(139, turned).excluded and not agreement(122, turned).excluded


def test_each_pattern_has_another_zone_axis_where_the_group_has_several():
    axes = agreement(55, [TWO_MM, TWO_MM, TWO_MM]).axes
    assert len({axis.zone_axis_uvw for axis in axes if axis is not None}) == 3


def test_the_answer_is_weighed_and_the_excluded_are_named():
    shown = [FOUR_MM, shows(), shows()]
    text = group_line(agreement(139, shown), [agreement(87, shown), agreement(225, shown)])
    assert text.startswith("in accord with the answer 139 (I4/mmm), for instance along [0 0 1]")
    assert text.endswith("; excludes 87 (I4/m)")
    assert group_line(agreement(62, shown), []) == (
        "not in accord with the answer 62 (Pnma): no zone axis of it shows what pattern 1 shows")
    assert group_line(agreement(62, [FOUR_MM, shows(), FOUR_MM]), []).endswith("what patterns 1 and 3 show")


def test_a_symmetry_that_is_near_is_no_claim_of_it():
    one = replace(shows(), near=("4mm", 0.034))
    assert pattern_line(one).startswith("no exact symmetry, nearest 4mm (3.4% of the variation against it")
    assert "no more is exact, nearest 4mm" in pattern_line(replace(shows(1, (0.0,)), near=("4mm", 0.034)))
    assert [(said["claim"], said["residual"]) for said in claims([one])] == [("near", 0.034)]
