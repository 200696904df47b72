"""The round aperture: incident directions that cover it, samples that tile it, interpolation from one to the other."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

RADIUS_OF_MEAN = 8.0  # samples along the aperture's radius when a mean over it is taken
RIM = 0.97  # where the outermost ring lies about, in units of the aperture's radius


class Directions(NamedTuple):
    """Incident directions over the unit disk, and the spline that goes with them.

    power, degree: of the spline, see `interpolation`.
    """

    nodes: Float[np.ndarray, "D 2"]
    power: int
    degree: int


def square_grid(across: int) -> Directions:
    """Square grid over the unit disk, `across` to its diameter, with a rim just outside it.

    A quarter turn maps the grid on itself, a third of a turn does not: it favours four-fold axes (`rings` does not).
    """
    line = (np.arange(-1, across + 1) - (across - 1) / 2) * 2 / across
    grid = np.stack(np.meshgrid(line, line, indexing="xy"), -1).reshape(-1, 2)
    return Directions(grid[np.hypot(grid[:, 0], grid[:, 1]) < 1 + 1.2 / across], power=3, degree=1)


def rings(number: int) -> Directions:
    """Rings of 12, 12, 24, 24, 36, ... directions: every turn by 30 degrees and every mirror line 15 degrees apart maps
    them on themselves, so that all axes and mirrors of crystals are treated alike, and exactly so.

    Radii crowd towards the rim, as nodes of an interpolation must. Every second ring is turned by half a step.
    """
    with_centre = number < 4  # more rings come near enough to the middle
    nodes = [np.zeros((int(with_centre), 2))]
    for ring in range(number):
        count = 12 * (ring // 2 + 1)
        angle = 2 * np.pi * (np.arange(count) + 0.5 * (ring % 2)) / count
        step = (ring + 1) / (number + 0.2) if with_centre else (ring + 0.5) / (number - 0.25)
        nodes.append(RIM * np.sin(np.pi / 2 * step) * np.stack([np.cos(angle), np.sin(angle)], -1))
    return Directions(np.concatenate(nodes), power=5, degree=2)


def aperture_samples(radius: float) -> tuple[Float[np.ndarray, "S 2"], Float[np.ndarray, " S"]]:
    """Unit squares that tile a disk of `radius`: their centres and their shares of the disk, summing to 1.

    A square on the rim counts by the part of it that lies inside.
    """
    half = int(np.ceil(radius + 0.5))
    line = np.arange(-half, half) + 0.5
    centres = np.stack(np.meshgrid(line, line, indexing="xy"), -1).reshape(-1, 2)
    share = np.clip(radius - np.hypot(centres[:, 0], centres[:, 1]) + 0.5, 0, 1)
    return centres[share > 0], share[share > 0] / share.sum()


def interpolation(directions: Directions, points: Float[np.ndarray, "S 2"]) -> Float[np.ndarray, "S D"]:
    """Weights of interpolation from the directions to points.

    Polyharmonic spline r^power with a polynomial of the degree: smooth along lines, exact at the nodes, and at home in
    a disk, where a product of one-dimensional splines would need the corners of the square as well.
    """
    return np.linalg.solve(spline_system(directions), spline_terms(directions, points).T)[:len(directions.nodes)].T


def spline_terms(directions: Directions, points: Float[np.ndarray, "S 2"]) -> Float[np.ndarray, "S terms"]:
    """The spline's functions at points: one around each direction, and those of the polynomial."""
    apart = ((points[:, None] - directions.nodes[None]) ** 2).sum(-1)
    degrees = [(total - y, y) for total in range(directions.degree + 1) for y in range(total + 1)]
    polynomial = np.stack([points[:, 0]**x * points[:, 1]**y for x, y in degrees], axis=1)
    return np.concatenate([apart ** (directions.power / 2), polynomial], axis=1)


def spline_system(directions: Directions) -> Float[np.ndarray, "terms terms"]:
    """The symmetric matrix whose solution are the weights: terms at the nodes, and no polynomial left over."""
    terms, count = spline_terms(directions, directions.nodes), len(directions.nodes)
    return np.block([[terms], [terms[:, count:].T, np.zeros((terms.shape[1] - count,) * 2)]])


def weights_of_mean(directions: Directions) -> Float[np.ndarray, " D"]:
    """Weights, summing to 1, that turn values at the directions into the mean of their spline over the disk.

    So the mean hardly depends on where they lie, as a plain one does: those near the rim stand for less area.
    """
    samples, share = aperture_samples(RADIUS_OF_MEAN)
    return share @ interpolation(directions, samples / RADIUS_OF_MEAN)
