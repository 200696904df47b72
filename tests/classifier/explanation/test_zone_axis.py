"""Tilted patterns: the symmetry goes through the zone axis, which is found beside the direct beam."""

import numpy as np
import pytest
import torch

from classifier.explanation.residuals import softened
from classifier.explanation.shown import shown_symmetries, whole_lattice
from classifier.explanation.words import claims, pattern_line
from classifier.explanation.zone_axis import about, best_axes
from classifier.pattern.disk_lattice import DiskLattice, nearest_lattice_point
from drawn_disks import DETECTOR, RADIUS, counted, drawn

AXIS = (0.08, -0.05)  # of g1: where the zone axis lies beside the direct beam
SQUARE = DiskLattice(np.eye(2) * 16, RADIUS * 16, np.zeros(2))


def square(h, k, x, y):
    """Of 4mm about the axis, and not the same at all azimuths."""
    return np.exp(-0.4 * ((h + x) ** 2 + (k + y) ** 2)) * (1.5 + np.cos(3 * (h + x)) * np.cos(3 * (k + y)))


def rectangular(h, k, x, y):
    """Of 2mm alone."""
    return np.exp(-0.3 * (h + x) ** 2 - 0.6 * (k + y) ** 2) * (1.5 + np.cos(2 * (h + x)) * np.cos(4 * (k + y)))


def tilted(intensity=square) -> np.ndarray:
    """A square pattern whose disks have the symmetry of `intensity` about the zone axis, not about the beam."""
    return drawn(np.eye(2), lambda h, k, x, y: intensity(h, k, x - AXIS[0], y - AXIS[1]), finer=4)


def lines(shown) -> list[int]:
    return sorted(round(line) % 180 for line in shown.mirrors)


@pytest.mark.parametrize("electrons", [None, 1e7])
def test_the_zone_axis_is_found_beside_the_beam(electrons):
    pattern = tilted() if electrons is None else counted(tilted(), electrons)
    x, variance = softened(torch.from_numpy(pattern)[None].double())
    axes = best_axes(x[0], variance[0], SQUARE, 31.0)
    for name in ("2", "4"):
        assert axes[name].place == pytest.approx(np.array(AXIS) * 16, abs=0.2)
    assert axes["4"].turn[2] < 0.01 and axes["3"].turn[1] > 0.1


def test_a_tilted_pattern_shows_the_symmetry_of_its_axis():
    one, two = shown_symmetries(np.stack([tilted(), tilted(rectangular)]), DETECTOR, [RADIUS] * 2, untilted=False)
    assert one.symbol == "4mm" and lines(one) == [0, 45, 90, 135]
    assert two.symbol == "2mm" and lines(two) == [0, 90]
    for shown in (one, two):
        assert shown.zone_axis == pytest.approx(AXIS, abs=0.015) and shown.centre == pytest.approx((0, 0), abs=0.03)
    known = shown_symmetries(tilted()[None], DETECTOR, [RADIUS])[0]
    assert known.zone_axis is None


def test_the_zone_axis_is_told_in_words():
    (one,) = shown_symmetries(tilted()[None], DETECTOR, [RADIUS], untilted=False)
    assert one.tilt is not None and one.tilt == pytest.approx(np.hypot(*AXIS) / RADIUS, abs=0.03)
    assert f"zone axis {100 * one.tilt:.0f} % of a disk's radius beside the beam" in pattern_line(one)
    assert "four-fold about the zone axis" in pattern_line(one)
    place = next(claim for claim in claims([one]) if claim["claim"] == "zone_axis")
    assert place["place"] == pytest.approx(AXIS, abs=0.015)
    (straight,) = shown_symmetries(drawn(np.eye(2), square)[None], DETECTOR, [RADIUS], untilted=False)
    assert straight.symbol == "4mm" and straight.zone_axis == pytest.approx((0, 0), abs=0.01)


def test_places_where_little_can_be_compared_are_no_axis():
    x, variance = softened(torch.from_numpy(tilted())[None].double())
    seen = about(x[0], variance[0], SQUARE, torch.tensor([[0.0, 0.0], [8.0, 8.0]], dtype=torch.float64) * 0.5, 31.0)
    assert seen.turn[0, 0] < 1 and seen.turn[1, 0] == 1  # the half turn about (4, 4) takes disks beside disks


def test_a_lattice_without_a_disk_at_g1_is_not_believed(monkeypatch):
    wrong = DiskLattice(np.eye(2) * 1.6, RADIUS, np.array([-0.76, -0.75]))
    monkeypatch.setattr("classifier.explanation.shown.find_disk_lattice", lambda *_, **__: wrong)
    lattice = whole_lattice(tilted(), DETECTOR, RADIUS, np.zeros(2), None)
    assert lattice is not None and lattice.centre == pytest.approx(np.zeros(2))
    assert nearest_lattice_point(np.array([1.0, 0.0]), lattice.basis)[1] < 0.02


def test_a_lattice_that_is_known_needs_no_finding(monkeypatch):
    monkeypatch.setattr("classifier.explanation.shown.find_disk_lattice", lambda *_, **__: SQUARE)  # in wrong units
    (one,) = shown_symmetries(tilted()[None], DETECTOR, [RADIUS], untilted=False, bases=[np.eye(2)])
    assert one.symbol == "4mm" and one.zone_axis == pytest.approx(AXIS, abs=0.015)


def test_what_a_pattern_shows_about_the_beam_itself_is_not_lost(monkeypatch):
    """The axis' place, searched for, may cost a mirror line that the whole pattern has about the beam."""
    monkeypatch.setattr("classifier.explanation.zone_axis.EDGE", -2.0)  # edges of the disks spoil the comparison
    pattern = drawn(np.eye(2), square)
    (one,) = shown_symmetries(pattern[None], DETECTOR, [RADIUS], untilted=False, bases=[np.eye(2)])
    assert one.symbol == shown_symmetries(pattern[None], DETECTOR, [RADIUS])[0].symbol == "4mm"
