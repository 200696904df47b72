from dataclasses import fields

import numpy as np

from cbedgan.boundary.probefile import ProbedPaths
from cbedgan.comparison.walk import clearest


def paths(**columns: list[float]) -> ProbedPaths:
    n = len(columns["crossing"])
    zeros = {column.name: np.zeros(n) for column in fields(ProbedPaths)}
    sound = {"crossings": np.ones(n), "margin_at_a": np.ones(n), "margin_at_b": -np.ones(n), "p_a": np.full(n, 0.4)}
    return ProbedPaths(**{**zeros, **sound, **{name: np.array(values) for name, values in columns.items()}})


def test_the_path_with_the_least_of_a_third_class_is_shown():
    assert clearest(paths(crossing=[0.5, 0.4, 0.6], p_b=[0.2, 0.5, 0.3])) == 1


def test_a_path_that_turns_back_or_begins_in_another_group_is_not():
    assert clearest(paths(crossing=[0.5, 0.5, 0.5, 0.5], p_b=[0.6, 0.5, 0.4, 0.1], crossings=[3, 1, 1, 1],
                          margin_at_a=[1, -1, 1, 1], margin_at_b=[-1, -1, 1, -1])) == 3


def test_a_crossing_in_the_middle_comes_first():
    assert clearest(paths(crossing=[0.02, 0.5], p_b=[0.6, 0.3])) == 1
    assert clearest(paths(crossing=[0.02, np.nan], p_b=[0.6, np.nan])) == 0


def test_without_a_crossing_nothing_is_shown():
    assert clearest(paths(crossing=[np.nan, np.nan], p_b=[np.nan, np.nan])) is None
