"""Patterns drawn for tests: disks of a lattice with stated intensities, in canonical pose."""

from collections.abc import Callable

import numpy as np

from classifier.pattern.geometry import Detector

RADIUS = 0.4  # of the disks, in g1
DETECTOR = Detector(64, 1 / 16, "shortest_g")


def drawn(basis: np.ndarray, intensity: Callable[[int, int, np.ndarray, np.ndarray], np.ndarray | float], *,
          centre: tuple[float, float] = (0.0, 0.0), finer: int = 2) -> np.ndarray:
    """A pattern [64, 64] with disks of intensity(h, k, x, y) at h b1 + k b2; x, y from the middle of the disk, in g1.

    centre: of the direct disk, in pixels.
    """
    places = (np.arange(64 * finer) + 0.5) / (16 * finer) - 2
    x, y = np.meshgrid(places - centre[0] / 16, places - centre[1] / 16)
    light = np.zeros_like(x)
    for h in range(-3, 4):
        for k in range(-3, 4):
            own_x, own_y = x - (h * basis[0] + k * basis[1])[0], y - (h * basis[0] + k * basis[1])[1]
            light += np.where(np.hypot(own_x, own_y) < RADIUS, intensity(h, k, own_x, own_y), 0)
    pattern = light.reshape(64, finer, 64, finer).mean((1, 3))
    return (pattern / pattern.sum()).astype(np.float32)


def counted(pattern: np.ndarray, electrons: float, seed: int = 0) -> np.ndarray:
    """The pattern with as many electrons counted in it, as shares again."""
    return (np.random.default_rng(seed).poisson(pattern * electrons) / electrons).astype(np.float32)


def four_mm(h: int, k: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Disks of a square lattice with 4mm: they depend on the distance from the middle of the pattern."""
    return np.exp(-1.2 * np.hypot(h + x, k + y)) * (1 + 0.4 * np.cos(6 * np.hypot(h + x, k + y)))


def glide(h: int, k: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Disks of a rectangular lattice with 2mm, those with odd h and k = 0 dark along the row."""
    strong = np.exp(-np.abs(h) - 1.3 * np.abs(k)) * np.ones_like(x)
    return 0.3 * strong * (y / RADIUS) ** 2 if h % 2 and k == 0 else strong
