"""The numerics neither break nor favour a symmetry: one crystal of each of the 32 point groups, along three axes.

A turned or mirrored pattern is drawn anew in a turned frame, never interpolated; relative L1 throughout.
"""

from itertools import pairwise

import gemmi
import numpy as np
import pytest

from cbedgan.simulate.cbed.aperture import rings
from cbedgan.simulate.cbed.detector import draw
from cbedgan.simulate.cbed.disks import illuminate, turn_matrix
from cbedgan.simulate.cbed.multislice import Multislice, MultisliceConfig
from cbedgan.simulate.cbed.slab_symmetry import beam_operations
from cbedgan.simulate.cbed.zone_axis import Slab, cut_alike, rotations, slab, turns_about, zone_axes
from point_groups import GROUPS, OTHERS, crystal_of

LARGEST_RESIDUAL = 2e-4  # a hundredth of the 2 % that [distinct] accepts
CONFIG = MultisliceConfig(g_max_inv_angstrom=1.6, merge_angstrom=0.4, terraces="equivalent", entry_surface="symmetric")


def drawn(propagation: Multislice, disks, azimuth_rad: float) -> np.ndarray:
    g = np.linalg.norm(propagation.slab.reciprocal_lattice, axis=1).min()
    return draw(propagation, disks, pixel=g / 8, azimuth_rad=azimuth_rad, size=32, samples_per_pixel=2)[0]


def residuals(piece: Slab) -> list[float]:
    """How much each rotation and mirror of the crystal about the beam changes the pattern."""
    propagation = Multislice(piece, beam_energy_kev=100.0, config=CONFIG, double=True)
    radius = 0.3 * np.linalg.norm(np.linalg.inv(piece.cell[:2, :2]), axis=0).min()
    disks = illuminate(propagation, [60.0], radius=float(radius), number=2, on_rings=True)
    upright, found = drawn(propagation, disks, 0.0), []
    plane = piece.cell[:2, :2]
    for operation in beam_operations(piece)[1:]:
        turn = np.linalg.inv(plane) @ operation.matrix @ plane
        if np.linalg.det(turn) > 0:
            other = drawn(propagation, disks, float(np.arctan2(turn[0, 1], turn[0, 0])))
            found.append(np.abs(other - upright).sum() / upright.sum())
        else:
            line = np.arctan2(turn[0, 1], turn[0, 0]) / 2
            along = drawn(propagation, disks, -float(line))
            found.append(np.abs(along - along[::-1]).sum() / along.sum())
    return found


@pytest.mark.parametrize("space_group", [*GROUPS[::4], 167, 186])
def test_no_symmetry_of_a_zone_axis_is_broken(space_group):
    check(space_group)


@pytest.mark.slow
@pytest.mark.parametrize("space_group", sorted({*GROUPS, *OTHERS} - {*GROUPS[::4], 167, 186}))
def test_no_symmetry_of_any_point_group_is_broken(space_group):
    check(space_group)


