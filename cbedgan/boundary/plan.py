"""Which paths are traced: some for every pair of groups, then those to the groups that turned up on the way."""

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Int

from cbedgan.boundary.pairs import Pairs


@dataclass(frozen=True)
class PathPlan:
    """P paths from class a to class b, int64 [P]; number [P] tells the latents of a pair's paths apart.

    control, followed: bool [P], b was drawn at random, or was found to take over on another path.
    """

    a: np.ndarray
    b: np.ndarray
    number: np.ndarray
    control: np.ndarray
    followed: np.ndarray

    def __len__(self) -> int:
        return len(self.a)

    def take(self, rows: slice) -> "PathPlan":
        """The paths at `rows`."""
        return PathPlan(**{column.name: getattr(self, column.name)[rows] for column in fields(self)})


def plan_pairs(pairs: Pairs, paths: int) -> PathPlan:
    """Plan `paths` paths, numbered from 0, for every pair."""
    pair, number = (index.ravel() for index in np.indices((len(pairs), paths)))
    return PathPlan(pairs.a[pair], pairs.b[pair], number, pairs.control[pair], np.zeros(len(pair), dtype=bool))


def follow_rivals(plan: PathPlan, rival: Int[np.ndarray, " P"]) -> PathPlan:
    """Plan a path to the class that takes over from class a (-1 for none) wherever it is not the partner.

    The classifier's own boundary around a sample runs against its rival; towards another partner the margin changes
    sign deep inside the rival's region. Every such path is planned once, and only if it is not in `plan`; controls are
    not followed.
    """
    towards = np.unique(np.stack([plan.a, rival, plan.number])[:, (rival >= 0) & ~plan.control], axis=1)
    planned = {*zip(plan.a.tolist(), plan.b.tolist(), plan.number.tolist(), strict=True)}
    a, b, number = towards[:, [path not in planned for path in zip(*towards.tolist(), strict=True)]]
    return PathPlan(a, b, number, np.zeros(len(a), dtype=bool), np.ones(len(a), dtype=bool))
