"""Features of the real training stacks: what is typical of a group, nearer to all groups where it has few stacks."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

STRENGTH = 20  # stacks of its own that weigh as much in a group's covariance as what all groups share
QUANTILE = 0.95  # of real stacks' distances from their group's prototype


@dataclass(frozen=True, eq=False)
class RealFeatures:
    """Of R stacks, with their space groups."""

    features: Float[np.ndarray, "R F"]
    space_group: Int[np.ndarray, " R"]

    def of(self, space_group: int) -> Float[np.ndarray, "n F"]:
        """Those of a group."""
        return self.features[self.space_group == space_group]

    def prototype(self, space_group: int) -> Float[np.ndarray, " F"]:
        """The mean of a group; of all where it has none."""
        mine = self.of(space_group)
        return (mine if len(mine) else self.features).mean(axis=0)

    def covariance(self, space_group: int) -> Float[np.ndarray, "F F"]:
        """A group's own and the shared one, weighed by its n stacks against STRENGTH."""
        mine = self.of(space_group) - self.prototype(space_group)
        return (mine.T @ mine + STRENGTH * self._shared) / (len(mine) + STRENGTH)

    @cached_property
    def radius(self) -> float:
        """Within it lie QUANTILE of the real stacks of the mean of their group's others; inf of none."""
        distances = [len(mine) / (len(mine) - 1) * np.linalg.norm(mine - mine.mean(axis=0), axis=1)
                     for group in np.unique(self.space_group) if len(mine := self.of(group)) > 1]
        return float(np.quantile(np.concatenate(distances), QUANTILE)) if distances else np.inf

    @cached_property
    def _shared(self) -> Float[np.ndarray, "F F"]:
        """Covariance of stacks around their group's mean."""
        _, code = np.unique(self.space_group, return_inverse=True)
        means = np.array([self.features[code == k].mean(axis=0) for k in range(code.max() + 1)])
        around = self.features - means[code]
        return around.T @ around / max(len(around) - len(means), 1)