def check(space_group: int) -> None:
    crystal = crystal_of(space_group)
    lattice, positions, numbers = crystal.primitive()
    for uvw in zone_axes(crystal.lattice, lattice, "conventional"):
        piece = slab(crystal.lattice, (lattice, positions, numbers), uvw, kept=rotations((lattice, positions, numbers)))
        found = residuals(piece)
        assert max(found, default=0.0) < LARGEST_RESIDUAL, (uvw, found)
        # No rotation or mirror of the crystal about the beam is lost to the surface.
        operations = gemmi.find_spacegroup_by_number(space_group).operations()
        turned = {tuple(np.array(op.rot).ravel() // gemmi.Op.DEN) for op in operations.sym_ops}
        about = [rotation for rotation in turned if (np.array(rotation).reshape(3, 3) @ uvw == uvw).all()]
        assert len(found) + 1 == len(about), uvw


def test_rings_favour_no_axis():
    for number in (2, 3, 5):
        nodes = rings(number).nodes
        assert np.linalg.norm(nodes, axis=1).max() < 1
        for turn in (turn_matrix(np.pi / 6), np.diag([1.0, -1.0]), np.array([[0.0, 1.0], [1.0, 0.0]])):
            apart = np.linalg.norm((nodes @ turn)[:, None] - nodes, axis=-1)
            assert apart.min(1).max() < 1e-12
    counts = [len(rings(number).nodes) for number in range(1, 7)]
    assert counts == [13, 25, 49, 72, 108, 144] and all(a < b for a, b in pairwise(counts))


def test_a_screw_axis_is_a_rotation_of_the_mean_over_terraces_alone(grown, hexagonal, difference):
    """Zincite, P6_3mc, along [001]: 6mm; a slab that ends on one terrace has 3m alone."""
    cells = grown(186, hexagonal(3.25, 5.21), [(30, (1 / 3, 2 / 3, 0.0)), (8, (1 / 3, 2 / 3, 0.382))])
    piece = slab(*cells, [0, 0, 1], kept=rotations(cells[1]))
    half_turn = {}
    for terraces in ("one", "equivalent"):
        propagation = Multislice(piece, beam_energy_kev=100.0, config=CONFIG.model_copy(update={"terraces": terraces}))
        disks = illuminate(propagation, [200.0], radius=0.15, number=3, on_rings=True)
        pattern = drawn(propagation, disks, 0.0)
        half_turn[terraces] = difference(pattern, pattern[::-1, ::-1])
    assert half_turn["equivalent"] < 1e-5 and half_turn["one"] > 0.01


def test_a_terrace_is_the_slab_that_begins_a_screw_shift_later(grown, hexagonal, difference):
    """The mean of two slabs that begin at 0 and at half a period, each propagated by itself."""
    cells = grown(186, hexagonal(3.25, 5.21), [(30, (1 / 3, 2 / 3, 0.0)), (8, (1 / 3, 2 / 3, 0.382))])
    piece = slab(*cells, [0, 0, 1])
    at = {"radius": 0.15, "number": 3, "on_rings": True}
    patterns = []
    for change in ({}, {"terraces": "one"}, {"terraces": "one", "entry_plane": 0.5}):
        propagation = Multislice(piece, beam_energy_kev=100.0, config=CONFIG.model_copy(update=change))
        patterns.append(drawn(propagation, illuminate(propagation, [60.0], **at), 0.0))
    mean, first, second = patterns
    assert difference(mean, (first + second) / 2) < 1e-5 and difference(first, second) > 0.01


def test_orbits_of_amplitudes_are_what_every_direction_would_give(quartz, gaas):
    for cells, axis in ((quartz, [1, 0, 0]), (gaas, [1, 1, 1]), (gaas, [1, 1, 0])):
        piece = slab(*cells, axis, kept=rotations(cells[1]))
        propagation = Multislice(piece, beam_energy_kev=100.0, config=CONFIG.model_copy(update={"terraces": "one"}))
        disks = illuminate(propagation, [40.0, 90.0], radius=0.1, number=2, on_rings=True)
        alone = propagation.amplitudes(disks.directions.nodes, [40.0, 90.0])
        assert np.abs(disks.leaving[0] - alone.amplitude).max() < 1e-5


@pytest.mark.parametrize(("space_group", "uvw"), [(148, [0, 0, 1]), (15, [0, 1, 0])])
def test_the_entry_surface_keeps_the_axis(space_group, uvw):
    crystal = crystal_of(space_group)
    lattice, positions, numbers = crystal.primitive()
    piece = slab(crystal.lattice, (lattice, positions, numbers), uvw, kept=rotations((lattice, positions, numbers)))
    assert np.abs(piece.slope).max() < 1e-9 and len(beam_operations(piece)) == {148: 3, 15: 2}[space_group]


def test_turns_about_an_axis_keep_it():
    quarter = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    both = turns_about(np.array([0, 0, 1]), np.stack([quarter, -quarter]))
    assert len(both) == 1 and (both[0] == quarter).all()


def test_an_image_of_a_crystal_is_cut_as_the_crystal_is():
    """Its own symmetry would choose another surface: beams would have other indices, and patterns not be comparable."""
    crystal = crystal_of(8)  # Cm: along [100] the beam lies in the mirror plane
    lattice, positions, numbers = crystal.primitive()
    piece = slab(crystal.lattice, (lattice, positions, numbers), [1, 0, 0],
                 kept=rotations((lattice, positions, numbers)))
    same = cut_alike(piece, (lattice, positions, numbers))
    np.testing.assert_array_equal(same.positions, piece.positions)
    apart = positions + np.linspace(0, 0.02, len(positions))[:, None]  # no mirror is left
    image = cut_alike(piece, (lattice, apart, numbers))
    assert np.array_equal(image.cell, piece.cell) and len(image.numbers) == len(piece.numbers)
    assert not np.array_equal(image.positions, piece.positions)
    assert piece.slope.any()
