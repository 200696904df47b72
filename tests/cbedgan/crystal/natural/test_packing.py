"""Packing: atoms come apart and unlike ones together, cells keep volume and symmetry, bases are short."""

import numpy as np
import pytest

from cbedgan.crystal.natural.occupation import Position, draw_occupation
from cbedgan.crystal.natural.packing import Bonds, Orbit, pack, short_basis
from cbedgan.crystal.natural.shape import draw_shape

ANYWHERE = Orbit(np.eye(3)[None], np.zeros((1, 3)))


def test_ions_find_each_other_and_keep_the_volume():
    bonds = Bonds(np.array([[3.6, 2.6], [2.6, 3.6]]), np.array([[False, True], [True, False]]))
    cells = np.stack([np.diag([3.4, 3.9, 4.3])] * 3)
    packed = pack([ANYWHERE] * 2, bonds, np.eye(3), np.eye(3)[None], cells, np.random.default_rng(0))
    assert np.linalg.det(packed.lattices) == pytest.approx(np.full(3, 3.4 * 3.9 * 4.3))
    assert (packed.nearest > 0.8).all() and (packed.nearest < 1.15).all()
    apart = packed.points[:, 1] - packed.points[:, 0]
    apart -= np.round(apart)
    nearest = np.linalg.norm((apart[:, None, None] @ packed.lattices[:, None])[:, 0, 0], axis=-1) / 2.6
    assert (packed.nearest[:, 0] <= nearest + 1e-6).all()


def test_a_cell_keeps_the_symmetry_of_its_group():
    quarter = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    group = np.stack([np.linalg.matrix_power(quarter, n) for n in range(4)])
    orbit = Orbit(group, np.zeros((4, 3)))
    bonds = Bonds(np.full((1, 1), 2.5), np.ones((1, 1), dtype=bool))
    packed = pack([orbit], bonds, np.eye(3), group, np.diag([4.5, 4.5, 2.7])[None], np.random.default_rng(1))
    metric = packed.lattices[0] @ packed.lattices[0].T
    assert metric == pytest.approx(group[1].T @ metric @ group[1])
    assert packed.lattices[0, 2, 2] != pytest.approx(2.7)  # the axial ratio gave way


def test_a_reduced_basis_spans_the_same_lattice_with_short_vectors():
    lattice = np.array([[4.0, 0, 0], [1.1, 5.0, 0], [0.9, 1.3, 6.0]])
    skewed = np.array([[1, 3, 0], [0, 1, 0], [-4, 2, 1]]) @ lattice
    reduced = short_basis(skewed)
    steps = reduced @ np.linalg.inv(lattice)
    assert steps == pytest.approx(np.round(steps)) and abs(np.linalg.det(steps)) == pytest.approx(1)
    assert np.linalg.norm(reduced, axis=1).max() < 7 < np.linalg.norm(skewed, axis=1).max()


def test_occupations_are_known_ones_and_never_too_large():
    positions = [Position(48, 3), Position(24, 2), Position(24, 2), Position(12, 1), Position(12, 1), Position(12, 1),
                 Position(8, 1), Position(6, 1), Position(6, 0), Position(2, 0), Position(1, 0), Position(1, 0)]
    drawn = [tuple(draw_occupation(225, positions, 12, np.random.default_rng(seed))) for seed in range(60)]
    assert all(sum(positions[i].atoms for i in one) <= 12 for one in drawn)
    assert drawn.count((9, 10, 11)) > 5  # Heusler alloys are the most frequent of the group
    nowhere = draw_occupation(207, [Position(24, 3), Position(2, 0)], 24, np.random.default_rng(0))
    assert nowhere and set(nowhere) <= {0, 1}


@pytest.mark.parametrize(("name", "equal", "right"), [("aP", 0, 0), ("mC", 0, 2), ("oF", 0, 3), ("tI", 1, 3),
                                                     ("hR", 1, 2), ("cP", 2, 3)])
def test_shapes_have_the_freedom_of_their_family(name, equal, right):
    axes, cosines = draw_shape(name, 6, np.random.default_rng(0))
    assert sum(np.isclose(axes[1:], axes[0])) == equal and sum(cosines == 0) == right
    assert np.prod(axes) == pytest.approx(1)
