"""What several trainings are tested on together: samples gathered into cells, and recalls over units and seeds."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from classifier.statistics.bootstrap import Bootstrap
from classifier.statistics.metrics import ratio


@dataclass(frozen=True, eq=False)
class Trials:
    """N test samples gathered into M cells, a cell being a unit (material or structure type) within one class.

    cell_weight: sum of the weights of a cell's samples; units are numbered 0..n_units-1.
    """

    class_idx: Int[np.ndarray, " N"]
    cell: Int[np.ndarray, " N"]
    weight: Float[np.ndarray, " N"]
    cell_class: Int[np.ndarray, " M"]
    cell_unit: Int[np.ndarray, " M"]
    cell_weight: Float[np.ndarray, " M"]
    n_units: int
    n_classes: int

    @classmethod
    def of(cls, class_idx: Int[np.ndarray, " N"], unit: Shaped[np.ndarray, " N"], n_classes: int,
           weight: Float[np.ndarray, " N"] | None = None) -> "Trials":
        """Gather samples by class and unit.

        Parameters
        ----------
        class_idx : of each sample
        unit : label of the unit of each
        n_classes : K
        weight : of each, 1 by default
        """
        names, code = np.unique(unit, return_inverse=True)
        pairs, cell = np.unique(np.stack([class_idx, code.ravel()]), axis=1, return_inverse=True)
        cell = cell.ravel()
        weight = np.ones(len(cell)) if weight is None else np.asarray(weight, float)
        return cls(np.asarray(class_idx), cell, weight, pairs[0], pairs[1], np.bincount(cell, weight), len(names),
                   n_classes)

    def draw(self, *, replicates: int, seed: int, seeds: int) -> Bootstrap:
        """Draw units and seeds, once for all that is compared: differences are then paired."""
        return Bootstrap.draw(self.cell_unit[self.cell], replicates=replicates, seed=seed, weight=self.weight,
                              seeds=seeds)

    def units_per_class(self) -> Int[np.ndarray, " K"]:
        """Number of units that test each class."""
        return np.bincount(self.cell_class, minlength=self.n_classes)

    def units(self, classes: Bool[np.ndarray, " K"]) -> int:
        """Number of units that test any of the classes."""
        return len(np.unique(self.cell_unit[classes[self.cell_class]]))

    def recall(self, hits: Bool[np.ndarray, "S N"], drawn: Bootstrap) -> Float[np.ndarray, "R1 K"]:
        """Recall of each class in each replicate, mean over its seeds; NaN where it holds no unit of the class."""
        return ratio(*(part @ np.eye(self.n_classes)[self.cell_class] for part in self._weighed(hits, drawn)))

    def accuracy(self, hits: Bool[np.ndarray, "S N"], drawn: Bootstrap) -> Float[np.ndarray, " R1"]:
        """Weighted share of samples that are right in each replicate, mean over its seeds."""
        right, weight = self._weighed(hits, drawn)
        return right.sum(axis=1) / weight.sum(axis=1)

    def _weighed(self, hits: np.ndarray, drawn: Bootstrap) -> tuple[np.ndarray, np.ndarray]:
        """Right and drawn weight of each cell in each replicate, both [R+1, M], averaged over the drawn seeds."""
        right = np.stack([np.bincount(self.cell, row * self.weight, len(self.cell_weight)) for row in hits])
        share = drawn.seed_times / drawn.seed_times.sum(axis=1, keepdims=True)
        times = drawn.times[:, self.cell_unit]
        return times * (share @ right), times * self.cell_weight

    def majority_right(self, predicted: Int[np.ndarray, "S N"]) -> Bool[np.ndarray, " M"]:
        """Whether most (by weight) samples and seeds of a cell vote for its class; a tie is wrong."""
        votes = np.zeros((len(self.cell_weight), self.n_classes))
        np.add.at(votes, (np.broadcast_to(self.cell, predicted.shape), predicted), self.weight)
        own = np.arange(len(votes)), self.cell_class
        right = votes[own]
        votes[own] = -1
        return right > votes.max(axis=1)
