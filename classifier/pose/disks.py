"""Places of a pattern that are brighter than the ring around them, as disks of one radius are."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import ndimage, signal

RING = 1.4  # outer radius of the ring around a disk, in the disk's radius
LEAST_DEVIATIONS = 5.0  # by which a disk must be brighter
SURE_DEVIATIONS = 25.0  # from which on a disk counts fully
LEAST_IN_FRAME = 0.7  # of a disk


class DiskPlaces(NamedTuple):
    """Centres in pixels from the middle of the frame, (x, y), and how sure each disk is, 0..1."""

    place: Float[np.ndarray, "n 2"]
    weight: Float[np.ndarray, " n"]


def response(level: Float[np.ndarray, "H H"], radius: float) -> tuple[np.ndarray, np.ndarray]:
    """By how many deviations each place is brighter than its ring; the share of its disk that lies in the frame."""
    reach = int(np.ceil(RING * radius)) + 1
    offsets = np.arange(-reach, reach + 1)
    distance = np.hypot(offsets[None, :], offsets[:, None])
    disk = np.clip(radius + 0.5 - distance, 0, 1)
    ring = np.clip(RING * radius + 0.5 - distance, 0, 1) - disk
    ones = np.ones_like(level)
    level = level - level.mean()
    sums = [signal.fftconvolve(values, template, mode="same") for template in (disk, ring) for values in (level, ones)]
    inside, area, around, ring_area = sums
    area, ring_area = np.maximum(area, 1.0), np.maximum(ring_area, 1.0)
    return (inside / area - around / ring_area) / np.sqrt(1 / area + 1 / ring_area), area / disk.sum()


def disk_places(level: Float[np.ndarray, "H H"], radius: float) -> DiskPlaces:
    """Disks of this radius in pixels, the surest first."""
    deviations, share = response(level, radius)
    window = 2 * int(0.6 * radius) + 1
    top = (deviations == ndimage.maximum_filter(deviations, window)) & (deviations > LEAST_DEVIATIONS)
    row, column = np.nonzero(top & (share > LEAST_IN_FRAME))
    inner = (row > 0) & (row < len(level) - 1) & (column > 0) & (column < len(level) - 1)
    row, column = row[inner], column[inner]
    order = np.argsort(-deviations[row, column])
    row, column = row[order], column[order]
    shift = [_parabola_top(deviations[row - dr, column - dc], deviations[row, column],
                           deviations[row + dr, column + dc]) for dr, dc in ((0, 1), (1, 0))]
    place = np.stack([column + shift[0], row + shift[1]], axis=1) - level.shape[-1] / 2 + 0.5
    return DiskPlaces(place, np.minimum(deviations[row, column] / SURE_DEVIATIONS, 1))


def _parabola_top(before: np.ndarray, at: np.ndarray, after: np.ndarray) -> np.ndarray:
    curvature = np.maximum(2 * at - before - after, 1e-12 + 1e-9 * np.abs(at))
    return np.clip((after - before) / (2 * curvature), -0.5, 0.5)
