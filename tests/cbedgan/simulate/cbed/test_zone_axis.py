"""Zone axes by rule, and slabs: integer algebra, atom counts, azimuth, slope."""

import numpy as np
import pytest

from cbedgan.simulate.cbed.zone_axis import slab, zone_axes
from classifier.foundation.errors import InputError

FCC = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
BCC = np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]])


@pytest.mark.parametrize(("cell", "axes"), [
    (5.0 * np.eye(3), [[0, 0, 1], [1, 1, 0], [1, 1, 1]]),
    (np.diag([4.0, 4.0, 7.0]), [[0, 0, 1], [1, 0, 0], [1, 1, 0]]),
    (np.diag([4.0, 5.0, 7.0]), [[0, 0, 1], [1, 0, 0], [1, 1, 0]])])
def test_conventional_axes(cell, axes):
    assert zone_axes(cell, cell, "conventional").tolist() == axes


def test_conventional_axes_on_hexagonal_axes_are_not_equivalent_in_plane(hexagonal):
    assert zone_axes(hexagonal(4.9, 5.4), hexagonal(4.9, 5.4), "conventional").tolist() == [
        [0, 0, 1], [1, 0, 0], [2, 1, 0]]


@pytest.mark.parametrize(("primitive", "axes"), [
    (np.eye(3), [[1, 0, 0], [1, 1, 0], [1, 1, 1]]),
    (FCC, [[1, 1, 0], [1, 0, 0], [2, 1, 1]]),
    (BCC, [[1, 1, 1], [1, 0, 0], [1, 1, 0]])])
def test_metric_axes_of_cubic_lattices_are_the_shortest_of_different_length(primitive, axes):
    assert zone_axes(5 * np.eye(3), 5 * primitive, "metric").tolist() == axes


def test_metric_axes_of_a_layered_lattice_leave_the_layer(hexagonal):
    cell = hexagonal(3.0, 28.0)  # sqrt(7) a would be shorter than c, but lies in the plane of the first two
    assert zone_axes(cell, cell, "metric").tolist() == [[1, 1, 0], [2, 1, 0], [0, 0, 1]]


def test_metric_axes_see_the_lattice_and_not_how_it_is_described(hexagonal):
    generator = np.random.default_rng(0)
    for lattice in (np.diag([3.1, 4.2, 6.3]), hexagonal(4.0, 6.5), generator.uniform(-1, 1, (3, 3)) + 4 * np.eye(3)):
        sheared = np.array([[1, 0, 0], [2, 1, 0], [-1, 3, 1]]) @ lattice
        turned = np.linalg.qr(generator.normal(size=(3, 3)))[0]
        expected = zone_axes(lattice, lattice, "metric")
        assert zone_axes(lattice, sheared, "metric").tolist() == expected.tolist()
        assert zone_axes(lattice @ turned, sheared @ turned, "metric").tolist() == expected.tolist()
        lengths = np.linalg.norm(zone_axes(sheared, lattice, "metric") @ sheared, axis=1)
        assert lengths == pytest.approx(np.linalg.norm(expected @ lattice, axis=1))
        assert (np.diff(lengths) > 0).all() and np.linalg.matrix_rank(expected) == 3


def test_an_unknown_rule_is_refused():
    with pytest.raises(InputError, match="zone_axes"):
        zone_axes(np.eye(3), np.eye(3), "random")


@pytest.mark.parametrize("axis", [[0, 0, 0], [1, 0], [0.5, 0.5, 0.0]])
def test_a_faulty_zone_axis_is_refused(silicon, axis):
    with pytest.raises(InputError, match="zone_axis_uvw"):
        slab(*silicon, np.array(axis))


@pytest.mark.parametrize(("axis", "period"), [([0, 0, 1], 5.431), ([0, 2, 2], 5.431 / np.sqrt(2)),
                                              ([1, 1, 1], 5.431 * np.sqrt(3)), ([-2, 1, 1], 5.431 * np.sqrt(1.5))])
def test_silicon_slabs_have_the_shortest_period_and_a_surface_normal_to_the_beam(silicon, axis, period):
    piece = slab(*silicon, axis)
    assert piece.period_angstrom == pytest.approx(period) and np.linalg.norm(piece.slope) < 1e-9
    assert len(piece.numbers) == 2 * piece.multiplicity
    assert piece.area_angstrom2 * piece.period_angstrom == pytest.approx(piece.multiplicity * 5.431**3 / 4)
    smallest = abs(np.linalg.det(piece.projected_lattice))
    assert smallest * piece.period_angstrom == pytest.approx(5.431**3 / 4)


def test_a_slab_is_the_crystal():
    """Every atom of an oblique slab, carried back into the crystal, falls on an atom of its own kind."""
    lattice = np.array([[4.1, 0.3, 0.2], [-0.9, 5.2, 0.4], [0.7, -0.6, 6.1]])
    positions, numbers = np.array([[0.0, 0.0, 0.0], [0.31, 0.44, 0.27], [0.12, 0.83, 0.61]]), np.array([26, 16, 8])
    for axis in ([1, 2, 3], [-1, 1, 2], [0, 0, -1], [3, 1, 0]):
        piece = slab(lattice, (lattice, positions, numbers), axis)
        assert piece.frame @ piece.frame.T == pytest.approx(np.eye(3))
        assert piece.cell[2] == pytest.approx(np.array(axis) @ lattice @ piece.frame.T)
        assert piece.cell[0] @ piece.frame @ np.linalg.inv(lattice) == pytest.approx(
            np.round(piece.cell[0] @ piece.frame @ np.linalg.inv(lattice)))
        back = piece.positions @ piece.cell @ piece.frame @ np.linalg.inv(lattice)
        for number, place in zip(piece.numbers, back, strict=True):
            apart = place - positions[numbers == number][0]
            assert np.abs(apart - np.round(apart)).max() < 1e-9
        apart = piece.positions[:, None] - piece.positions[None]
        apart = np.abs(apart - np.round(apart)).max(-1) + np.eye(len(apart))
        assert apart.min() > 1e-3  # no atom twice
        assert piece.cell[:2, 2] == pytest.approx(piece.cell[:2, :2] @ piece.slope)


def test_azimuth_follows_a_and_seen_along_a_follows_b():
    lattice = np.array([[5.0, 0, 0], [-1.0, 6.0, 0], [0.4, 0.2, 7.0]])
    cell = (lattice, np.zeros((1, 3)), np.array([14]))
    along_c = slab(lattice, cell, [0, 0, 1]).frame
    assert along_c @ lattice[0] == pytest.approx([np.linalg.norm(np.cross(lattice[0], along_c[2])), 0,
                                                  lattice[0] @ along_c[2]])
    along_a = slab(lattice, cell, [1, 0, 0]).frame
    assert along_a[2] == pytest.approx([1, 0, 0]) and (along_a @ lattice[1])[:2] == pytest.approx([6.0, 0])
    assert np.linalg.det(along_a) == pytest.approx(1)
