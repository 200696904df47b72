"""Which samples a batch holds: a pure function of (seed, images_seen), so that resuming is replaying."""

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import numpy as np
from jaxtyping import Float, Int

from classifier.foundation.config import Config
from classifier.foundation.errors import InputError, require
from classifier.foundation.registry import Kinds


class Sampler(Protocol):
    """How often the classes are drawn; in a class all materials, and of a material all samples, are drawn alike."""

    @property
    def kind(self) -> str: ...

    def class_shares(self, materials: Int[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
        """Shares >= 0, up to a factor, of classes with so many training materials, at least one each."""
        ...


class PowerSampler(Config):
    """p(class) ~ (materials)^power: 1 keeps natural frequencies, 0.5 takes roots, 0 draws classes equally often."""

    kind: Literal["power"] = "power"
    power: float = 1.0

    def class_shares(self, materials: Int[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
        return materials.astype(np.float64) ** self.power


AnySampler = Annotated[Sampler, Kinds(PowerSampler)]


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
    def build(cls, class_idx: np.ndarray, material: np.ndarray) -> "Strata":
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

    def class_probability(self, sampler: Sampler) -> Float[np.ndarray, " K"]:
        """Probability of each class, 0 for empty ones; InputError where the sampler gives no shares."""
        shares = sampler.class_shares(np.maximum(self.class_size, 1))
        fits = isinstance(shares, np.ndarray) and shares.shape == self.class_size.shape
        shares = np.where(self.class_size > 0, shares, 0.0) if fits else np.zeros(1)
        require([(bool(fits and np.isfinite(shares).all() and (shares >= 0).all() and shares.sum() > 0), "class_shares",
                  "must be an array of numbers >= 0, one a class, not all 0", shares)],
                source=f"sampler {sampler.kind}", remedy="Correct class_shares.")
        return shares / shares.sum()

    def sample_probability(self, class_probability: Float[np.ndarray, " K"]) -> Float[np.ndarray, " N"]:
        """Probability of each sample in a draw; alike in a material, materials alike in a class."""
        classes = np.repeat(np.arange(len(self.class_size)), self.class_size)
        material = class_probability[classes] / self.class_size[classes]
        probability = np.empty(len(self.order))
        probability[self.order] = np.repeat(material / self.material_size, self.material_size)
        return probability

    def draw(self, *, batch: int, seed: int, images_seen: int, power: float) -> Int[np.ndarray, " batch"]:
        """Draw samples as `draw_by` does, with p(class) ~ (number of materials)^power."""
        classes = self.class_probability(PowerSampler(power=power))
        return self.draw_by(classes, batch=batch, seed=seed, images_seen=images_seen)

    def draw_by(self, class_probability: Float[np.ndarray, " K"], *, batch: int, seed: int | list[int],
                images_seen: int) -> Int[np.ndarray, " batch"]:
        """Draw samples: the class first, then one of its materials, then one of its samples.

        Parameters
        ----------
        class_probability : of the classes, see `class_probability`
        batch : how many samples
        seed, images_seen : on which alone the draw depends
        """
        numbers = seed if isinstance(seed, list) else [seed]
        uniform = np.random.default_rng([*numbers, images_seen]).random((3, batch))
        # Rounding may leave the last cumulative probability a hair below 1: clip to the last class that has samples.
        last = int(np.flatnonzero(self.class_size)[-1])
        chosen = np.searchsorted(np.cumsum(class_probability), uniform[0], side="right").clip(max=last)
        material = self.class_start[chosen] + (uniform[1] * self.class_size[chosen]).astype(np.int64)
        sample = self.material_start[material] + (uniform[2] * self.material_size[material]).astype(np.int64)
        return self.order[sample]
