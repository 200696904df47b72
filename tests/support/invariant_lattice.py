"""A lattice that a space group leaves as it is, of any shape that its crystal system lets free."""

import numpy as np

from classifier.crystal.spacegroup import rotations


def invariant_lattice(space_group: int, volume: float, shape: np.ndarray) -> np.ndarray:
    """Rows a, b, c [3, 3] in angstrom, a along x and b in the plane of x and y: the metric is the mean over
    the point group.

    shape [5]: logarithms of b/a and c/a, cosines of alpha, beta, gamma; what the group fixes is averaged away.
    """
    lengths = np.exp([0.0, *shape[:2]])
    cosines = np.eye(3)
    cosines[[1, 0, 0], [2, 2, 1]] = cosines[[2, 2, 1], [1, 0, 0]] = shape[2:]
    turned = rotations(space_group)
    metric = (turned.transpose(0, 2, 1) @ (np.outer(lengths, lengths) * cosines) @ turned).mean(axis=0)
    return np.linalg.cholesky(metric) * np.cbrt(volume / np.sqrt(np.linalg.det(metric)))
