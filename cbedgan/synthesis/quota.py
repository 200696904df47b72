"""How many synthetic stacks every space group gets: what was asked (sampling_strategy) and what it comes to (quota)."""

import math
from typing import Literal

import numpy as np

from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.statistics.metrics import shot_class


class SamplingStrategy(Config):
    """shots: which groups get any, by their training materials (few, medium, many); ratio: synthetic stacks for each
    real training stack; base: added to that, so that the poorest groups get more than their ratio; target: real and
    synthetic stacks of a group never exceed it."""

    shots: tuple[Literal["few", "medium", "many"], ...]
    ratio: float
    base: int
    target: int


def resolve_quota(strategy: SamplingStrategy, *, stacks: dict[int, int], materials: dict[int, int]) -> dict[int, int]:
    """Return {space_group: q} with q = min(ceil(ratio n) + base, target - n) > 0 of the groups that get any.

    stacks, materials: {space_group: number in the train part}; n counts stacks, the shot class counts materials.
    """
    if strategy.ratio < 0 or strategy.base < 0:
        raise InputError(source="sampling_strategy", rule="ratio and base must not be negative",
                         value=f"{strategy.ratio}, {strategy.base}", remedy="Correct the configuration.")
    shot = {group: str(shot_class(np.array(number))) for group, number in materials.items()}
    wanted = {group: min(math.ceil(strategy.ratio * number) + strategy.base, strategy.target - number)
              for group, number in stacks.items() if shot[group] in strategy.shots}
    return {group: number for group, number in sorted(wanted.items()) if number > 0}
