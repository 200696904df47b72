"""Do errors follow group-subgroup relations? Their share between neighbours against what frequencies alone give."""

from __future__ import annotations

import numpy as np

from classifier.statistics.bootstrap import Bootstrap
from classifier.statistics.metrics import ratio

MOST_ITERATIONS = 500
TOLERANCE = 1e-9  # relative change of a factor


def direct_edge_shares(truth: np.ndarray, predicted: np.ndarray, edges: np.ndarray,
                       drawn: Bootstrap) -> tuple[np.ndarray, np.ndarray]:
    """Share of the errors that lie on `edges` bool [K, K], and the same share under the null; both [R+1].

    The null keeps how often each group is the truth of an error, r_i, and how often it is wrongly answered, c_j, and
    nothing else: the expected weight of the error i -> j is m_ij = a_i b_j, m_ii = 0, with a and b such that
    sum_j m_ij = r_i and sum_i m_ij = c_j (quasi-independence: Goodman 1968, J. Am. Stat. Assoc. 63, 1091). NaN where
    there is no error.
    """
    classes, wrong = len(edges), np.asarray(truth) != np.asarray(predicted)
    errors = drawn.sums(wrong)
    share = ratio(drawn.sums(edges[truth, predicted] & wrong), errors)
    a, b = quasi_independence(drawn.tally(truth, classes, wrong), drawn.tally(predicted, classes, wrong))
    total = a.sum(axis=1) * b.sum(axis=1) - (a * b).sum(axis=1)
    return share, ratio(((a @ edges) * b).sum(axis=1), total)


def quasi_independence(rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Factors a, b [R, K] of the tables a_i b_j without diagonal that have these sums of rows and columns, [R, K].

    Iterative proportional fitting; sums that only a table with an empty off-diagonal cell has are approached slowly.
    """
    a, b = rows.astype(np.float64), ratio(columns, columns.sum(axis=1, keepdims=True) + np.zeros_like(columns))
    b = np.nan_to_num(b)
    for _ in range(MOST_ITERATIONS):
        before = a
        a = np.nan_to_num(ratio(rows, b.sum(axis=1, keepdims=True) - b))
        b = np.nan_to_num(ratio(columns, a.sum(axis=1, keepdims=True) - a))
        if np.all(np.abs(a - before) <= TOLERANCE * a):
            break
    return a, b
