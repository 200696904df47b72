"""The pose that the simulation knows is found again in its raw patterns, by the lattice and by the image alone."""

import numpy as np
import pytest

from cbedgan.simulate.cbed.detector import simulate_pattern
from cbedgan.simulate.cbed.detector_config import DetectorConfig
from cbedgan.simulate.cbed.multislice import Exposure, MultisliceConfig
from cbedgan.simulate.cbed.zone_axis import slab
from classifier.crystal.electron import wavelength_angstrom
from classifier.crystal.reciprocal import zolz_lattice
from classifier.pattern.disk_lattice import DiskLattice
from classifier.pattern.geometry import Pose, to_canonical
from classifier.pattern.pose import pose_from_image, pose_from_lattice

FAST = MultisliceConfig(g_max_inv_angstrom=2.0, merge_angstrom=0.5, absorption=0.0)
RAW = DetectorConfig(pose="raw", size_pixels=144, half_width=1.2, aperture_radius=0.3, directions_across=6)
CUBIC, HEXAGONAL = [90.0, 90, 90], [90.0, 90, 120]


@pytest.fixture(scope="module", params=["nacl 001", "gaas 111", "silicon 110", "quartz 001", "quartz 100"])
def simulated(request, nacl, gaas, silicon, quartz):
    name, axis = request.param.split()
    cells = {"nacl": nacl, "gaas": gaas, "silicon": silicon, "quartz": quartz}[name]
    lengths = np.linalg.norm(cells.conventional, axis=1)
    axis = [int(index) for index in axis]
    result = simulate_pattern(slab(*cells, axis), Exposure(100.0, [100.0], FAST), RAW)
    lattice = zolz_lattice(lengths, HEXAGONAL if name == "quartz" else CUBIC, axis)
    return result, lattice, result.semi_angle_mrad * 1e-3 / wavelength_angstrom(100.0)


def same_pose(result, pose):
    """Length within 0.5 %; azimuth within 0.5 degree, or that of a reflection that gives nearly the same picture.

    The six inner disks of thin quartz [001] are equally bright to a few per cent; which wins is a matter of sampling.
    """
    truth = Pose(result.shortest_g)
    assert pose.length == pytest.approx(truth.length, rel=0.005)
    turned = np.degrees(np.angle(np.exp(1j * (pose.azimuth_rad - truth.azimuth_rad))))
    assert abs((turned + 30) % 60 - 30) < 0.5 or abs((turned + 45) % 90 - 45) < 0.5
    here, there = (to_canonical(result.image[0], result.detector, one, size_pixels=40, shortest_g_pixels=10)
                   for one in (truth, pose))
    assert abs(turned) < 0.5 or np.abs(here - there).sum() < 0.12 * here.sum()


def test_by_the_lattice(simulated):
    result, lattice, radius = simulated
    same_pose(result, pose_from_lattice(result.image[0], result.detector, DiskLattice(lattice, radius), visible=0.02,
                                        tie=0.02))


@pytest.mark.slow
@pytest.mark.parametrize("counts", [None, 1e6])
def test_by_the_image_alone(simulated, counts):
    result, _, radius = simulated
    pattern = result.image[0].astype(np.float64)
    if counts is not None:
        pattern = np.random.default_rng(0).poisson(pattern * counts)
    same_pose(result, pose_from_image(pattern, result.detector, disk_radius=radius, visible=0.02, tie=0.02))
