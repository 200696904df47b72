"""The light between the disks: what the disks spread around them, and what falls off from the middle."""

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage, optimize

from classifier.pattern.disk_lattice import pixel_vectors

SPREADS = (0.12, 0.25, 0.5, 1.0)  # of the disks' light, in radii
WIDTHS = (0.8, 1.6, 3.2, 6.4)  # of what falls off from the middle, in radii
ROUNDS = 3  # of least squares, each weighted by the noise that the one before expects
LEAST_PIXELS = 30


def background_between(light: Float[np.ndarray, "H H"], dark: Bool[np.ndarray, "H H"], radius: float,
                       middle: Float[np.ndarray, " 2"] | None) -> Float[np.ndarray, "H H"]:
    """The background everywhere, fitted to the places that no bright disk covers; no part of it is negative.

    In bright disks what they spread themselves is no background.

    Parameters
    ----------
    light, dark : mended pattern, and the places without bright disks
    radius : of the disks in pixels
    middle : about which the background falls off, in pixels, where it is known
    """
    if dark.sum() < LEAST_PIXELS:
        return np.full_like(light, np.percentile(light, 2))
    bright = np.where(dark, 0, light)
    columns = [np.ones_like(light), *(ndimage.gaussian_filter(bright, share * radius, truncate=3) for share in SPREADS)]
    if middle is not None:
        apart = ((pixel_vectors(len(light)) - middle) ** 2).sum(-1)
        columns += [1 / (1 + apart / (width * radius) ** 2) ** 1.5 for width in WIDTHS]
    design = np.stack([column[dark] for column in columns], 1)
    scale = np.maximum(np.sqrt((design**2).mean(0)), 1e-300)
    design, seen = design / scale, light[dark]
    expected = np.full(len(seen), max(seen.mean(), 1e-300))
    for _ in range(ROUNDS):
        weight = 1 / np.sqrt(expected)
        normal = (design * weight[:, None]).T @ (design * weight[:, None])
        right = (design * weight[:, None]).T @ (seen * weight)
        root = np.linalg.cholesky(normal + 1e-9 * np.trace(normal) * np.eye(len(normal)))
        share, _ = optimize.nnls(root.T, np.linalg.solve(root, right))
        expected = np.maximum(design @ share, 1e-3 * seen.mean() + 1e-300)
    share /= scale
    spread = slice(1, 1 + len(SPREADS))
    own = np.tensordot(share[spread], np.stack(columns[spread]), 1)
    return np.tensordot(share, np.stack(columns), 1) - np.where(dark, 0, own)
