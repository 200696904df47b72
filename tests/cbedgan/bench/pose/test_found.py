"""Raw frames show what is said of them, and errors of poses are those of the bounds."""

import numpy as np
import pytest

from cbedgan.bench.pose.found import pose_errors, report
from cbedgan.bench.pose.raw_frames import FINER, RawFrame, ellipse, seen
from classifier.pattern.disk_lattice import DiskLattice
from classifier.pattern.geometry import Pose
from classifier.pose.measure import MeasuredPose


def dot(size, x, y):
    """A simulated pattern with a spot at (x, y), in pixels of the frame from the middle."""
    places = (np.arange(FINER * size) + 0.5) / FINER - size / 2
    return np.exp(-((places - x) ** 2 + (places[:, None] - y) ** 2) / 8).astype(np.float32)


def test_a_frame_is_moved_and_stretched_and_keeps_its_light():
    fine = dot(96, 12.0, 0.0)
    frame = seen(fine, 64, np.array([5.3, -7.2]), ellipse(0.02, 0.0))
    x, y = np.meshgrid(*2 * [np.arange(64) - 31.5])
    assert frame.sum() == pytest.approx(fine.sum(), rel=1e-3)
    assert (frame * x).sum() / frame.sum() == pytest.approx(5.3 + 12 * 1.01, abs=0.02)
    assert (frame * y).sum() / frame.sum() == pytest.approx(-7.2, abs=0.02)


def test_errors_of_a_pose():
    basis = np.array([[20.0, 0.0], [0.0, 30.0]])
    truth = RawFrame("a", np.zeros((1, 1)), basis, basis[0], np.array([3.0, 4.0]), 8.0, 0.01)

    def errors(g, centre=(3.0, 4.0)):
        pose = Pose(np.array(g), np.array(centre))
        return pose_errors(MeasuredPose(pose, DiskLattice(basis, 8.0), (0, 0, 0), np.zeros((0, 2))), truth)
    right = errors([20.1, 0.1], (3.1, 4.0))
    assert (right.centre, right.length, right.azimuth) == pytest.approx((0.1, 0.005, 0.285), abs=1e-3)
    assert right.lattice_right and right.same_length and right.same_g
    mate, longer = errors([-20.0, 0.0]), errors([0.0, 30.0])
    assert mate.lattice_right and mate.same_length and not mate.same_g
    assert longer.lattice_right and not longer.same_length
    for wrong in (errors([20.3, 0.0]), errors([20.0, 0.5]), errors([20.0, 0.0], (23.0, 4.0)), errors([0.1, 0.0])):
        assert not wrong.lattice_right


def test_the_table_says_shares_of_the_answered():
    figures = {"condition": "poor", "frames": 10, "answered": 8, "refusals": {"rule": 2}, "lattice_right": 6,
               "right": 4, "same_g": 2}
    figures |= {f"{name}_{short}": 0.5 for name in ("centre", "length", "azimuth") for short in ("median", "p95")}
    cells = [next(iter(column.cells)) for column in report([figures]).columns]
    assert cells[:5] == ["poor", "10", "8", "75.0%", "50.0%"] and cells[-1] == "2 rule"
