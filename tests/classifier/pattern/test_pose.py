"""Poses found again on drawn patterns: with the lattice known, and from the image alone."""

import numpy as np
import pytest

from classifier.foundation.errors import InputError
from classifier.pattern.disk_lattice import DiskLattice, find_disk_lattice, lit_map
from classifier.pattern.geometry import Detector
from classifier.pattern.pose import lattice_share, lit_disks, pose_from_image, pose_from_lattice

PIXELS = Detector(128, 1.0, "pixel")
RULE = {"visible": 0.02, "tie": 0.02}


def oblique(shortest, ratio, angle, turn):
    """A basis with given lengths, angle between its vectors and azimuth (degree)."""
    turn, angle = np.radians(turn), np.radians(angle)
    return shortest * np.array([[np.cos(turn), np.sin(turn)],
                                [ratio * np.cos(turn + angle), ratio * np.sin(turn + angle)]])


def falling(basis, bright=(1, 0), reach=40.0):
    """Brightness that falls with |g|; the direct disk is the brightest, `bright` is twice its mates."""
    def amplitude(h, k):
        g = np.hypot(*(h * basis[0] + k * basis[1]))
        return 3.0 if h == k == 0 else np.exp(-g / reach) * (2.0 if (h, k) == bright else 1.0)
    return amplitude


def off(pose, g):
    """Relative error of the length and error of the azimuth in degree."""
    turn = np.degrees(np.angle(np.exp(1j * (pose.azimuth_rad + np.arctan2(g[1], g[0])))))
    return float(pose.length / np.hypot(*g) - 1), float(turn)


CASES = {  # basis, radius over |g1|, counts, fringes
    "square, touching": (oblique(26, 1.0, 90, 12), 0.475, 1e6, False),
    "square, fringes": (oblique(30, 1.0, 90, 33), 0.4, 1e6, True),
    "hexagonal": (oblique(22, 1.0, 60, 100), 0.45, 1e6, True),
    "rectangular": (oblique(20, 1.4, 90, -70), 0.35, 3e5, True),
    "oblique, few counts": (oblique(18, 1.2, 72, 5), 0.3, 1e5, False)}


@pytest.fixture(params=CASES)
def case(request, disk_pattern):
    basis, share, dose, fringes = CASES[request.param]
    centre, radius = (1.3, -0.7), share * np.hypot(*basis[0])
    pattern = disk_pattern(128, basis, radius, amplitude=falling(basis), centre=centre, fringes=fringes, dose=dose,
                           seed=1)
    return pattern, basis, radius, centre


def test_pose_with_the_lattice_known(case):
    pattern, basis, radius, centre = case
    # Another basis of the same lattice must not matter.
    other = np.array([[2, 1], [1, 1]]) @ basis
    pose = pose_from_lattice(pattern, PIXELS, DiskLattice(other, radius, centre), **RULE)
    length, turn = off(pose, basis[0])
    assert abs(length) < 1e-9 and abs(turn) < 1e-6 and pose.centre == pytest.approx(centre)


@pytest.mark.slow
@pytest.mark.parametrize("radius_is_known", [True, False])
def test_pose_from_the_image_alone(case, radius_is_known):
    pattern, basis, radius, centre = case
    pose = pose_from_image(pattern, PIXELS, disk_radius=radius if radius_is_known else None, **RULE)
    length, turn = off(pose, basis[0])
    assert abs(length) < 0.005 and abs(turn) < 0.5 and pose.centre == pytest.approx(centre, abs=0.3)


@pytest.mark.slow
def test_the_radius_is_measured(case):
    pattern, _, radius, _ = case
    assert find_disk_lattice(pattern, PIXELS).radius == pytest.approx(radius, rel=0.05)


@pytest.mark.slow
def test_lengths_are_in_detector_units(disk_pattern):
    basis = oblique(26, 1.1, 80, 12)
    pattern = disk_pattern(128, basis, 9.0, amplitude=falling(basis))
    detector = Detector(128, 0.02, "1/angstrom")
    pose = pose_from_lattice(pattern, detector, DiskLattice(basis * 0.02, 0.18), **RULE)
    assert pose.shortest_g == pytest.approx(basis[0] * 0.02)
    assert pose_from_image(pattern, detector, **RULE).shortest_g == pytest.approx(basis[0] * 0.02, rel=0.005)


