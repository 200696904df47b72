"""Which difference of balanced accuracy between two classifiers a test part can tell, by its groups and types.

A material counts +1, 0 or -1: only the second is right, both or neither, only the first. Materials of one structure
type are alike: n of them tell as much as n / (1 + (n - 1) r) independent ones at the correlation r (Kish 1965).
"""

import numpy as np
from jaxtyping import Int, Shaped
from scipy.stats import norm

# Of 36 trainings of twelve methods on cbed-lt version 1, pairs of methods (5 and 95 %): materials on which they differ
# 0.06 and 0.18, correlation of the difference within a type -0.10 and 0.25; of being right itself 0.37 and 0.49.
DISCORDANT = 0.15
WITHIN_TYPE = (0.1, 0.4)
# Of the variance of that difference on one material, what trainings of other seeds share: -0.12 to 0.22 among six arms
# of small networks on the demo's set; more is the cautious side.
BETWEEN_SEEDS = 0.3


def discordant_mean(seeds: int) -> float:
    """DISCORDANT where each side is the mean of so many trainings: seeds average out what they do not share."""
    return DISCORDANT * (BETWEEN_SEEDS + (1 - BETWEEN_SEEDS) / seeds)


def detectable_difference(space_group: Int[np.ndarray, " N"], structure_type: Shaped[np.ndarray, " N"], *,
                          discordant: float, within_type: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """The smallest true difference of balanced accuracy that is found with the probability `power`.

    Parameters
    ----------
    space_group, structure_type : of N materials, each once; balanced accuracy is the mean over groups
    discordant : share of the materials on which two classifiers differ
    within_type : correlation of the difference between materials of one structure type
    alpha, power : of a two-sided test
    """
    _, group, size = np.unique(space_group, return_inverse=True, return_counts=True)
    of_type = np.char.add(np.char.add(space_group.astype(str), " "), structure_type.astype(str))
    _, first, number = np.unique(of_type, return_index=True, return_counts=True)
    of_group = np.bincount(group[first], number * (1 + (number - 1) * within_type), minlength=len(size))
    error = np.sqrt(discordant * (of_group / size**2).sum()) / len(size)
    return float((norm.ppf(1 - alpha / 2) + norm.ppf(power)) * error)
