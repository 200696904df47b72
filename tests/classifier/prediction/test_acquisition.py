"""Scores that can be worked out by hand."""

import numpy as np
import pytest

from classifier.prediction import acquisition


def test_entropy_by_hand():
    found = acquisition.entropy(np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3], [0.9, 0.1, 0.0]]))
    assert found == pytest.approx([np.log(2), 0.0, np.log(3), 0.3250829733914482])
    assert np.argsort(-found).tolist() == [2, 0, 3, 1]


def test_margin_is_the_gap_of_the_two_largest():
    found = acquisition.margin(np.array([[0.2, 0.5, 0.3], [0.0, 0.0, 1.0], [0.4, 0.4, 0.2]]))
    assert found == pytest.approx([-0.2, -1.0, 0.0])


def test_entropy_and_margin_disagree_where_many_classes_are_left():
    """A third class adds entropy and leaves the gap: the two are different strategies."""
    probability = np.array([[0.5, 0.5, 0.0], [0.5, 0.25, 0.25]])
    assert acquisition.entropy(probability).argmax() == 1 and acquisition.margin(probability).argmax() == 0


def test_bald_sees_disagreement_and_not_doubt():
    unsure = [[0.5, 0.5], [0.5, 0.5]]
    assert acquisition.bald(np.array([[unsure[0]], [unsure[1]]])) == pytest.approx([0.0])
    # Two members that are certain of different classes: one whole bit.
    assert acquisition.bald(np.array([[[1.0, 0.0]], [[0.0, 1.0]]])) == pytest.approx([np.log(2)])
    # 0.9 against 0.1: H(0.5) - H(0.1).
    assert acquisition.bald(np.array([[[0.9, 0.1]], [[0.1, 0.9]]])) == pytest.approx([np.log(2) - 0.3250829733914482])


def test_k_centre_on_a_line_takes_the_ends_and_then_the_middle():
    line = np.arange(11.0)[:, None]
    names = np.array([f"m{i:02d}" for i in range(11)])
    chosen, radius = acquisition.k_centre(line, names, np.array([[4.0]]), 3)
    assert chosen.tolist() == ["m10", "m00", "m07"] and radius == pytest.approx([6.0, 4.0, 3.0])


def test_k_centre_takes_materials_whole_and_each_once():
    """All stacks of a material cover their surroundings once it is chosen; copies are chosen last, but are chosen."""
    features = np.array([[10.0], [-9.0], [9.5], [0.0], [0.0]])
    material = np.array(["wide", "wide", "near", "copy a", "copy b"])
    chosen, radius = acquisition.k_centre(features, material, np.array([[0.0]]), 9)
    assert chosen.tolist() == ["wide", "near", "copy a", "copy b"] and radius == pytest.approx([10.0, 0.5, 0.0, 0.0])


def test_k_centre_without_anything_labelled():
    chosen, radius = acquisition.k_centre(np.array([[0.0], [1.0], [5.0]]), np.array(list("abc")), np.zeros((0, 1)), 2)
    assert chosen.tolist() == ["a", "c"] and radius[1] == 5.0


def test_boundary_proximity_asks_for_the_predicted_class():
    boundary = acquisition.BoundaryPoints(np.array([[0.0, 0.0], [10.0, 0.0]]), np.array([[0, 1], [1, 2]]))
    features = np.array([[0.0, 3.0], [9.0, 0.0], [9.0, 0.0], [0.0, 0.0]])
    found = acquisition.boundary_proximity(features, np.array([0, 0, 1, 3]), boundary)
    assert found == pytest.approx([-3.0, -9.0, -1.0, -np.inf])


def test_stacks_of_a_material_come_together():
    names, score = acquisition.by_material(np.array([1.0, 3.0, 2.5, 2.0]), np.array(["b", "b", "c", "a"]))
    assert names.tolist() == ["c", "a", "b"] and score == pytest.approx([2.5, 2.0, 2.0])


def test_nearest_in_blocks(monkeypatch):
    monkeypatch.setattr("classifier.prediction.acquisition.ROWS_AT_ONCE", 2)
    assert acquisition.nearest(np.array([[0.0], [4.0], [9.0]]), np.array([[1.0], [8.0]])) == pytest.approx([1, 3, 1])