def test_systematic_absences_are_dark_although_disks_overlap_their_places(disk_pattern):
    basis = oblique(11, 1.0, 90, 20)  # of a face-centred cell: lit where h and k are even; radius 0.86 of the vector
    lit = 2 * basis
    pattern = disk_pattern(128, lit, 9.5, amplitude=falling(lit), fringes=True, dose=1e7)
    g, _ = lit_disks(pattern, PIXELS, DiskLattice(basis, 9.5))
    indices = g @ np.linalg.inv(basis)
    assert np.abs(indices / 2 - np.round(indices / 2)).max() < 1e-6 and len(g) >= 12
    assert off(pose_from_lattice(pattern, PIXELS, DiskLattice(basis, 9.5), **RULE), lit[0]) == pytest.approx((0, 0))


def test_an_absence_in_one_row_only(disk_pattern):
    """Along a screw axis (0, k) with odd k is dark, while the other rows are full."""
    basis = oblique(12, 2.2, 90, 30)
    def amplitude(h, k):
        return 0.0 if k == 0 and h % 2 else falling(basis, bright=(2, 0))(h, k)
    pattern = disk_pattern(128, basis, 6.5, amplitude=amplitude, dose=1e7)
    pose = pose_from_lattice(pattern, PIXELS, DiskLattice(basis, 6.5), **RULE)
    assert off(pose, 2 * basis[0]) == pytest.approx((0, 0))


def test_a_weak_disk_counts_when_it_is_visible_and_not_when_it_is_fainter(disk_pattern):
    basis = oblique(20, 1.5, 90, 30)
    for weak, expected in ((0.05, basis[0]), (0.002, basis[1])):
        def amplitude(h, k, weak=weak):
            brightness = falling(basis, bright=(0, 1))(h, k)
            return brightness if (h, k) == (0, 0) or h % 2 == 0 else brightness * weak
        pattern = disk_pattern(128, basis, 8.0, amplitude=amplitude)
        pose = pose_from_lattice(pattern, PIXELS, DiskLattice(basis, 8.0), **RULE)
        assert off(pose, expected)[0] == pytest.approx(0, abs=1e-6)


def test_only_the_right_lattice_explains_the_pattern(disk_pattern):
    basis = oblique(24, 1.2, 75, 20)
    pattern = disk_pattern(128, basis, 8.0, amplitude=falling(basis), fringes=True, dose=1e6)
    def share(basis):
        return lattice_share(pattern, lit_map(pattern), PIXELS, DiskLattice(basis, 8.0))
    assert share(basis) > 0.5
    assert max(map(share, (oblique(24, 1.2, 75, 50), basis[:, ::-1], 1.1 * basis, 1.3 * basis))) < 0.3


@pytest.mark.parametrize("pattern", [
    np.zeros((64, 64)), np.ones((64, 64)), np.random.default_rng(0).poisson(5.0, (64, 64)),
    np.random.default_rng(1).poisson(0.02, (64, 64)),
    np.exp(-np.hypot(*np.meshgrid(np.arange(64) - 31.5, np.arange(64) - 31.5)) / 8)])
def test_patterns_without_a_lattice_are_refused(pattern):
    with pytest.raises(InputError, match="lattice|diffracted"):
        pose_from_image(pattern, Detector(64, 1.0, "pixel"), **RULE)


def test_four_disks_about_a_hole_are_refused(disk_pattern):
    """They are equally near to the middle of the frame; moved by two pixels one of them is nearest."""
    basis = oblique(30, 1.0, 90, 45)
    about_a_hole = basis[0] / 2 + basis[1] / 2
    pattern = disk_pattern(128, basis, 8.0, amplitude=falling(basis), centre=about_a_hole)
    with pytest.raises(InputError, match="nearest to the expected centre"):
        find_disk_lattice(pattern, PIXELS, disk_radius=8.0)
    moved = disk_pattern(128, basis, 8.0, amplitude=falling(basis), centre=about_a_hole - [2.0, 0.7])
    assert len(find_disk_lattice(moved, PIXELS, disk_radius=8.0).basis) == 2


def test_a_single_disk_is_refused(disk_pattern):
    basis = oblique(24, 1.0, 90, 0)
    pattern = disk_pattern(128, basis, 8.0, amplitude=lambda h, k: float(h == k == 0))
    with pytest.raises(InputError):
        pose_from_image(pattern, PIXELS, **RULE)
    with pytest.raises(InputError, match="lit diffracted disk"):
        pose_from_lattice(pattern, PIXELS, DiskLattice(basis, 8.0), **RULE)


def test_a_lattice_narrower_than_the_pixels_is_refused():
    with pytest.raises(InputError, match="two pixels"):
        pose_from_lattice(np.ones((64, 64)), Detector(64, 1.0, "pixel"), DiskLattice(np.eye(2), 3.0), **RULE)
