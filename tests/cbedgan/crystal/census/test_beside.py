"""Drawn crystals beside real ones: as many of each group, in numbers that lie on known sides of each other."""

from dataclasses import replace

import numpy as np
import pytest

from cbedgan.crystal.census import two_sample
from cbedgan.crystal.census.beside import beside
from cbedgan.crystal.crystals import standard_crystal


def crystals(n, edge, group="cubic"):
    """Caesium chloride, or its tetragonal relative, of about this edge; each of a structure type of its own."""
    made = []
    for i in range(n):
        sides = (edge + 0.01 * i) * np.array([1, 1, 1 if group == "cubic" else 1.3])
        crystal = standard_crystal(np.diag(sides), [[0, 0, 0], [0.5, 0.5, 0.5]], [55, 17], source="x")
        made.append(replace(crystal, structure_type=f"{edge} {group} {i}"))
    return made


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    monkeypatch.setattr(two_sample, "TREES", 40)
    monkeypatch.setattr(two_sample, "REPLICATES", 100)


def test_larger_cells_are_found_larger_group_by_group():
    found = beside(crystals(9, 4.6) + crystals(20, 4.6, "tetragonal"),
                   crystals(12, 4.1) + crystals(3, 4.1, "tetragonal"), seed=0)
    assert (found["crystals"], found["groups"]) == (9 + 3, 2)
    volume = found["numbers"]["volume_an_atom"]
    assert volume["auc"] == 0 and volume["drawn"]["mean"] > volume["real"]["mean"] > 4.1**3 / 2
    assert found["numbers"]["shortest_distance"]["auc"] < 0.2 and found["numbers"]["atoms"]["auc"] == 0.5
    assert found["numbers"]["sites"]["drawn"] == {"mean": 2, "quartiles": [2, 2, 2]}
    assert found["told_apart"]["estimate"] > 0.9 and found["told_apart"]["crystals"] == 12
    assert found["told_apart_real"]["crystals"] == 6 + 1 and found["told_apart_real"]["estimate"] < 0.9


def test_what_no_group_has_in_common_is_not_compared_and_few_types_are_not_told_apart():
    assert beside(crystals(6, 4.1), crystals(6, 4.1, "tetragonal"), seed=0) == {"crystals": 0}
    found = beside(crystals(4, 4.1), crystals(9, 4.1), seed=0)
    assert found["crystals"] == 4 and found["told_apart"] is found["told_apart_real"] is None
