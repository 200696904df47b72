"""Poses from few electrons, off the centre, under background and faults; and each reason for which one is refused."""

import numpy as np
import pytest

from classifier.foundation.errors import InputError
from classifier.pattern.geometry import Detector
from classifier.pose.measure import direct_disk_place, measure_pose

PIXELS = Detector(128, 1.0, "pixel")
RULE = {"visible": 0.02, "tie": 0.02}
BASIS = 27.0 * np.array([[np.cos(0.3), np.sin(0.3)], [-1.2 * np.sin(0.25), 1.2 * np.cos(0.25)]])
CENTRE = np.array([17.3, -11.6])


def falling(h, k):
    """The direct disk is the brightest, g = b1 is brighter than -b1."""
    return 1.5 * np.exp(-0.6 * (h * h + 1.3 * k * k)) * (1 + 0.4 * ((h, k) == (1, 0)) + (h == k == 0))


def measured(pattern, electrons, *, background=0.2, faults=12, seed=0):
    """Counted, with light that falls off about the direct beam and pixels that shine."""
    x, y = np.meshgrid(*2 * [np.arange(len(pattern)) - (len(pattern) - 1) / 2])
    diffuse = 1 / (1 + ((x - CENTRE[0]) ** 2 + (y - CENTRE[1]) ** 2) / 20**2) ** 1.2
    rate = (1 - background) * pattern / pattern.sum() + background * diffuse / diffuse.sum()
    draw = np.random.default_rng(seed)
    counts = draw.poisson(electrons * rate).astype(float)
    row, column = draw.integers(0, len(pattern), (2, faults))
    counts[row, column] = 5 * counts.max()
    return counts


def errors(found, g=BASIS[0], centre=CENTRE):
    """Of the centre in pixels, of |g1| relative, of the azimuth in degree."""
    ratio = complex(*found.pose.shortest_g) / complex(*g)
    return np.hypot(*(found.pose.centre - centre)), abs(abs(ratio) - 1), abs(np.degrees(np.angle(ratio)))


@pytest.mark.slow
@pytest.mark.parametrize("fringes", [False, True])
@pytest.mark.parametrize("radius", [12.5, 8.0])
def test_the_pose_of_a_hundred_thousand_electrons(disk_pattern, fringes, radius):
    pattern = measured(disk_pattern(128, BASIS, radius, amplitude=falling, centre=CENTRE, fringes=fringes), 1e5)
    for known in (radius, None):
        found = measure_pose(pattern, PIXELS, disk_radius=known, **RULE)
        centre, length, azimuth = errors(found)
        assert centre < 0.3 and length < 0.01 and azimuth < 1
        assert found.lattice.radius == pytest.approx(radius, rel=0.08)
        assert all(value > 0 for value in found.deviation)


@pytest.mark.slow
def test_disks_that_are_lit_on_one_side_do_not_pull_the_lattice_inwards():
    """Far from the middle only the inner halves of disks are lit, as excitation errors have it."""
    x, y = np.meshgrid(*2 * [np.arange(128) - 63.5])
    pattern = np.zeros((128, 128))
    for h in range(-2, 3):
        for k in range(-2, 3):
            g = np.array([h, k]) @ BASIS
            own_x, own_y = x - g[0], y - g[1]
            outwards = (own_x * g[0] + own_y * g[1]) / max(np.hypot(*g), 1) / 11
            pattern += (np.hypot(own_x, own_y) < 11) * falling(h, k) / (1 + np.exp(4 * outwards * (h * h + k * k > 0)))
    found = measure_pose(np.random.default_rng(0).poisson(pattern / pattern.sum() * 3e5), PIXELS, **RULE)
    centre, length, azimuth = errors(found, centre=np.zeros(2))
    assert centre < 0.3 and length < 0.01 and azimuth < 1


