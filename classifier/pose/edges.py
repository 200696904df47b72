"""The lattice that best explains the edges of all disks: position, basis, radius, and how far they may be wrong."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from classifier.crystal.reciprocal import Basis
from classifier.pattern.disk_lattice import nearest_lattice_point, number_pairs, pixel_vectors

SOFTNESS = (0.5, 0.35, 0.25, 0.2, 0.15, 0.15, 0.15)  # widths of the edge, in radii, from the first step to the last
LEAST_SOFTNESS = 2.5  # pixels
INSIDE, AROUND = 0.5, 0.35  # of a radius: rings on both sides of an edge that tell how bright it is there
RIDGE = 0.1  # of how freely the brightness along an edge may change
STRAY = 0.25  # of a radius: the longest step
FIRM = 0.15  # of the height of an edge: what its model may leave


class EdgeFit(NamedTuple):
    """In pixels: basis, a lattice point, radius; their covariance [7, 7] as (x, y, b1, b2, radius).

    contrast: [disks] by how many deviations each disk's edge shows; index: [disks, 2], of these from the origin.
    """

    basis: Basis
    origin: Float[np.ndarray, " 2"]
    radius: float
    covariance: Float[np.ndarray, "7 7"]
    contrast: Float[np.ndarray, " disks"]
    index: np.ndarray


def fit_edges(level: Float[np.ndarray, "H H"], basis: Basis, origin: Float[np.ndarray, " 2"], radius: float
              ) -> EdgeFit | None:
    """Fit by Gauss and Newton's method; None where it strays or has no edges.

    The brightness on both sides may change along each edge: disks are often dark on one side, or crossed by lines.

    Parameters
    ----------
    level : the pattern, stabilised
    basis, origin, radius : about, in pixels
    """
    vectors, start, fit = pixel_vectors(level.shape[-1]), radius, None
    for share in SOFTNESS:
        softness = max(share * radius, LEAST_SOFTNESS)
        index, distance = nearest_lattice_point(vectors - origin, basis)
        near = distance < (1 + AROUND) * radius + softness / 2
        near &= distance > max(min(INSIDE * radius, radius - softness), 0.1)
        index, distance, values = index[near], distance[near], level[near]
        off = vectors[near] - origin - index @ basis
        number, first = _numbers(index)
        outward = off / distance[:, None]
        inner = _along_edges(values, number, outward, distance / radius - 1, distance < radius - softness / 2, 2)
        outer = _along_edges(values, number, outward, None, distance > radius + softness / 2, 1)
        contrast = _contrast(values, number, distance - radius, softness)
        height = np.maximum(inner - outer, 0)
        edge = (np.abs(distance - radius) < softness / 2) & np.isfinite(height) & (contrast[number] > 3)
        if edge.sum() < 30:
            return None
        height, outward, index = height[edge], outward[edge], index[edge]
        left = values[edge] - outer[edge] - height * (0.5 + (radius - distance[edge]) / softness)
        weight = 1 / np.sqrt(1 + (FIRM * height) ** 2)
        design = (height / softness * weight)[:, None] * np.column_stack([
            outward, index[:, :1] * outward, index[:, 1:] * outward, np.ones(len(height))])
        left = left * weight
        spread = max(1.4826 * float(np.median(np.abs(left))), 1.0)
        calm = np.minimum(1, 3 * spread / np.maximum(np.abs(left), 1e-9))[:, None]
        normal = (design * calm).T @ design
        step = np.linalg.lstsq(normal, (design * calm).T @ left, rcond=1e-9)[0]
        step = np.clip(step, -STRAY * radius, STRAY * radius)
        origin, basis, radius = origin + step[:2], basis + step[2:6].reshape(2, 2), float(radius + step[6])
        if not 0.5 * start < radius < 1.8 * start or abs(np.linalg.det(basis)) < 2 * radius**2:
            return None
        fit = EdgeFit(basis, origin, radius, _inverse(normal) * spread**2, contrast, first)
    return fit


def _inverse(normal: np.ndarray) -> np.ndarray:
    """Inverse of a matrix of normal equations; what they leave open is uncertain, not 0 as in a pseudo-inverse."""
    size, axes = np.linalg.eigh(normal)
    return axes / np.maximum(size, 1e-9 * size[-1]) @ axes.T


def _numbers(index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Consecutive numbers of the lattice points [pixels], and the index pair of each number."""
    pairs, number = np.unique(number_pairs(index), return_inverse=True)
    first = np.zeros((len(pairs), 2), dtype=np.int64)
    first[number] = index
    return number, first


def _along_edges(values: np.ndarray, number: np.ndarray, outward: np.ndarray, beyond: np.ndarray | None,
                 chosen: np.ndarray, order: int) -> np.ndarray:
    """Brightness of the chosen ring of each disk, at all pixels: a Fourier series of the azimuth; NaN: unknown.

    Where `beyond` is given, a slope towards the edge is part of it.
    """
    angle = np.arctan2(outward[:, 1], outward[:, 0])
    waves = [wave(k * angle) for k in range(1, order + 1) for wave in (np.cos, np.sin)]
    terms = np.stack([np.ones_like(angle), *waves], 1)
    if beyond is not None:
        terms = np.concatenate([terms, terms[:, :3] * beyond[:, None]], axis=1)
    count, n, own, seen = number.max() + 1, number[chosen], terms[chosen], values[chosen]
    size = terms.shape[1]
    normal = np.zeros((count, size, size))
    right = np.zeros((count, size))
    for i in range(size):
        right[:, i] = np.bincount(n, own[:, i] * seen, count)
        for j in range(i + 1):
            normal[:, i, j] = normal[:, j, i] = np.bincount(n, own[:, i] * own[:, j], count)
    area = normal[:, 0, 0].copy()
    mean = right[:, 0] / np.maximum(area, 1)
    right -= normal[:, 0] * mean[:, None]
    normal += np.diag([1e-9] + [RIDGE] * (size - 1)) * np.maximum(1, 0.05 * area)[:, None, None]
    solution = np.linalg.solve(normal, right[..., None])[..., 0]
    solution[:, 0] += mean
    solution[area < 5] = np.nan
    return (terms * solution[number]).sum(1)


def _contrast(values: np.ndarray, number: np.ndarray, beyond: np.ndarray, softness: float) -> np.ndarray:
    """By how many deviations the ring inside each edge is brighter than the one around it."""
    count = number.max() + 1
    means, areas = [], []
    for side in (beyond < -softness / 4, beyond > softness / 4):
        areas.append(np.maximum(np.bincount(number[side], minlength=count), 1))
        means.append(np.bincount(number[side], values[side], count) / areas[-1])
    few = np.minimum(*areas) < 5
    return np.where(few, 0, (means[0] - means[1]) / np.sqrt(1 / areas[0] + 1 / areas[1]))
