"""The symmetry of slabs, and directions that it saves: the same intensities as without it."""

import numpy as np
import pytest

from cbedgan.simulate.cbed.aperture import square_grid
from cbedgan.simulate.cbed.multislice import Multislice, MultisliceConfig
from cbedgan.simulate.cbed.slab_symmetry import intensities_by_symmetry, plane_operations
from cbedgan.simulate.cbed.zone_axis import Slab, slab

CONFIG = MultisliceConfig(g_max_inv_angstrom=3.0)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "axis", "count"), [
    ("nacl", [0, 0, 1], 8), ("silicon", [0, 0, 1], 4), ("gaas", [1, 1, 1], 6), ("quartz", [0, 0, 1], 1),
    ("quartz", [1, 0, 0], 2)])
def test_directions_saved_by_symmetry_change_nothing(request, name, axis, count):
    piece = slab(*request.getfixturevalue(name), axis)
    assert len(plane_operations(piece)) == (count if not piece.slope.any() else 1)
    propagation = Multislice(piece, beam_energy_kev=100.0, config=CONFIG)
    directions = 0.15 * square_grid(5).nodes
    alone, saved = (take(directions, [60.0, 200.0]) for take in (
        propagation.intensities, lambda *wanted: intensities_by_symmetry(propagation, *wanted)))
    np.testing.assert_array_equal(alone.beam, saved.beam)
    assert np.abs(alone.intensity - saved.intensity).sum() < 2e-5 * alone.intensity.sum()


def test_an_atom_out_of_place_ends_the_symmetry(nacl):
    piece = slab(*nacl, [0, 0, 1])
    positions = piece.positions.copy()
    positions[0, :2] += [1e-4, 3e-5]
    both, numbers = np.concatenate([positions, piece.positions + [0.5, 0, 0.5]]), np.tile(piece.numbers, 2)
    moved = Slab(piece.cell, both, numbers, piece.projected_lattice, piece.zone_axis_uvw, piece.frame, 2)
    assert len(plane_operations(piece)) == 8 and len(plane_operations(moved)) < 8
