"""Which disk of a lattice is the direct one: bright, in the middle of the light, and with mates opposite each other."""

import numpy as np
from jaxtyping import Float

from classifier.pose.spots import Spots

LEAST_SEEN = 3.0  # deviations


def origin_features(found: Spots, basis: np.ndarray) -> Float[np.ndarray, "M 4"]:
    """For each disk as the direct one: what speaks for it, each feature about 0..1 or less."""
    light = np.where(found.intensity > LEAST_SEEN * found.deviation, found.intensity, 0)
    level = np.sqrt(np.maximum(light, 0))
    level = level / max(level.max(), 1e-300)
    low = found.index.min(axis=0)
    grid = np.zeros(found.index.max(axis=0) - low + 1)
    there = np.zeros_like(grid)
    grid[tuple((found.index - low).T)], there[tuple((found.index - low).T)] = level, 1
    # sums over pairs of opposite disks about every point
    def opposite(values, other):
        size = [2 * n - 1 for n in values.shape]
        return np.fft.irfft2(np.fft.rfft2(values, size) * np.fft.rfft2(other, size), size)
    both = opposite(grid, grid)
    mates = (opposite(grid**2, there) + opposite(there, grid**2)) / 2
    at = tuple((2 * (found.index - low)).T)
    own = level**2
    likeness = (both[at] - own) / np.maximum(mates[at] - own, 1e-9)
    coverage = (mates[at] - own) / max((level**2).sum(), 1e-9)
    centroid = (level[:, None] * found.place).sum(0) / level.sum()
    far = np.hypot(*(found.place - centroid).T) / np.sqrt(abs(np.linalg.det(basis)))
    return np.stack([np.log(np.maximum(own, 1e-3)), likeness * np.minimum(coverage * 3, 1), coverage, far], 1)
