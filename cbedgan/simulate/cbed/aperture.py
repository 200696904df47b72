"""The round aperture: incident directions that cover it, samples that tile it, interpolation from one to the other."""

import numpy as np
from jaxtyping import Float

RADIUS_OF_MEAN = 8.0  # samples along the aperture's radius when a mean over it is taken


def incident_directions(across: int) -> Float[np.ndarray, "D 2"]:
    """Square grid over the unit disk, `across` to its diameter, with a rim just outside it."""
    line = (np.arange(-1, across + 1) - (across - 1) / 2) * 2 / across
    grid = np.stack(np.meshgrid(line, line, indexing="xy"), -1).reshape(-1, 2)
    return grid[np.hypot(grid[:, 0], grid[:, 1]) < 1 + 1.2 / across]


def aperture_samples(radius: float) -> tuple[Float[np.ndarray, "S 2"], Float[np.ndarray, " S"]]:
    """Unit squares that tile a disk of `radius`: their centres and their shares of the disk, summing to 1.

    A square on the rim counts by the part of it that lies inside.
    """
    half = int(np.ceil(radius + 0.5))
    line = np.arange(-half, half) + 0.5
    centres = np.stack(np.meshgrid(line, line, indexing="xy"), -1).reshape(-1, 2)
    share = np.clip(radius - np.hypot(centres[:, 0], centres[:, 1]) + 0.5, 0, 1)
    return centres[share > 0], share[share > 0] / share.sum()


def interpolation(nodes: Float[np.ndarray, "D 2"], points: Float[np.ndarray, "S 2"]) -> Float[np.ndarray, "S D"]:
    """Weights of cubic interpolation from nodes to points.

    Polyharmonic spline r^3 with a linear polynomial: cubic along lines, exact at the nodes, and at home in a disk,
    where a product of one-dimensional splines would need the corners of the square as well.
    """
    def distance_cubed(first: np.ndarray) -> np.ndarray:
        apart = first[:, None] - nodes[None]
        return (apart**2).sum(-1) ** 1.5

    def linear(first: np.ndarray) -> np.ndarray:
        return np.concatenate([np.ones((len(first), 1)), first], axis=1)

    system = np.block([[distance_cubed(nodes), linear(nodes)], [linear(nodes).T, np.zeros((3, 3))]])
    wanted = np.concatenate([distance_cubed(points), linear(points)], axis=1)
    return np.linalg.solve(system, wanted.T)[:len(nodes)].T


def weights_of_mean(nodes: Float[np.ndarray, "D 2"]) -> Float[np.ndarray, " D"]:
    """Weights, summing to 1, that turn values at nodes into the mean of their spline over the disk.

    So the mean hardly depends on where the nodes lie, as a plain one does: those near the rim stand for less area.
    """
    samples, share = aperture_samples(RADIUS_OF_MEAN)
    return share @ interpolation(nodes, samples / RADIUS_OF_MEAN)
