"""All 230 rows against sources independent of gemmi (spglib, moyopy), and the class map on literal cases."""

import numpy as np
import pytest

from classifier.crystal import spacegroup as sg
from classifier.foundation.errors import InputError

moyopy = pytest.importorskip("moyopy")
spglib = pytest.importorskip("spglib")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:spglib")

# Point groups by Laue class (International Tables A, table 10.1.2.2) are a source of their own.
LAUE = {"-1": "1 -1", "2/m": "2 m 2/m", "mmm": "222 mm2 mmm", "4/m": "4 -4 4/m", "4/mmm": "422 4mm -42m 4/mmm",
        "-3": "3 -3", "-3m": "32 3m -3m", "6/m": "6 -6 6/m", "6/mmm": "622 6mm -62m 6/mmm", "m-3": "23 m-3",
        "m-3m": "432 -43m m-3m"}


@pytest.fixture(scope="module")
def spglib_types():
    """The first Hall setting of each number, as spglib has it."""
    types = {}
    for hall in range(1, 531):
        entry = spglib.get_spacegroup_type(hall)
        types.setdefault(entry.number, entry)
    return types


@pytest.mark.parametrize("number", sg.NUMBERS)
def test_row_agrees_with_independent_sources(number, spglib_types):
    other, third = spglib_types[number], moyopy.SpaceGroupType(number)
    assert sg.symbol(number) == other.international_short.replace("_", "") == third.hm_short.translate(
        {ord(" "): "", ord("_"): ""})
    unoriented = {"-4m2": "-42m", "-6m2": "-62m"}
    assert sg.point_group(number) == unoriented.get(other.pointgroup_international, other.pointgroup_international)
    assert sg.crystal_system(number) == third.crystal_system.lower()
    assert sg.bravais_lattice(number) == str(third.bravais_class).replace("mC", "mS")  # its name for one setting
    assert sg.point_group(number) in LAUE[sg.laue_class(number)].split()
    rotations = np.array(moyopy.operations_from_number(number).rotations)
    assert sg.point_group_order(number) == len(np.unique(rotations, axis=0))


def test_orders_and_counts_are_those_of_international_tables():
    assert sg.CRYSTAL_SYSTEMS == ("triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal",
                                  "cubic")
    assert sg.POINT_GROUPS == tuple(" ".join(LAUE.values()).split()) and sg.LAUE_CLASSES == tuple(LAUE)
    assert sg.BRAVAIS_LATTICES == tuple("aP mP mS oP oS oF oI tP tI hP hR cP cF cI".split())


def test_the_eleven_enantiomorphic_pairs():
    mirrored = [(number, sg.enantiomorph(number)) for number in sg.NUMBERS if sg.enantiomorph(number)]
    pairs = [(76, 78), (91, 95), (92, 96), (144, 145), (151, 153), (152, 154), (169, 170), (171, 172), (178, 179),
             (180, 181), (212, 213)]
    assert sorted(mirrored) == sorted(pairs + [pair[::-1] for pair in pairs])
    assert sg.enantiomorph(198) is None  # P2_13 is chiral, but both hands share the number


@pytest.mark.parametrize("number", [0, 231, -1, "Fd-3m", None])
def test_no_such_space_group_is_named(number):
    with pytest.raises(InputError, match="1..230"):
        sg.symbol(number)


def test_class_map_goes_both_ways():
    classes = sg.ClassMap.of(np.array([225, 62, 213, 225, 76, 78], dtype=np.int16))
    assert classes.space_groups == (62, 76, 78, 213, 225) and len(classes) == 5
    assert classes.index(213) == 3 and classes.space_group(3) == 213
    assert classes.indices(np.array([[225, 62], [76, 76]])).tolist() == [[4, 0], [1, 1]]
    assert classes.indices([62]).dtype == np.int64 and classes.mirror_partner().tolist() == [0, 2, 1, -1, 4]


def test_class_map_refuses_what_it_does_not_know():
    with pytest.raises(InputError, match=r"found \[2, 194\]"):
        sg.ClassMap((62, 225)).indices(np.array([2, 62, 194]))
    with pytest.raises(InputError, match="must be 0..1"):
        sg.ClassMap((62, 225)).space_group(-1)
    with pytest.raises(InputError, match="ascending"):
        sg.ClassMap((225, 62))
    with pytest.raises(InputError, match="1..230"):
        sg.ClassMap((0, 62))


@pytest.mark.parametrize(("number", "hkl", "absent"), [
    (62, [[0, 1, 0], [0, 2, 0], [1, 0, 0], [1, 2, 0], [0, 1, 2]], [True, False, True, True, True]),  # Pnma
    (225, [[1, 0, 0], [1, 1, 1], [2, 0, 0]], [True, False, False]),
    (227, [[2, 0, 0], [4, 0, 0], [2, 2, 0], [2, 4, 0]], [True, False, False, True]),
    (144, [[0, 0, 1], [0, 0, 3]], [True, False]),
    (1, [[1, 0, 0]], [False])])
def test_systematic_absences_are_those_of_international_tables(number, hkl, absent):
    assert sg.is_systematically_absent(number, hkl).tolist() == absent


def test_rotations_are_those_of_the_point_group():
    for number in (1, 2, 62, 166, 227):
        found = sg.rotations(number)
        assert found.shape == (sg.point_group_order(number), 3, 3)
        assert len({turn.tobytes() for turn in found}) == len(found)
        assert np.abs(np.linalg.det(found)) == pytest.approx(1)
    assert sg.rotations(3).tolist() == [np.eye(3).tolist(), np.diag([-1.0, 1, -1]).tolist()]
