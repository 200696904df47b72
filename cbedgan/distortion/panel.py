"""Several classifiers of one view as one: their logits of the same stacks, and which differ in their seed alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.config import digest
from classifier.foundation.errors import InputError
from classifier.prediction.predict import TrainedClassifier, load_classifier, predict_logits
from classifier.samples.stackfile import round_mantissa


@dataclass(frozen=True, eq=False)
class Panel:
    """C classifiers that are asked of one view. arms: {name: numbers of those that differ in their seed alone};
    mantissa_bits: to which the stacks that they know are rounded. They have learned to compare rounded pixels: what
    rounding leaves of equal ones, a millionth of their light, would else look like a broken symmetry."""

    members: tuple[TrainedClassifier, ...]
    arms: dict[str, tuple[int, ...]]
    mantissa_bits: int

    @classmethod
    def load(cls, paths: Sequence[Path], split_digest: tuple[str, ...], mantissa_bits: int) -> "Panel":
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
        return cls(members, arms, mantissa_bits)

    @property
    def class_map(self) -> ClassMap:
        return self.members[0].class_map

    def logits(self, stacks: Float[np.ndarray, "N 3 S S"]) -> Float[np.ndarray, "C N K"]:
        """Of stacks in shares of the incident beam, as a stack file would hold them."""
        return np.stack([self.logits_of(number, stacks) for number in range(len(self.members))])

    def logits_of(self, number: int, stacks: Float[np.ndarray, "N 3 S S"]) -> Float[np.ndarray, "N K"]:
        """One classifier's."""
        intensity = torch.from_numpy(round_mantissa(np.ascontiguousarray(stacks), self.mantissa_bits))
        return predict_logits(self.members[number].model, self.members[number].intensity.normalise(intensity))
