"""Sums of one softmax by hand, and what must hold between levels whatever the logits."""

import numpy as np
import pytest

from classifier.crystal import spacegroup as sg
from classifier.crystal.levels import LEVELS, level_index, level_matrix, level_probabilities, restrict
from classifier.foundation.errors import InputError

ALL = sg.ClassMap(tuple(sg.NUMBERS))


@pytest.mark.parametrize("level, names", [("crystal_system", 7), ("bravais_lattice", 14), ("laue_class", 11),
                                          ("point_group", 32)])
def test_every_group_belongs_to_one_name_of_a_level(level, names):
    found, matrix = level_matrix(ALL, level)
    assert len(found) == names and matrix.shape == (230, names)
    assert (matrix.sum(axis=1) == 1).all() and (matrix.sum(axis=0) > 0).all()


def test_groups_of_each_crystal_system_are_as_many_as_in_international_tables():
    assert level_matrix(ALL, "crystal_system")[1].sum(axis=0).tolist() == [2, 13, 59, 68, 25, 27, 36]


def test_probabilities_by_hand():
    class_map = sg.ClassMap((186, 194, 216, 225))  # P6_3mc, P6_3/mmc, F-43m, Fm-3m
    logits = np.log(np.array([[0.1, 0.2, 0.3, 0.4]]))
    found = dict(zip(sg.CRYSTAL_SYSTEMS, level_probabilities(logits, class_map, "crystal_system")[0], strict=True))
    assert found["hexagonal"] == pytest.approx(0.3) and found["cubic"] == pytest.approx(0.7) and found["trigonal"] == 0
    lattices = dict(zip(sg.BRAVAIS_LATTICES, level_probabilities(logits, class_map, "bravais_lattice")[0], strict=True))
    assert lattices["hP"] == pytest.approx(0.3) and lattices["cF"] == pytest.approx(0.7)
    points = dict(zip(sg.POINT_GROUPS, level_probabilities(logits, class_map, "point_group")[0], strict=True))
    assert [points[name] for name in ("6mm", "6/mmm", "-43m", "m-3m")] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert level_index([194, 216], "laue_class").tolist() == [8, 10]


def test_levels_agree_with_each_other():
    """What a Laue class has, its point groups have together; and so up to the crystal system."""
    logits = np.random.default_rng(0).normal(size=(20, 230)) * 5
    found = {level: level_probabilities(logits, ALL, level) for level in LEVELS}
    assert all(np.allclose(values.sum(axis=1), 1) for values in found.values())
    for fine, coarse in (("point_group", "laue_class"), ("laue_class", "crystal_system")):
        belongs = level_matrix(ALL, fine)[1].T @ level_matrix(ALL, coarse)[1] > 0
        assert (belongs.sum(axis=1) == 1).all() and np.allclose(found[fine] @ belongs, found[coarse])


def test_a_restricted_answer_is_the_conditional_one():
    class_map = sg.ClassMap((2, 14, 62, 225))
    logits = np.log(np.array([[0.4, 0.3, 0.2, 0.1]], dtype=np.float32))
    kept = restrict(logits, class_map, [225, 62])
    assert kept.dtype == np.float32 and np.isneginf(kept[0, :2]).all() and np.isfinite(logits).all()
    assert level_probabilities(kept, class_map, "crystal_system")[0, [2, 6]] == pytest.approx([2 / 3, 1 / 3])
    with pytest.raises(InputError, match="found \\[194\\]"):
        restrict(logits, class_map, [194])
    with pytest.raises(InputError, match="at least one"):
        restrict(logits, class_map, [])


def test_an_unknown_level_is_named():
    with pytest.raises(InputError, match="must be one of crystal_system"):
        level_matrix(ALL, "arithmetic_class")
