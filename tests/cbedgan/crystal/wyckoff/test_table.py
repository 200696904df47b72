"""The frozen table: International Tables by the page, and against pyxtal, gemmi, moyopy and spglib for all groups."""

import gzip

import gemmi
import numpy as np
import pytest

from cbedgan.crystal.crystals import measure_symmetry
from cbedgan.crystal.wyckoff import freeze
from cbedgan.crystal.wyckoff.table import TABLE, standard_setting, wyckoff_positions
from classifier.crystal.spacegroup import NUMBERS
from invariant_lattice import invariant_lattice

# Axes in the order in which moyopy puts them, and angles as in a reduced cell: so it renames no axis.
SHAPE = np.array([0.15, 0.3, 0.1, 0.12, 0.08])
SYSTEMS = (NUMBERS[:15], NUMBERS[15:74], NUMBERS[74:142], NUMBERS[142:194], NUMBERS[194:])


def on(position, points):
    """Whether points are on the first image of a position, or an image of it by whole translations."""
    off = points @ position.projector.T + position.offset - points
    return np.abs(off - np.round(off)).max(axis=-1) < 1e-9


def test_a_page_of_international_tables():
    """P 2_1/c, unique axis b, cell choice 1."""
    e, d, c, b, a = wyckoff_positions(14)
    assert [p.letter for p in (e, d, c, b, a)] == list("edcba")
    assert [p.multiplicity for p in (e, a)] == [4, 2] and [p.freedom for p in (e, a)] == [3, 0]
    assert [p.site_symmetry_order for p in (e, a)] == [1, 2]
    x, y, z = 0.1, 0.2, 0.3
    assert e.atoms(np.array([x, y, z])) == pytest.approx(
        np.array([[x, y, z], [-x, y + 0.5, -z + 0.5], [-x, -y, -z], [x, -y + 0.5, z + 0.5]]) % 1)
    assert d.atoms(np.array([x, y, z])).tolist() == [[0.5, 0, 0.5], [0.5, 0.5, 0]]


def test_a_position_of_a_centred_group_that_runs_along_no_axis():
    """18 h of R -3 m, hexagonal axes: (x, -x, z)."""
    h = next(p for p in wyckoff_positions(166) if p.letter == "h")
    assert (h.multiplicity, h.freedom, h.site_symmetry_order) == (18, 2, 2)
    assert (h.projector @ [0.1, 0.7, 0.3] + h.offset).tolist() == [0.1, -0.1, 0.3]
    images = h.atoms(np.array([0.1, 0.7, 0.3]))
    assert images[1] == pytest.approx([0.1, 0.2, 0.3])
    assert images[6] == pytest.approx([0.1 + 2 / 3, -0.1 + 1 / 3, 0.3 + 1 / 3])  # the centring's second vector


@pytest.mark.slow
def test_the_table_is_what_pyxtal_gives():
    pytest.importorskip("pyxtal", reason="the table is frozen from pyxtal")
    frozen = gzip.decompress(TABLE.read_bytes()).decode().splitlines()
    now = freeze.table().splitlines()
    assert [line for line in frozen if line[0] != "#"] == [line for line in now if line[0] != "#"]
    assert len(frozen) == 4 + 230 + 1731


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_images_and_site_symmetry_follow_from_the_operations_of_gemmi(system):
    for group in system:
        operations = list(standard_setting(group).operations())
        rotations = np.array([operation.rot for operation in operations]) / gemmi.Op.DEN
        translations = np.array([operation.tran for operation in operations]) / gemmi.Op.DEN
        for position in wyckoff_positions(group):
            point = position.projector @ [0.1234, 0.3571, 0.0719] + position.offset
            assert on(position, point) and np.linalg.matrix_rank(position.projector) == position.freedom
            images = rotations @ point + translations
            apart = images[:, None] - position.atoms(point)
            same = np.abs(apart - np.round(apart)).max(axis=2) < 1e-9
            assert same.shape == (len(operations), position.multiplicity)
            assert (same.sum(axis=0) == position.site_symmetry_order).all() and (same.sum(axis=1) == 1).all()


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_letters_are_those_of_moyopy_and_orbits_those_of_spglib(system):
    """A crystal of each group with every position occupied, each by another element; the general one three times."""
    spglib = pytest.importorskip("spglib")
    for group in system:
        positions = wyckoff_positions(group)
        generator = np.random.default_rng(group)
        occupied = [*positions, positions[0], positions[0]]
        atoms = [position.atoms(generator.uniform(size=3)) for position in occupied]
        numbers = np.repeat([*range(1, len(positions) + 1), 1, 1], [len(images) for images in atoms])
        lattice = invariant_lattice(group, 60.0 * positions[0].multiplicity, SHAPE)
        cell = lattice, np.concatenate(atoms), numbers
        measured = measure_symmetry(*cell, precision_angstrom=1e-3)
        assert measured.number == group
        asked = [positions[number - 1] for number in measured.std_cell.numbers]
        # An origin that is as good swaps letters: one of these choices is the table's.
        choices = [choice for _, choice in measured.normalizer_wyckoff_positions().coset_representatives
                   if [site.letter for site in choice] == [position.letter for position in asked]]
        assert choices, group
        theirs = {site.letter: site for site in choices[0]}
        for position in positions:
            site = theirs[position.letter]
            image = gemmi.Op(site.coordinates.replace("2x", "2*x"))
            assert site.multiplicity == position.multiplicity
            point = np.array(image.rot) / gemmi.Op.DEN @ [0.1234, 0.3571, 0.0719] + np.array(image.tran) / gemmi.Op.DEN
            assert on(position, positions[0].atoms(point)).any()
        dataset = spglib.get_symmetry_dataset(cell, symprec=1e-4)
        assert dataset.number == group
        sizes = np.unique(dataset.crystallographic_orbits, return_counts=True)[1]
        assert sorted(sizes) == sorted(position.multiplicity for position in occupied)
