"""The canonical pose of a measured pattern: which of its disks are lit, how brightly, and which g is the shortest.

The reciprocal net is known (cell, zone axis, energy) or found in the image; both ways end in the one rule,
`geometry.shortest_visible_g`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from classifier.disk_lattice import find_disk_lattice, nearest_net_point, number_pairs, pixel_vectors
from classifier.errors import InputError
from classifier.geometry import Detector, Pose, shortest_visible_g
from classifier.reciprocal import reduced_net

LARGEST_INDEX = 8  # of the lit sublattice in the net of a conventional cell: diamond along [001] reaches 8
JUDGED_PIXELS = 8000  # enough to tell a lit disk from a dark place; more would only take time


def pose_from_lattice(pattern: np.ndarray, detector: Detector, *, net: np.ndarray, disk_radius: float, visible: float,
                      tie: float, centre: np.ndarray = (0.0, 0.0)) -> Pose:
    """Pose of one pattern [H, W] whose reciprocal net is known, from the mean intensities of its disks.

    net: rows b1, b2 as (k_x, k_y), float64 [2, 2]; disk_radius, centre: all in detector units. Absent reflections,
    whose places overlapping neighbours may cover in part, are found by their dark parts. InputError when no diffracted
    disk lies in the frame.
    """
    pattern, scale = np.maximum(np.asarray(pattern, dtype=np.float64), 0), detector.pixel_size
    middle, radius = np.asarray(centre, dtype=np.float64) / scale, disk_radius / scale
    vectors = pixel_vectors(pattern.shape[-1]) - middle
    lit = _lit_sublattice(pattern, vectors, reduced_net(net) / scale, radius, visible)
    g, intensity = _disk_intensities(pattern, vectors, lit, radius)
    return Pose(shortest_visible_g(g, intensity, visible=visible, tie=tie) * scale, middle * scale)


def lit_net(pattern: np.ndarray, detector: Detector, *, net: np.ndarray, disk_radius: float, visible: float,
            centre: np.ndarray = (0.0, 0.0)) -> np.ndarray:
    """The net [2, 2] of the reflections that are not systematically absent, arguments as in pose_from_lattice."""
    pattern, scale = np.maximum(np.asarray(pattern, dtype=np.float64), 0), detector.pixel_size
    vectors = pixel_vectors(pattern.shape[-1]) - np.asarray(centre, dtype=np.float64) / scale
    return _lit_sublattice(pattern, vectors, reduced_net(net) / scale, disk_radius / scale, visible) * scale


def pose_from_image(pattern: np.ndarray, detector: Detector, *, visible: float, tie: float,
                    disk_radius: float | None = None, centre: np.ndarray = (0.0, 0.0)) -> Pose:
    """Pose of one pattern [H, W] from the image alone; the direct disk is the lattice disk nearest to `centre`.

    disk_radius and centre are in detector units; the radius is measured when it is not given. InputError when the
    pattern shows no lattice of at least four whole disks.
    """
    net, middle, radius = find_disk_lattice(pattern, detector, disk_radius=disk_radius, centre=centre)
    return pose_from_lattice(pattern, detector, net=net, disk_radius=radius, visible=visible, tie=tie, centre=middle)


def _lit_sublattice(pattern: np.ndarray, vectors: np.ndarray, net: np.ndarray, radius: float,
                    visible: float) -> np.ndarray:
    """The sparsest sublattice of `net`, reduced [2, 2], in pixels, whose disks leave no other disk lit.

    A net point outside the sublattice is lit when the median intensity of its disk, apart from what disks of the
    sublattice cover, reaches `visible` times the brightest diffracted disk.
    """
    reach = 3.0 * np.sqrt(LARGEST_INDEX) * np.hypot(*net[1])
    near = np.hypot(vectors[..., 0], vectors[..., 1]) < max(reach, 4 * radius)
    stride = max(1, int(np.ceil(np.sqrt(near.sum() / JUDGED_PIXELS))))
    vectors, pattern, near = (values[::stride, ::stride] for values in (vectors, pattern, near))
    vectors, intensity = vectors[near], pattern[near]
    intensity = intensity - np.percentile(intensity, 5)
    index, distance = nearest_net_point(vectors, net)
    number = number_pairs(index)
    for sublattice in _sublattices(net):
        sub_index, sub_distance = nearest_net_point(vectors, sublattice)
        sub_number, inside = number_pairs(sub_index), sub_distance <= radius
        diffracted = inside & sub_index.any(axis=-1)
        left_over = (distance <= radius) & (sub_distance > radius + 1)
        brightest = _of_each(ndimage.mean, intensity[diffracted], sub_number[diffracted])
        others = _of_each(ndimage.median, intensity[left_over], number[left_over])
        if len(brightest) and (not len(others) or others.max() < visible * brightest.max()):
            return sublattice
    return net


def _sublattices(net: np.ndarray) -> list[np.ndarray]:
    """All sublattices of a net, reduced [2, 2], sparsest first, up to LARGEST_INDEX (Hermite normal forms)."""
    return [reduced_net(np.array([[size // step, shift], [0, step]]) @ net)
            for size in range(LARGEST_INDEX, 0, -1)
            for step in range(1, size + 1) if size % step == 0
            for shift in range(step)]


def _of_each(measure: Callable, values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """A measure of `values` [n] in every group of at least three, float64 [number of such groups]."""
    names, counts = np.unique(group, return_counts=True)
    return np.atleast_1d(measure(values, group, names[counts >= 3])) if (counts >= 3).any() else np.zeros(0)


def _disk_intensities(pattern: np.ndarray, vectors: np.ndarray, net: np.ndarray,
                      radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Diffracted g [M, 2] in pixels and the mean intensity [M] of their disks, where at least half is in the frame.

    A pixel that two disks share belongs to the nearer one.
    """
    index, distance = nearest_net_point(vectors, net)
    inside = distance <= radius
    number, index, intensity = number_pairs(index)[inside], index[inside], pattern[inside]
    names, first, counts = np.unique(number, return_index=True, return_counts=True)
    mean = np.bincount(number, intensity)[names] / counts - np.percentile(pattern, 5)
    kept = (counts >= 0.5 * counts.max()) & index[first].any(axis=-1)
    if not kept.any():
        raise InputError(source="canonical pose", rule="the frame must hold at least half of one diffracted disk",
                         value=f"shortest |g| {np.hypot(*net[0]):.1f} pixels, frame {len(pattern)} pixels",
                         remedy="Use a wider field, or keep the pattern in raw pose.")
    return index[first][kept] @ net, mean[kept]
