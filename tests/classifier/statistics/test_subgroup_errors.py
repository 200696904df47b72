"""The null of the errors between neighbours: by hand, against errors shuffled at random, and where it must say 1."""

import numpy as np
import pytest

from classifier.crystal.spacegroup import ClassMap
from classifier.crystal.subgroups import direct_edges
from classifier.statistics.bootstrap import Bootstrap
from classifier.statistics.subgroup_errors import direct_edge_shares, error_shares, quasi_independence


def table(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, None] * b * (1 - np.eye(len(a)))


def test_the_null_keeps_both_frequencies_and_has_no_diagonal() -> None:
    rows, columns = np.array([[4.0, 3, 2, 1]]), np.array([[1.0, 3, 3, 3]])
    (a,), (b,) = quasi_independence(rows, columns)
    expected = table(a, b)
    assert expected.sum(axis=1) == pytest.approx(rows[0], abs=1e-6)
    assert expected.sum(axis=0) == pytest.approx(columns[0], abs=1e-6)


def test_shares_by_hand() -> None:
    # P1, P2_1/c and Pnma: the last two are neighbours, P1 is of neither.
    edges = direct_edges(ClassMap((1, 14, 62)))
    assert edges.tolist() == [[False] * 3, [False, False, True], [False, True, False]]
    # Every error once: two of six lie on the edge, and the null, which is uniform, says the same. Hits are no errors.
    truth, predicted = np.array([0, 0, 1, 1, 2, 2, 0, 1]), np.array([1, 2, 0, 2, 0, 1, 0, 1])
    drawn = Bootstrap.draw(np.arange(8), replicates=1, seed=0)
    share, null = direct_edge_shares(truth, predicted, edges, drawn)
    assert share[0] == pytest.approx(1 / 3) and null[0] == pytest.approx(1 / 3)
    # Both frequencies are 1, 3, 2: a symmetric table without diagonal has m_01 + m_02 = 1, m_01 + m_12 = 3 and
    # m_02 + m_12 = 2, so that m_12 = 2 both ways: the frequencies alone put four of the six errors there.
    truth, predicted = np.array([1, 1, 2, 2, 0, 1]), np.array([2, 2, 1, 1, 1, 0])
    share, null = direct_edge_shares(truth, predicted, edges, Bootstrap.draw(np.arange(6), replicates=1, seed=0))
    assert share[0] == pytest.approx(4 / 6) and null[0] == pytest.approx(4 / 6, abs=0.01)


def test_the_null_is_what_shuffled_answers_give() -> None:
    """Exchange the answers of two errors again and again, never onto the diagonal: the mean share is the null's."""
    random = np.random.default_rng(0)
    truth = random.choice(5, 400, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    predicted = random.choice(5, 400, p=[0.5, 0.2, 0.1, 0.1, 0.1])
    wrong = truth != predicted
    edges = np.zeros((5, 5), bool)
    edges[[0, 1, 2, 3], [1, 0, 3, 2]] = True
    _, null = direct_edge_shares(truth, predicted, edges, Bootstrap.draw(np.arange(400), replicates=1, seed=0))
    own, answer, shares = truth[wrong], predicted[wrong].copy(), []
    for step in range(40_000):
        i, j = random.integers(0, len(own), 2)
        if answer[j] != own[i] and answer[i] != own[j]:
            answer[i], answer[j] = answer[j], answer[i]
        if step > 2000 and step % 50 == 0:
            shares.append(edges[own, answer].mean())
    assert null[0] == pytest.approx(np.mean(shares), abs=0.01)


def test_errors_without_preference_are_enriched_by_one_and_those_on_edges_by_much() -> None:
    class_map = ClassMap((2, 12, 14, 15, 62, 63, 139, 166, 194, 216, 225, 227))
    edges, random = direct_edges(class_map), np.random.default_rng(1)
    truth = random.choice(12, 4000, p=np.arange(12, 0, -1) / 78)
    unit = np.arange(4000)
    aimless = random.choice(12, 4000, p=np.arange(1, 13) / 78)
    share, null = direct_edge_shares(truth, aimless, edges, Bootstrap.draw(unit, replicates=200, seed=0))
    low, high = np.quantile(share[1:] / null[1:], [0.025, 0.975])
    assert low < 1 < high and share[0] / null[0] == pytest.approx(1, abs=0.1)
    neighbour = np.array([random.choice(np.flatnonzero(edges[k])) if edges[k].any() else k for k in truth])
    share, null = direct_edge_shares(truth, neighbour, edges, Bootstrap.draw(unit, replicates=2, seed=0))
    assert share[0] == 1 and share[0] / null[0] > 2


def test_kinds_that_part_the_pairs_have_shares_that_add_up_to_one_with_the_diagonal_left_out() -> None:
    random = np.random.default_rng(2)
    truth, predicted = random.choice(4, 300), random.choice(4, 300, p=[0.4, 0.3, 0.2, 0.1])
    near = np.abs(np.arange(4)[:, None] - np.arange(4)) <= 1  # holds the diagonal, which is no error
    drawn = Bootstrap.draw(np.arange(300), replicates=20, seed=0)
    share, null = error_shares(truth, predicted, np.stack([near, ~near]), drawn)
    assert share.sum(axis=1) == pytest.approx(1) and null.sum(axis=1) == pytest.approx(1)
    # A kind's shares do not depend on what else is asked for, and direct neighbours are one kind.
    alone = direct_edge_shares(truth, predicted, near & ~np.eye(4, dtype=bool), drawn)
    assert (alone[0] == share[:, 0]).all() and (alone[1] == null[:, 0]).all()


def test_without_errors_nothing_is_said() -> None:
    truth = np.array([0, 1])
    share, null = direct_edge_shares(truth, truth, np.ones((2, 2), bool), Bootstrap.draw(truth, replicates=3, seed=0))
    assert np.isnan(share).all() and np.isnan(null).all()
