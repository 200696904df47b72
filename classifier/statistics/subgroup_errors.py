"""Do errors follow group-subgroup relations? Their share between neighbours against what frequencies alone give."""

import numpy as np
from jaxtyping import Bool, Float, Int

from classifier.statistics.bootstrap import Bootstrap
from classifier.statistics.metrics import ratio

MOST_ITERATIONS = 500
TOLERANCE = 1e-9  # relative change of a factor


def direct_edge_shares(truth: Int[np.ndarray, " N"], predicted: Int[np.ndarray, " N"], edges: Bool[np.ndarray, "K K"],
                       drawn: Bootstrap) -> tuple[Float[np.ndarray, " R1"], Float[np.ndarray, " R1"]]:
    """Share of the errors that lie between direct neighbours, and the same share under the null.

    The null keeps how often each group is the truth of an error, r_i, and how often it is wrongly answered, c_j, and
    nothing else: the expected weight of the error i -> j is m_ij = a_i b_j, m_ii = 0, with a and b such that
    sum_j m_ij = r_i and sum_i m_ij = c_j (quasi-independence: Goodman 1968, J. Am. Stat. Assoc. 63, 1091). NaN where
    there is no error.

    Parameters
    ----------
    truth, predicted : class_idx of each sample
    edges : which classes are direct neighbours
    drawn : replicates
    """
    share, by_chance = error_shares(truth, predicted, edges[None], drawn)
    return share[:, 0], by_chance[:, 0]


def error_shares(truth: Int[np.ndarray, " N"], predicted: Int[np.ndarray, " N"], kinds: Bool[np.ndarray, "C K K"],
                 drawn: Bootstrap) -> tuple[Float[np.ndarray, "R1 C"], Float[np.ndarray, "R1 C"]]:
    """Share of the errors that is of each of C kinds, and the same shares under the null of `direct_edge_shares`.

    Parameters
    ----------
    truth, predicted : class_idx of each sample
    kinds : which pairs of truth and answer are of each kind; the diagonal does not count
    drawn : replicates
    """
    classes, wrong = kinds.shape[-1], np.asarray(truth) != np.asarray(predicted)
    errors = drawn.sums(wrong)
    share = [ratio(drawn.sums(kind[truth, predicted] & wrong), errors) for kind in kinds]
    a, b = quasi_independence(drawn.tally(truth, classes, wrong), drawn.tally(predicted, classes, wrong))
    total = a.sum(axis=1) * b.sum(axis=1) - (a * b).sum(axis=1)
    by_chance = [ratio(((a @ kind) * b).sum(axis=1), total) for kind in kinds & ~np.eye(classes, dtype=bool)]
    return np.stack(share, axis=1), np.stack(by_chance, axis=1)


def quasi_independence(rows: Float[np.ndarray, "R K"], columns: Float[np.ndarray, "R K"]
                       ) -> tuple[Float[np.ndarray, "R K"], Float[np.ndarray, "R K"]]:
    """Factors a, b of the tables a_i b_j without diagonal that have these sums of rows and columns.

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