@pytest.mark.slow
def test_the_direct_disk_is_found_where_another_is_brighter(disk_pattern):
    def thick(h, k):
        return 0.7 if h == k == 0 else falling(h, k)
    pattern = measured(disk_pattern(128, BASIS, 11.0, amplitude=thick, centre=CENTRE), 1e6)
    place = direct_disk_place(pattern, None)
    assert place is not None
    column, row = place
    assert (column - 63.5, row - 63.5) == pytest.approx(tuple(CENTRE), abs=0.5)
    assert errors(measure_pose(pattern, PIXELS, **RULE))[0] < 0.3
    wide = np.zeros((128, 150))
    wide[:, 11:139] = pattern
    assert direct_disk_place(wide, 11.0) == pytest.approx((column + 11, row), abs=0.3)


def test_frames_of_many_pixels_and_lengths_in_their_unit(disk_pattern):
    pattern = disk_pattern(256, 2 * BASIS, 22.0, amplitude=falling, centre=2 * CENTRE, dose=1e5)
    found = measure_pose(pattern, Detector(256, 0.01, "1/angstrom"), disk_radius=0.22, **RULE)
    assert found.pose.shortest_g == pytest.approx(0.02 * BASIS[0], abs=0.003)
    assert found.pose.centre == pytest.approx(0.02 * CENTRE, abs=0.003)
    assert found.lattice.radius == pytest.approx(0.22, rel=0.05)


def test_a_faint_row_between_the_clear_ones_is_seen(disk_pattern):
    """Rows of odd h hold a twentieth of the light: each disk drowns, all together do not."""
    def amplitude(h, k):
        return falling(h / 2, k) * (0.06 if h % 2 else 1.0)
    fine = BASIS * [[1.0], [1.4]]
    pattern = measured(disk_pattern(128, fine, 11.0, amplitude=amplitude, centre=CENTRE), 3e5)
    assert errors(measure_pose(pattern, PIXELS, disk_radius=11.0, **RULE), g=fine[0])[1] < 0.01


@pytest.mark.slow
def test_mates_of_g1_are_told(disk_pattern):
    def symmetric(h, k):
        return np.exp(-0.5 * (h * h + k * k)) * (1 + (h == k == 0))
    square = 27 * np.array([[1.0, 0.0], [0.0, 1.0]])
    found = measure_pose(disk_pattern(128, square, 11.0, amplitude=symmetric, dose=1e5), PIXELS, **RULE)
    assert len(found.others) == 3 and np.hypot(*found.others.T) == pytest.approx(27, rel=0.01)


def test_what_cannot_be_told_is_refused_with_its_reason(disk_pattern):
    def refused(match, amplitude, electrons, **known):
        pattern = measured(disk_pattern(128, BASIS, 11.0, amplitude=amplitude, centre=CENTRE), electrons)
        with pytest.raises(InputError, match=match):
            measure_pose(pattern, PIXELS, disk_radius=11.0, **RULE, **known)
    refused("at least four disks", falling, 100)
    refused("at least four disks", lambda h, k: float(k == 0), 1e5)  # one row
    refused("which disk is the direct one", lambda h, k: 1.0, 1e5)
    refused("the centre must lie in a disk", falling, 1e5, centre=CENTRE + BASIS[0] / 2)
    def at_the_limit(h, k):  # b1 as bright as the rule asks for: it may be visible or not
        return 0.01 if (abs(h), k) == (1, 0) else 1 / (1 + h * h + k * k)
    refused("counting must leave no doubt", at_the_limit, 3e4)


@pytest.mark.parametrize("pattern", [np.zeros((64, 64)), np.ones((64, 64)),
                                     np.random.default_rng(0).poisson(5.0, (64, 64))])
def test_patterns_without_disks(pattern):
    with pytest.raises(InputError, match="at least four disks"):
        measure_pose(pattern, Detector(64, 1.0, "pixel"), **RULE)
    assert direct_disk_place(pattern, None) is None
