"""Rendered patterns have every rotation and mirror of the crystal about the beam, wherever its origin lies.

Measured as in tests/cbedgan/simulate/cbed/test_numerical_symmetry.py: a turned or mirrored pattern is rendered anew in
a turned frame, never interpolated; relative L1.
"""

from collections.abc import Callable

import numpy as np
import pytest

from cbedgan.render.render import render
from cbedgan.render.scene import Scene
from cbedgan.simulate.cbed.detector_config import DetectorConfig
from cbedgan.simulate.cbed.slab_symmetry import beam_operations
from cbedgan.simulate.cbed.zone_axis import Slab, rotations, slab, zone_axes
from point_groups import crystal_of

LARGEST_RESIDUAL = 1e-4
LAUE_CLASSES = [10, 47, 83, 123, 147, 162, 175, 191, 200, 221]  # the first group of each but -1
SCREWS_AND_GLIDES = [36, 62, 88, 141, 161, 176, 186, 194, 205]
OFF = np.array([0.1234, 0.0567, 0.0891])  # an origin that no grid has


def residuals(piece: Slab, scene: Callable[..., Scene]) -> list[float]:
    """How much each operation but the identity changes the pattern."""
    g = np.linalg.norm(np.linalg.inv(piece.projected_lattice), axis=0).min()
    detector = DetectorConfig(pose="raw", size_pixels=32, half_width=2 * g, aperture_unit="mrad",
                              aperture_radius=11 * g)
    plane, azimuths, mirrors = piece.cell[:2, :2], [0.0], []
    for operation in beam_operations(piece)[1:]:
        turn = np.linalg.inv(plane) @ operation.matrix @ plane
        angle = float(np.arctan2(turn[0, 1], turn[0, 0]))
        mirrors.append(np.linalg.det(turn) < 0)
        azimuths.append(-angle / 2 if mirrors[-1] else angle)
    upright, *others = (one.images[0][0].double().numpy() for one in render(
        [scene(piece, detector=detector, azimuth=azimuth, thickness=120.0) for azimuth in azimuths]))
    return [float(np.abs((other[::-1] if mirror else upright) - other).sum() / upright.sum())
            for other, mirror in zip(others, mirrors, strict=True)]


@pytest.mark.parametrize("space_group", LAUE_CLASSES + SCREWS_AND_GLIDES)
def test_no_symmetry_is_broken(space_group, scene):
    crystal = crystal_of(space_group)
    lattice, positions, numbers = crystal.primitive()
    cell = lattice, (positions + OFF) % 1, numbers
    found = []
    for uvw in zone_axes(crystal.lattice, lattice, "conventional"):
        piece = slab(crystal.lattice, cell, uvw, kept=rotations(cell))
        if len(piece.numbers) < 120:
            found += residuals(piece, scene)
    assert found and max(found) < LARGEST_RESIDUAL


def test_a_screw_axis_is_a_rotation_of_the_mean_over_terraces_alone(cut_along, scene, difference):
    """Zincite, P6_3mc, along [001]: 6mm; a slab that ends on one terrace has 3m alone."""
    detector = DetectorConfig(pose="raw", size_pixels=32, half_width=0.8, aperture_unit="mrad", aperture_radius=4.0)
    half_turn = {}
    for terraces in ("one", "equivalent"):
        made = scene(cut_along("zincite", [0, 0, 1]), thickness=200.0, detector=detector, terraces=terraces)
        pattern = render([made])[0].images[0][0]
        half_turn[terraces] = difference(pattern, pattern.flip(0, 1))
    assert half_turn["equivalent"] < 1e-5 and half_turn["one"] > 0.01
