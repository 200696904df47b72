"""The frozen table of maximal subgroups against its source and on literal facts."""

import json
from importlib.util import find_spec
from pathlib import Path

import gemmi
import pytest

from classifier.crystal import spacegroup as sg
from classifier.crystal.subgroups import MAXIMAL_SUBGROUPS, direct_edges, neighbours, related
from classifier.foundation.errors import InputError

# The 45 space groups of Liu et al. 2019 (Acta Cryst. A 75, 633).
STUDIED = (2, 4, 9, 11, 12, 13, 14, 15, 19, 33, 36, 47, 55, 58, 60, 61, 62, 63, 64, 65, 71, 87, 88, 122, 123, 129, 136,
           139, 140, 141, 148, 160, 164, 166, 167, 176, 186, 191, 194, 205, 216, 221, 225, 227, 230)


def order(number: int) -> int:
    """Number of operations of the point group."""
    return len(gemmi.get_spacegroup_reference_setting(number).operations().sym_ops)


def test_table_is_that_of_its_source():
    if find_spec("pymatgen") is None:
        pytest.skip("pymatgen is not installed")
    source = Path(find_spec("pymatgen.symmetry").submodule_search_locations[0]) / "symm_data.json"
    listed = json.loads(source.read_text(encoding="utf-8"))["maximal_subgroups"]
    assert {int(group): tuple(sorted(set(subgroups) - {int(group)})) for group, subgroups in listed.items()} \
        == MAXIMAL_SUBGROUPS


def test_every_pair_keeps_the_order_of_groups():
    pairs = [(group, one) for group, subgroups in MAXIMAL_SUBGROUPS.items() for one in subgroups]
    assert list(MAXIMAL_SUBGROUPS) == list(sg.NUMBERS) and len(pairs) == len(set(pairs)) == 1294
    for group, one in pairs:
        assert group != one and order(group) % order(one) == 0
        # With as many point operations, only translations are lost: the point group stays.
        assert order(one) < order(group) or sg.point_group(one) == sg.point_group(group)


def test_literal_facts():
    assert MAXIMAL_SUBGROUPS[1] == () and MAXIMAL_SUBGROUPS[2] == (1,)
    assert MAXIMAL_SUBGROUPS[3] == (1, 4, 5)  # P2 > P1, P2_1, C2
    assert {166, 216, 139} <= set(neighbours(225)) and 225 in neighbours(139)
    assert 14 in neighbours(62) and 2 not in neighbours(62)  # Pnma > P2_1/c > P-1
    assert {186, 191} <= set(neighbours(194))  # loss of inversion; loss of translations
    assert not {225, 194} & set(neighbours(225))
    assert neighbours(1) == tuple(group for group in sg.NUMBERS if 1 in MAXIMAL_SUBGROUPS[group])
    with pytest.raises(InputError, match="1..230"):
        neighbours(231)


def test_shares_of_neighbours_and_relatives_are_the_known_ones():
    for numbers, direct, chained in ((STUDIED, 0.105, 0.567), (tuple(sg.NUMBERS), 0.047, 0.323)):
        class_map, pairs = sg.ClassMap(numbers), len(numbers) * (len(numbers) - 1)
        near, far = direct_edges(class_map), related(class_map)
        assert round(near.sum() / pairs, 3) == direct and round(far.sum() / pairs, 3) == chained
        assert (near == near.T).all() and not near.diagonal().any() and (near <= far).all()


def test_relation_may_lead_through_a_type_that_is_no_class():
    class_map = sg.ClassMap((2, 62))
    assert not direct_edges(class_map).any() and related(class_map).tolist() == [[False, True], [True, False]]
