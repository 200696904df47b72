"""Prototype filter: stacks as near to their group's real mean as real ones are, at random among these.

Boundary samples of DBG (arXiv 2605.01468) help when those far from the prototype of their class are filtered out, and
harm when they are not (CIFAR-100-LT 50.4 % against 47.0). The radius is ours: shared by all groups, from real stacks.
"""

import numpy as np

from cbedgan.synthesis.select.drawn_pool import DrawnPool, Score
from cbedgan.synthesis.select.real_features import RealFeatures


def prototype(pool: DrawnPool, real: RealFeatures, space_group: int, generator: np.random.Generator) -> Score:
    """The score of `DrawnPool.chosen`; where too few pass, the nearest of the others follow.

    Parameters
    ----------
    pool : of the group
    real, space_group : all training stacks, and the group
    generator : of the order of those that pass
    """
    distance = np.linalg.norm(pool.features - real.prototype(space_group), axis=1)
    fixed = np.where(distance <= real.radius, generator.random(len(distance)), -distance)
    return lambda rows: fixed
