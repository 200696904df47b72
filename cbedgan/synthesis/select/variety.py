"""Variety: the stack that lies farthest from the real ones of its group and from those chosen comes next.

The greedy k-centre of Sener and Savarese 2018 (arXiv 1708.00489), algorithm 1.
"""

import numpy as np
from jaxtyping import Float

from cbedgan.synthesis.select.drawn_pool import DrawnPool, Rows, Score
from classifier.prediction.acquisition import nearest


def variety(pool: DrawnPool, real: Float[np.ndarray, "n F"]) -> Score:
    """The score of `DrawnPool.chosen`; real: features of the group's training stacks."""
    def score(rows: Rows) -> Float[np.ndarray, " N"]:
        return nearest(pool.features, np.concatenate([real, pool.features[rows]]))
    return score
