"""The drawn stacks of a group, of which some are kept, and the choice of one after another."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

Rows = Int[np.ndarray, " k"]
Score = Callable[[Rows], Float[np.ndarray, " N"]]
"""Of every stack of a pool, beside those chosen so far; the largest is chosen next."""


@dataclass(frozen=True, eq=False)
class DrawnPool:
    """N stacks. features: as a classifier has them; crystal: stacks of one number stem from one crystal, as
    several distortions of one do; cell: of a quota, such as one side of a boundary; limits: what each cell may give."""

    features: Float[np.ndarray, "N F"]
    crystal: Int[np.ndarray, " N"]
    cell: Int[np.ndarray, " N"]
    limits: Int[np.ndarray, " C"]

    def chosen(self, score: Score) -> Rows:
        """Choose one by one, of what the limits allow, and give the rows in ascending order.

        A crystal comes a second time when all have come once, whatever the score: what a boundary needs is crystals.
        """
        rows: list[int] = []
        free, left, uses = np.ones(len(self.cell), dtype=bool), self.limits.copy(), np.zeros(len(self.cell), dtype=int)
        while len(there := np.flatnonzero(free & (left[self.cell] > 0))):
            there = there[uses[there] == uses[there].min()]
            row = int(there[np.argmax(score(np.array(rows, dtype=np.int64))[there])])
            rows.append(row)
            free[row] = False
            left[self.cell[row]] -= 1
            uses[self.crystal == self.crystal[row]] += 1
        return np.sort(np.array(rows, dtype=np.int64))
