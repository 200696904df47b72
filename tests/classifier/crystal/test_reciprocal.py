import numpy as np
import pytest

from classifier.crystal.electron import wavelength_angstrom
from classifier.crystal.reciprocal import (
    cell_vectors,
    d_spacings_angstrom,
    reduced_basis,
    same_lattice,
    zolz_lattice,
    zolz_reflections,
)
from classifier.foundation.errors import InputError

CUBIC = ([4.0] * 3, [90.0] * 3)


def test_wavelengths_are_those_of_the_tables():
    assert wavelength_angstrom(100.0) == pytest.approx(0.0370144, abs=1e-7)
    assert wavelength_angstrom(200.0) == pytest.approx(0.0250793, abs=1e-7)


def test_cell_vectors_have_the_lengths_and_angles():
    lengths, angles = np.array([4.6, 7.5, 7.6]), np.array([75.8, 91.6, 89.1])
    a, b, c = rows = cell_vectors(lengths, angles)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(lengths)
    cosines = [b @ c / lengths[1] / lengths[2], a @ c / lengths[0] / lengths[2], a @ b / lengths[0] / lengths[1]]
    assert np.degrees(np.arccos(cosines)) == pytest.approx(angles) and np.linalg.det(rows) > 0


@pytest.mark.parametrize("lengths, angles", [([4, 4, -4], [90] * 3), ([4, 4, 4], [150, 150, 150]),
                                             ([4, 4, np.nan], [90] * 3)])
def test_an_impossible_cell_is_refused(lengths, angles):
    with pytest.raises(InputError, match="unit cell"):
        cell_vectors(lengths, angles)


def test_published_spacings_follow_from_the_columns():
    """Sample mp-763064 of the published data set: orientation k is the column k of z_dirs."""
    columns = np.array([[1, 1, 0], [1, -1, 1], [-1, 1, 3]]).T
    cell = [4.6456035, 7.54737513, 7.59231027], [75.75270737, 91.58467769, 89.08634999]
    assert d_spacings_angstrom(columns, *cell) == pytest.approx([3.34336566, 3.22673953, 2.51930512], rel=1e-8)


def test_frames_of_the_zolz_lattice():
    assert zolz_lattice(*CUBIC, [0, 0, 1]) == pytest.approx(np.eye(2) / 4)
    assert zolz_lattice(*CUBIC, [0, 0, 2]) == pytest.approx(np.eye(2) / 4)  # the common divisor does not matter
    along_a = zolz_lattice([3, 4, 5], [90] * 3, [1, 0, 0])  # the beam runs along a: x is b, y is c
    assert np.abs(along_a) == pytest.approx(np.array([[0, 1 / 5], [1 / 4, 0]]))
    along_c = zolz_lattice([3, 4, 5], [90] * 3, [0, 0, 1], [1, 0, 0])  # a along y
    assert np.abs(along_c) == pytest.approx(np.array([[1 / 4, 0], [0, 1 / 3]]))


def test_the_zolz_lattice_is_whole_and_reduced():
    rng = np.random.default_rng(0)
    indices = np.stack(np.meshgrid(*[np.arange(-12, 13)] * 3), -1).reshape(-1, 3)
    for _ in range(30):
        cell = rng.uniform(3, 12, 3), rng.uniform(75, 110, 3)
        axis = rng.integers(-3, 4, 3)
        if np.gcd.reduce(axis) != 1:
            continue
        lattice = zolz_lattice(*cell, axis)
        direct = cell_vectors(*cell)
        zone = indices[(indices @ axis == 0) & indices.any(axis=1)]
        assert np.hypot(*lattice[0]) == pytest.approx(np.linalg.norm(zone @ np.linalg.inv(direct).T, axis=1).min())
        # Area of the lattice's mesh: length of [uvw] over the volume of the cell.
        assert abs(np.linalg.det(lattice)) == pytest.approx(np.linalg.norm(axis @ direct) / np.linalg.det(direct))


def test_bases_of_one_lattice_have_whole_indices_in_each_other():
    lattice = np.array([[1.0, 0.0], [0.3, 1.2]])
    assert same_lattice(np.array([[1, 1], [-1, 0]]) @ lattice, lattice, 1e-9)
    assert not same_lattice(lattice * [-1, 1], lattice, 1e-9)  # the mirror image of an oblique lattice
    bent = lattice + [[0, 1e-4], [0, 0]]
    assert same_lattice(bent, lattice, 1e-3) and not same_lattice(bent, lattice, 1e-9)


def test_reduction_ends_on_equally_short_vectors():
    for turn in np.linspace(0, 3, 200):
        square = 7.3 * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        reduced = reduced_basis(np.array([[1, 0], [1, 2]]) @ square)  # the halfway case of the rounding
        assert np.sort(np.hypot(*reduced.T)) == pytest.approx([7.3, 14.6])


@pytest.mark.parametrize("call", [
    lambda: zolz_lattice(*CUBIC, [0, 0, 0]), lambda: zolz_lattice(*CUBIC, [0, 0, 1], [0, 0, 3]),
    lambda: reduced_basis(np.array([[1.0, 2.0], [2.0, 4.0]])), lambda: reduced_basis(np.full((2, 2), np.nan))])
def test_degenerate_directions_are_refused(call):
    with pytest.raises(InputError):
        call()


def test_reflections_of_the_zero_layer_are_all_up_to_a_length():
    lengths, angles, axis = np.array([4.0, 5.0, 6.0]), np.array([90.0, 105.0, 90.0]), np.array([1, 0, 1])
    hkl, g = zolz_reflections(lengths, angles, axis, 0.9)
    every = np.stack(np.meshgrid(*[np.arange(-9, 10)] * 3, indexing="ij"), -1).reshape(-1, 3)
    with np.errstate(divide="ignore"):
        short = (every @ axis == 0) & (1 / d_spacings_angstrom(every, lengths, angles) <= 0.9)
    assert sorted(map(tuple, hkl)) == sorted(map(tuple, every[short])) and len(hkl) > 20
    shown = hkl.any(1)
    assert np.linalg.norm(g[shown], axis=1) == pytest.approx(1 / d_spacings_angstrom(hkl[shown], lengths, angles))


def test_reflections_of_an_axis_and_of_its_multiple_are_the_same():
    found = [zolz_reflections(*CUBIC, np.array(axis), 1.0)[0].tolist() for axis in ([1, 1, 0], [2, 2, 0])]
    assert found[0] == found[1]


def test_reflections_of_no_axis_are_refused():
    with pytest.raises(InputError, match=r"zone axis.*\[0, 0, 0\]"):
        zolz_reflections(*CUBIC, np.zeros(3, dtype=int), 1.0)
