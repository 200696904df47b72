"""Which groups keep their added stacks."""

import numpy as np
import pytest

from cbedgan.densify.gate_rule import gained, table

SHOTS = {2: "few", 5: "few", 14: "few", 225: "many", 227: "medium", 19: "few"}
ADDED = {2: 20, 5: 20, 14: 20, 225: 9, 227: 3, 19: 0}


@pytest.fixture
def judged():
    """Of 2 one material is lost, of 5 two of four gained; 14 and 227 have none held out; 225 loses."""
    groups = np.array([2, 5, 5, 5, 5, 225, 225, 225, 19])
    material = np.array(["a", "b", "c", "d", "e", "f", "f", "g", "h"])
    without = np.array([1, 0, 0, 1, 0, 1, 1, 1.0, 1])
    within = np.array([0, 1, 1, 1, 0, 0, 1, 1.0, 0])
    return {one.space_group: one for one in gained(groups, material, without, within, SHOTS, ADDED,
                                                   strength=4.0, least_gain=0.0)}


def test_gains_count_materials_and_are_shrunk_towards_those_of_groups_like_it(judged):
    mean = (-1 + 0.5) / 2  # of two few-shot groups: of one nothing was held out, to one nothing was added
    assert [one.materials for one in judged.values()] == [1, 4, 0, 1, 2, 0]
    assert judged[2].shrunk == pytest.approx((1 * -1 + 4 * mean) / 5)
    assert judged[5].shrunk == pytest.approx((4 * 0.5 + 4 * mean) / 8) and judged[14].shrunk == mean
    assert (judged[225].without, judged[225].within) == (1.0, 0.75)  # of two materials one is right half the time


def test_groups_pass_by_the_shrunk_gain_and_without_any_knowledge_all_do(judged):
    assert [one.space_group for one in judged.values() if one.passes] == [5, 227]
    assert judged[227].shrunk == 0.0 and np.isnan(judged[227].within)


def test_the_table_names_groups_that_have_added_stacks(judged):
    text = table(list(judged.values()), {2: 20, 5: 20, 14: 0, 225: 0, 227: 3, 19: 0})
    assert [line.split()[0] for line in text.splitlines()[1:]] == ["2", "5", "227"]
    assert text.splitlines()[1].endswith("no") and "n/a" in text.splitlines()[3]
