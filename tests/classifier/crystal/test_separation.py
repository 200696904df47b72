"""What separates two space groups: literal pairs, what a strain leaves, and one answer for every pair."""

import gemmi
import numpy as np
import pytest

from classifier.crystal import spacegroup as sg
from classifier.crystal.separation import SEPARATIONS, separation, separation_matrix
from classifier.foundation.errors import InputError

ALL = sg.ClassMap(tuple(sg.NUMBERS))


@pytest.mark.parametrize("one, other, wanted", [
    (123, 47, "metric"), (123, 65, "metric"), (225, 139, "metric"), (225, 166, "metric"), (225, 71, "metric"),
    (205, 61, "metric"), (62, 14, "metric"), (194, 63, "metric"), (227, 141, "metric"), (2, 14, "metric"),
    (141, 71, "crystal_family"), (221, 191, "crystal_family"), (62, 123, "crystal_family"), (2, 4, "crystal_family"),
    (47, 71, "centring"), (164, 166, "centring"), (221, 225, "centring"), (62, 63, "centring"),
    (176, 194, "laue_class"), (148, 166, "laue_class"), (87, 139, "laue_class"), (164, 191, "laue_class"),
    (225, 216, "inversion"), (160, 166, "inversion"), (4, 11, "inversion"), (186, 194, "inversion"),
    (1, 2, "inversion"),
    (33, 19, "point_group"), (75, 81, "point_group"), (99, 89, "point_group"), (3, 6, "point_group"),
    (149, 150, "orientation"), (35, 38, "orientation"), (111, 115, "orientation"), (162, 164, "orientation"),
    (87, 88, "screw_or_glide"), (12, 15, "screw_or_glide"), (60, 62, "screw_or_glide"), (14, 13, "screw_or_glide"),
    (23, 24, "screw_or_glide"), (227, 225, "screw_or_glide"), (75, 76, "screw_or_glide"), (141, 139, "screw_or_glide"),
    (76, 78, "hand"), (212, 213, "hand"), (151, 153, "hand"), (152, 153, "orientation")])
def test_literal_pairs(one, other, wanted):
    assert separation(one, other) == separation(other, one) == wanted


def test_every_pair_has_one_answer_whichever_comes_first():
    pairs = separation_matrix(ALL)
    assert (pairs == pairs.T).all() and (np.diagonal(pairs) == -1).all() and (pairs >= 0).sum() == 230 * 229
    assert separation(62, 62) is None
    counts = dict(zip(SEPARATIONS, np.bincount(pairs[np.triu_indices(230, 1)], minlength=9).tolist(), strict=True))
    # 11 enantiomorphic pairs; groups of one arithmetic class, of which there are 73, differ in no other thing.
    assert counts["hand"] == 11
    finer = pairs >= list(SEPARATIONS).index("screw_or_glide")
    assert len(np.unique(finer | np.eye(230, dtype=bool), axis=0)) == 73


def test_coarser_things_agree_where_a_finer_one_is_named():
    pairs, names = separation_matrix(ALL), list(SEPARATIONS)
    for finer, name_of in (("centring", lambda number: sg.bravais_lattice(number)[0]),
                           ("laue_class", sg.bravais_lattice), ("inversion", sg.laue_class),
                           ("orientation", sg.point_group), ("orientation", sg.bravais_lattice)):
        level = np.array([name_of(number) for number in sg.NUMBERS])
        one, other = np.nonzero(pairs >= names.index(finer))
        assert (level[one] == level[other]).all(), finer


@pytest.mark.parametrize("group, metric, left", [
    (123, np.diag([1.0, 1.2, 3]), 47), (139, np.diag([1.0, 1.2, 3]), 71), (205, np.diag([1.0, 1.2, 3]), 61),
    (221, np.diag([1.0, 1, 3]), 123), (62, [[1.0, 0, 0.1], [0, 2, 0], [0.1, 0, 3]], 11),
    (62, [[1.0, 0, 0], [0, 2, 0.1], [0, 0.1, 3]], 14), (194, [[1.0, -0.4, 0], [-0.4, 1.2, 0], [0, 0, 3]], 11),
    (11, [[1.0, 0.1, 0.2], [0.1, 2, 0], [0.2, 0, 3]], 2)])
def test_a_strained_metric_leaves_a_group_that_the_metric_alone_separates(group, metric, left):
    """Keep the operations that keep the strained metric tensor: what is left is a group of pure strain."""
    kept = [operation for operation in gemmi.get_spacegroup_reference_setting(group).operations()
            if np.allclose((turn := np.array(operation.rot) / gemmi.Op.DEN).T @ metric @ turn, metric)]
    assert gemmi.find_spacegroup_by_ops(gemmi.GroupOps(kept)).number == left
    assert separation(group, left) == "metric"


def test_the_matrix_follows_the_class_map_and_what_is_no_space_group_is_refused():
    class_map = sg.ClassMap((47, 71, 123))
    names = [[None if place < 0 else list(SEPARATIONS)[place] for place in row] for row in separation_matrix(class_map)]
    assert names == [[None, "centring", "metric"], ["centring", None, "crystal_family"],
                     ["metric", "crystal_family", None]]
    with pytest.raises(InputError, match=r"1\.\.230"):
        separation(0, 3)
