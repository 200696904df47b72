"""Plane lattices that places of disks may form: differences of places are tried in pairs, the best by far first."""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from classifier.crystal.reciprocal import Basis, reduced_basis
from classifier.pattern.disk_lattice import nearest_lattice_point
from classifier.pose.disks import DiskPlaces

MOST_PLACES = 24  # the surest ones, whose differences are tried
MOST_VECTORS = 16  # differences that occur most
ORIGINS = 4  # places that are tried as a point of the lattice
CLOSEST = 1.5  # lattice points, in radii of disks: closer disks would be one
TOLERANCE = 0.3  # of a place from its lattice point, in radii
OFF_LATTICE, EMPTY = 1.0, 0.15  # what a place beside the lattice costs, and a lattice point in the frame without a disk


class Hypothesis(NamedTuple):
    """A lattice in pixels, a point of it (x, y) from the middle of the frame, and how much speaks for it."""

    basis: Basis
    origin: Float[np.ndarray, " 2"]
    score: float


def hypotheses(disks: DiskPlaces, radius: float, size: int, most: int = 3) -> list[Hypothesis]:
    """The likeliest lattices, the best first; none where no two differences span one.

    Parameters
    ----------
    disks : places and how sure they are
    radius : of the disks, in pixels
    size : of the frame, in pixels
    most : hypotheses, of different lattices
    """
    place, weight = disks.place[:MOST_PLACES], disks.weight[:MOST_PLACES]
    vectors = _frequent_differences(place, weight, radius)
    tolerance = max(TOLERANCE * radius, 1.0)
    tried: list[Hypothesis] = []
    for i, j in combinations(range(len(vectors)), 2):
        area = abs(vectors[i][0] * vectors[j][1] - vectors[i][1] * vectors[j][0])
        if area <= 0.2 * np.hypot(*vectors[i]) * np.hypot(*vectors[j]):
            continue
        basis = reduced_basis(vectors[[i, j]])
        if np.hypot(*basis[0]) < CLOSEST * radius:
            continue
        for origin in place[:ORIGINS]:
            on = nearest_lattice_point(disks.place - origin, basis)[1] < tolerance
            points = (size - 1.4 * radius) ** 2 / area
            score = disks.weight[on].sum() - OFF_LATTICE * disks.weight[~on].sum() - EMPTY * max(points - on.sum(), 0)
            tried.append(Hypothesis(basis, origin, float(score)))
    chosen: list[Hypothesis] = []
    for one in sorted(tried, key=lambda one: -one.score):
        if len(chosen) == most:
            break
        refined = _refined(one, disks, tolerance)
        if refined is not None and not any(_same(refined, other, radius) for other in chosen):
            chosen.append(refined)
    return chosen


def _frequent_differences(place: np.ndarray, weight: np.ndarray, radius: float) -> np.ndarray:
    """Differences of places [n, 2], x >= 0, those that occur often and are short first."""
    i, j = np.triu_indices(len(place), 1)
    apart = place[j] - place[i]
    apart = np.where((apart[:, :1] < 0) | ((apart[:, :1] == 0) & (apart[:, 1:] < 0)), -apart, apart)
    value = np.sqrt(weight[i] * weight[j])
    far = np.hypot(*apart.T) >= CLOSEST * radius
    apart, value = apart[far], value[far]
    if len(apart) == 0:
        return np.zeros((0, 2))
    alike = np.minimum(np.hypot(*(apart[:, None] - apart).transpose(2, 0, 1)),
                       np.hypot(*(apart[:, None] + apart).transpose(2, 0, 1))) < max(0.35 * radius, 1.0)
    often = alike @ value / np.sqrt(np.hypot(*apart.T))
    chosen = []
    free = np.ones(len(apart), dtype=bool)
    while free.any() and len(chosen) < MOST_VECTORS:
        best = int(np.argmax(np.where(free, often, -1)))
        group = alike[best]
        sign = np.sign(apart[group] @ apart[best])[:, None]
        chosen.append((sign * apart[group] * value[group, None]).sum(0) / value[group].sum())
        free &= ~group
    return np.array(chosen)


def _refined(one: Hypothesis, disks: DiskPlaces, tolerance: float) -> Hypothesis | None:
    """The lattice fitted to its places by least squares; None where they do not span it."""
    basis, origin = one.basis, one.origin
    for shrink in (1.0, 1.0, 0.7):
        index, off = nearest_lattice_point(disks.place - origin, basis)
        good = off < tolerance * shrink
        design = np.column_stack([index, np.ones(len(index))])[good] * disks.weight[good, None]
        if np.linalg.matrix_rank(design) < 3:
            return None
        solution = np.linalg.lstsq(design, disks.place[good] * disks.weight[good, None], rcond=None)[0]
        basis = reduced_basis(solution[:2])
        origin = solution[2]
    return Hypothesis(basis, origin, one.score)


def _same(one: Hypothesis, other: Hypothesis, radius: float) -> bool:
    index = one.basis @ np.linalg.inv(other.basis)
    off = nearest_lattice_point(one.origin - other.origin, other.basis)[1]
    return bool(abs(abs(np.linalg.det(index)) - 1) < 0.1 and np.abs(index - np.round(index)).max() < 0.15
                and off < 0.5 * radius)
