"""How much a distortion adds to the difference between a pattern and its image under a symmetry that it loses."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch.nn.functional import grid_sample

WHOLE = 1 - 1e-3  # share of a pixel's image that must lie within the frame


def added_asymmetry(patterns: Float[np.ndarray, "n1 S S"], diffracted: Bool[np.ndarray, "S S"], turn: int,
                    azimuth_degree: float | None = None) -> Float[np.ndarray, " n1"]:
    """Relative L1 of (I_t - g I_t) - (I_0 - g I_0), where g turns or mirrors a pattern about its middle.

    The pattern at 0, the first, is its own image up to what upper Laue zones and the interpolation of its turned pixels
    leave; taken away, the least asymmetry shows. Pixels count that lie, with their image, in the frame and outside the
    direct disk.

    Parameters
    ----------
    patterns : of rising distortion, all in one pose
    diffracted : pixels outside the direct disk
    turn : order of the turn
    azimuth_degree : of a mirror line instead, from +x towards +y
    """
    change = torch.from_numpy(patterns - patterns[:1]).double()
    size = patterns.shape[-1]
    place = (torch.arange(size, dtype=torch.float64) + 0.5) * 2 / size - 1
    y, x = torch.meshgrid(place, place, indexing="ij")
    # A pixel's value in the image is that at the place which the operation takes to it: a line is its own inverse, and
    # a turn has as much asymmetry as its inverse.
    source = torch.stack((x, y), -1) @ torch.from_numpy(_matrix(turn, azimuth_degree)).T
    outside = torch.from_numpy(diffracted).double()
    both = torch.cat([change, outside[None], torch.ones_like(outside)[None]])
    image = grid_sample(both[:, None], source[None].expand(len(both), -1, -1, -1), align_corners=False)[:, 0]
    counted = (outside > 0) & (image[-1] > WHOLE) & (image[-2] > WHOLE)
    light = torch.from_numpy(patterns[0]).double()[counted].sum()
    return ((change - image[:-2]).abs()[:, counted].sum(1) / light).numpy()


def _matrix(turn: int, azimuth_degree: float | None) -> Float[np.ndarray, "2 2"]:
    """On columns (x, y), x towards higher columns and y towards higher rows."""
    if azimuth_degree is not None:
        double = np.radians(2 * azimuth_degree)
        return np.array([[np.cos(double), np.sin(double)], [np.sin(double), -np.cos(double)]])
    angle = 2 * np.pi / turn
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
