import numpy as np
import pytest

from classifier.explanation.shown import best_line, shown_symmetries
from drawn_disks import DETECTOR, RADIUS, counted, drawn, four_mm, glide

RECTANGLE = np.array([[1.0, 0.0], [0.0, 1.15]])
HEXAGON = np.array([[1.0, 0.0], [-0.5, np.sqrt(0.75)]])


def shown(pattern: np.ndarray):
    return shown_symmetries(pattern[None], DETECTOR, [RADIUS])[0]


def test_a_square_pattern_shows_4mm():
    one = shown(drawn(np.eye(2), four_mm))
    assert one.symbol == "4mm" and one.mirrors == pytest.approx([0, 45, 90, 135], abs=0.3) and not one.dark
    assert not one.no_half_turn and not one.no_mirror


def test_a_hexagonal_pattern_shows_6mm_or_3m():
    one = shown(drawn(HEXAGON, lambda h, k, x, y: np.exp(-(h * h + k * k - h * k)) * np.ones_like(x)))
    assert one.symbol == "6mm" and one.mirrors == pytest.approx([0, 30, 60, 90, 120, 150], abs=0.3)
    one = shown(drawn(HEXAGON, lambda h, k, x, y: np.exp(-(h * h + k * k - h * k)) * (1 + 20 * ((h + k) % 3 == 1))
                      * np.ones_like(x)))
    assert one.symbol == "3m" and one.no_half_turn


def test_a_pattern_without_symmetry_shows_none_and_says_so():
    strength = 10 ** np.random.default_rng(1).uniform(-3, 0, (7, 7))
    one = shown(drawn(RECTANGLE, lambda h, k, x, y: strength[h, k] * np.ones_like(x)))
    assert one.symbol == "1" and one.no_half_turn and one.no_mirror and not one.mirrors and not one.dark


@pytest.mark.parametrize("electrons", [None, 1e7])
def test_odd_reflections_dark_along_their_row_are_found(electrons):
    pattern = drawn(RECTANGLE, glide)
    one = shown(pattern if electrons is None else counted(pattern, electrons))
    assert one.symbol == "2mm" and [round(row.azimuth_degree) % 180 for row in one.dark] == [0]
    assert np.allclose(sorted(one.dark[0].reflections), [[-1, 0], [1, 0]], atol=0.05) and one.dark[0].light < 0.1


def test_lit_odd_reflections_and_gaps_between_disks_are_no_dark_row():
    assert not shown(drawn(RECTANGLE, lambda h, k, x, y: np.exp(-abs(h) - abs(k)) * np.ones_like(x))).dark
    centred = np.array([[1.0, 0.0], [0.5, 0.62]])  # disks around a gap at (0, 0.62)
    assert not shown(drawn(centred, lambda h, k, x, y: np.exp(-np.hypot(h + k / 2, 0.62 * k)) * np.ones_like(x))).dark


def test_few_electrons_are_no_reason_to_deny_a_symmetry():
    one = shown(counted(drawn(np.eye(2), four_mm), 2e3))
    assert not one.no_half_turn and not one.no_mirror


def test_a_line_lies_between_its_two_best_steps():
    angle = np.arange(720) / 4
    mirror = 0.5 - 0.5 * np.cos(np.radians(2 * (angle - 30.1)))
    line, least = best_line(mirror, 1)
    assert line == pytest.approx(30.1, abs=0.01) and least == pytest.approx(0, abs=1e-4)
    assert best_line(mirror, 2)[1] == pytest.approx(0.5)  # no second line beside the first


def in_turned_field(pattern: np.ndarray, half: float, degree: float = 25.0) -> np.ndarray:
    """Zero outside a turned square of so many pixels from the middle to its sides."""
    side = np.arange(64) - 31.5
    x, y = np.meshgrid(side, side)
    turn = np.radians(degree)
    inside = np.maximum(abs(np.cos(turn) * x + np.sin(turn) * y), abs(np.cos(turn) * y - np.sin(turn) * x)) < half
    return np.where(inside, pattern, 0).astype(np.float32)


def test_the_edges_of_a_turned_field_are_no_feature_of_the_crystal():
    pattern = in_turned_field(drawn(np.eye(2), four_mm), 26)
    told = shown_symmetries(pattern[None], DETECTOR, [RADIUS], np.array([26 / 16]))[0]
    assert told.symbol == "4mm" and told.mirrors == pytest.approx([0, 45, 90, 135], abs=0.3)
    assert shown_symmetries(pattern[None], DETECTOR, [RADIUS])[0].symbol != "4mm"


def test_a_centre_beside_the_middle_is_found_within_the_field():
    pattern = in_turned_field(drawn(np.eye(2), four_mm, centre=(0.5, -0.4)), 26)
    told = shown_symmetries(pattern[None], DETECTOR, [RADIUS], np.array([26 / 16]))[0]
    assert np.allclose(np.array(told.centre) * 16, [0.5, -0.4], atol=0.15) and told.symbol == "4mm"


def test_reflections_beyond_the_field_are_not_called_dark():
    pattern = in_turned_field(drawn(RECTANGLE, glide), 20, degree=0.0)
    assert shown_symmetries(pattern[None], DETECTOR, [RADIUS])[0].dark
    assert not shown_symmetries(pattern[None], DETECTOR, [RADIUS], np.array([20 / 16]))[0].dark


def tilted(much: float):
    """A square pattern whose disks are brighter towards one side, along no line of its lattice."""
    return drawn(np.eye(2), lambda h, k, x, y: four_mm(h, k, x, y) * np.exp(much * (0.9 * (h + x) + 0.4 * (k + y))))


def test_what_a_small_tilt_hides_is_called_near_and_not_denied():
    one = shown(tilted(0.2))
    assert one.symbol == "m" and one.near is not None and one.near[0] == "4mm" and 0.01 < one.near[1] < 0.05
    known, unknown = (shown_symmetries(tilted(0.5)[None], DETECTOR, [RADIUS], untilted=sure)[0]
                      for sure in (True, False))
    assert known.symbol == unknown.symbol == "1" and known.near is not None and known.near[0] == "m"
    assert known.no_half_turn and not unknown.no_half_turn


def test_an_exact_symmetry_is_not_near_itself():
    assert shown(drawn(np.eye(2), four_mm)).near is None
