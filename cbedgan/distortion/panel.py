"""Several classifiers of one view as one: their mean logits of measured copies, and which differ in seed alone."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.config import digest
from classifier.foundation.errors import InputError
from classifier.microscope.camera import steady_counts
from classifier.pattern.condition import Condition
from classifier.pattern.measurement import CONDITIONS, copy_seeds, measured
from classifier.prediction.predict import TrainedClassifier, load_classifier, predict_logits
from classifier.samples.stackfile import round_mantissa

GAINS = 2.0**-5  # the gains with which stacks are rounded again lie within so much above 1: 32 steps of 10 bits


class SeenUnder(NamedTuple):
    """How classifiers see a pattern: measured under a condition, in so many copies, whose logits are averaged.

    seed: of the copies. Noise is the same for all patterns of one name: along a path nothing changes but the crystal.
    """

    condition: Condition = "ideal"
    draws: int = 1
    seed: int = 0


IDEAL = SeenUnder()


@dataclass(frozen=True, eq=False)
class Panel:
    """C classifiers that are asked of one view. arms: {name: numbers of those that differ in their seed alone};
    mantissa_bits: to which the ideal stacks that they know are rounded; sight: how they see patterns.

    They have learned to compare rounded pixels: what rounding leaves of equal ones, a millionth of their light, would
    else look like a broken symmetry. Noise hides it, so what is measured is not rounded.
    """

    members: tuple[TrainedClassifier, ...]
    arms: dict[str, tuple[int, ...]]
    mantissa_bits: int
    sight: SeenUnder = IDEAL

    @classmethod
    def load(cls, paths: Sequence[Path], split_digest: tuple[str, ...], mantissa_bits: int, sight: SeenUnder = IDEAL
             ) -> "Panel":
        """Read classifiers of a split; InputError unless all have one view and classes, and ask for no pose."""
        members = tuple(load_classifier(path, split_digest=split_digest) for path in paths)
        first = members[0]
        for path, member in zip(paths, members, strict=True):
            alike = (member.view, member.class_map, member.frame) == (first.view, first.class_map, first.frame)
            if not alike or member.model_config.pose_input:
                raise InputError(source=path, rule="classifiers must see one view, name the same groups, ask no pose",
                                 value=member.view, remedy="Give classifiers of one kind of view.")
        rows: dict[str, list[int]] = {}
        for number, member in enumerate(members):
            config = {key: value for key, value in member.provenance.get("config", {}).items() if key != "seed"}
            rows.setdefault(digest([config, member.provenance.get("inputs")]), []).append(number)
        arms: dict[str, tuple[int, ...]] = {}
        for numbers in rows.values():
            folder = Path(paths[numbers[0]]).parent.name
            name = re.sub(r"[-_]?\d+$", "", folder) or folder or "classifier"
            arms[name if name not in arms else f"{name} ({len(arms) + 1})"] = tuple(numbers)
        return cls(members, arms, mantissa_bits, sight)

    @property
    def class_map(self) -> ClassMap:
        return self.members[0].class_map

    def logits(self, stacks: Float[np.ndarray, "N 3 S S"], names: Sequence[str]) -> Float[np.ndarray, "C N K"]:
        """Means over the copies of stacks in shares of the incident beam; those of one name err alike."""
        every = [np.stack([self._of(number, copy) for number in range(len(self.members))])
                 for copy in self.copies(stacks, names)]
        return np.mean(every, axis=0)

    def logits_of(self, number: int, stacks: Float[np.ndarray, "N 3 S S"], names: Sequence[str]
                  ) -> Float[np.ndarray, "N K"]:
        """One classifier's."""
        return np.mean([self._of(number, copy) for copy in self.copies(stacks, names)], axis=0)

    def margins(self, members: Int[np.ndarray, " N"], stacks: Float[np.ndarray, "N 3 S S"], names: Sequence[str],
                pairs: Int[np.ndarray, "N 2"]) -> Float[np.ndarray, " N"]:
        """log p(second) - log p(first) of a pair of classes, each stack by one classifier alone."""
        margins = np.empty(len(members))
        for number in np.unique(members).tolist():
            rows = np.flatnonzero(members == number)
            logits = self.logits_of(number, stacks[rows], [names[row] for row in rows.tolist()])
            first, second = np.take_along_axis(logits, pairs[rows], axis=1).T
            margins[rows] = second - first
        return margins

    def copies(self, stacks: Float[np.ndarray, "N 3 S S"], names: Sequence[str]) -> Iterator[Float[Tensor, "N 3 S S"]]:
        """Of an ideal stack: as a file holds it, and then rounded again with other gains, which part what is equal no
        more than the first does."""
        for draw in range(self.sight.draws):
            if self.sight.condition != "ideal":
                yield measured(torch.from_numpy(stacks), CONDITIONS[self.sight.condition],
                               copy_seeds(names, seed=self.sight.seed, draw=draw), steady_counts)
                continue
            gain = np.float32(1 + GAINS * draw / self.sight.draws)
            yield torch.from_numpy(round_mantissa(np.ascontiguousarray(stacks * gain), self.mantissa_bits) / gain)

    def _of(self, number: int, intensity: Float[Tensor, "N 3 S S"]) -> Float[np.ndarray, "N K"]:
        return predict_logits(self.members[number].model, self.members[number].intensity.normalise(intensity))
