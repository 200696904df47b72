"""Covariance matching: what is chosen has, together, the mean and the covariance of the group's real features.

Synthetic data of another covariance harm a joint training, of another mean hardly (arXiv 2510.08123, where matched
choice gives 54.0 %, random choice 49.4). The greedy choice and the shrinkage of the target are ours.
"""

import numpy as np
from jaxtyping import Float

from cbedgan.synthesis.select.drawn_pool import DrawnPool, Rows, Score
from cbedgan.synthesis.select.real_features import RealFeatures


def covariance(pool: DrawnPool, real: RealFeatures, space_group: int) -> Score:
    """The score of `DrawnPool.chosen`: minus |m - mean|^2 + |S - covariance|^2 with each stack added, where m is the
    mean of the chosen and S their mean outer product around the group's mean.

    Parameters
    ----------
    pool : of the group
    real, space_group : all training stacks, and which group is matched
    """
    y, target = pool.features - real.prototype(space_group), real.covariance(space_group)
    length = np.square(y).sum(axis=1)

    def score(rows: Rows) -> Float[np.ndarray, " N"]:
        count = len(rows) + 1
        # S of rows and one more, y: A + y y^T / count less the target, whose square is written out.
        lacking = y[rows].T @ y[rows] / count - target
        second = 2 / count * np.einsum("ni,ij,nj->n", y, lacking, y, optimize=True) + np.square(length / count)
        first = np.square((y[rows].sum(axis=0) + y) / count).sum(axis=1)
        return -(first + second)
    return score
