"""Which samples a batch holds: a pure function of (seed, images_seen), so that resuming is replaying."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from classifier.foundation.errors import InputError


@dataclass(frozen=True)
class Strata:
    """Samples ordered by class and material, so that a draw is three vectorised look-ups.

    order: sample indices int64 [N]; material_start, material_size: int64 [M] runs in `order`;
    class_start, class_size: int64 [K] runs of materials (size 0: a class without samples).
    """

    order: np.ndarray
    material_start: np.ndarray
    material_size: np.ndarray
    class_start: np.ndarray
    class_size: np.ndarray

    @classmethod
    def build(cls, class_idx: np.ndarray, material: np.ndarray) -> Strata:
        """Order samples with class_idx int [N] (0..K-1) and material labels [N] for drawing."""
        class_idx = np.asarray(class_idx, dtype=np.int64)
        if len(class_idx) == 0 or len(class_idx) != len(material):
            raise InputError(source="sampler", rule="needs samples, and one material for each",
                             value=f"{len(class_idx)} classes, {len(material)} materials",
                             remedy="Give the samples of a part that is not empty.")
        code = np.unique(material, return_inverse=True)[1]
        order = np.lexsort((code, class_idx))
        change = (np.diff(class_idx[order]) != 0) | (np.diff(code[order]) != 0)
        material_start = np.concatenate([[0], np.flatnonzero(change) + 1])
        material_size = np.diff(np.append(material_start, len(order)))
        class_size = np.bincount(class_idx[order][material_start])
        return cls(order, material_start, material_size, np.cumsum(class_size) - class_size, class_size)

    def class_probability(self, power: float) -> np.ndarray:
        """Probability of each class, float64 [K]: proportional to (number of materials)^power, 0 for empty classes.

        power 1 keeps the natural frequencies, 0.5 is square-root sampling, 0 draws classes equally often.
        """
        share = np.where(self.class_size > 0, np.maximum(self.class_size, 1).astype(np.float64) ** power, 0.0)
        return share / share.sum()

    def sample_probability(self, power: float) -> np.ndarray:
        """Probability of each sample in a draw, float64 [N]; alike in a material, materials alike in a class."""
        classes = np.repeat(np.arange(len(self.class_size)), self.class_size)
        material = self.class_probability(power)[classes] / self.class_size[classes]
        probability = np.empty(len(self.order))
        probability[self.order] = np.repeat(material / self.material_size, self.material_size)
        return probability

    def draw(self, *, batch: int, seed: int, images_seen: int, power: float) -> np.ndarray:
        """Draw sample indices int64 [batch]: the class first, then one of its materials, then one of its samples."""
        uniform = np.random.default_rng([seed, images_seen]).random((3, batch))
        # Rounding may leave the last cumulative probability a hair below 1: clip to the last class that has samples.
        last = int(np.flatnonzero(self.class_size)[-1])
        chosen = np.searchsorted(np.cumsum(self.class_probability(power)), uniform[0], side="right").clip(max=last)
        material = self.class_start[chosen] + (uniform[1] * self.class_size[chosen]).astype(np.int64)
        sample = self.material_start[material] + (uniform[2] * self.material_size[material]).astype(np.int64)
        return self.order[sample]


def draw(class_idx: np.ndarray, material: np.ndarray, *, batch: int, seed: int, images_seen: int,
         power: float) -> np.ndarray:
    """Draw sample indices int64 [batch] with p(class) ~ (number of materials)^power; build `Strata` once in a loop."""
    return Strata.build(class_idx, material).draw(batch=batch, seed=seed, images_seen=images_seen, power=power)
