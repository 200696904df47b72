"""From which distortion on patterns themselves differ: beyond a bar, and beyond what counting electrons hides."""

import numpy as np
from jaxtyping import Bool, Float


def difference(stacks: Float[np.ndarray, "N 3 S S"], undistorted: Float[np.ndarray, "3 S S"],
               diffracted: Bool[np.ndarray, "3 S S"]) -> Float[np.ndarray, " N"]:
    """Relative L1 between the diffracted disks, the greatest of the three axes: what [distinct] counts, on pixels."""
    seen = undistorted.astype(np.float64) * diffracted
    return ((np.abs(stacks - seen) * diffracted).sum((2, 3)) / seen.sum((1, 2))).max(axis=1)


def significance(stacks: Float[np.ndarray, "N 3 S S"], undistorted: Float[np.ndarray, "3 S S"], dose: float
                 ) -> Float[np.ndarray, " N"]:
    """In how many standard deviations counts tell a distorted crystal from the undistorted one, both being known.

    dose: incident electrons of each of the three patterns. The counts n of the pixels are Poisson with means
    a = dose I_0 or b = dose I_t. The sum over pixels of w n with w = (b - a) / m, m = (a + b) / 2, differs in the mean
    by sum w (b - a) = sum (b - a)^2 / m. Its variance is sum w^2 a or sum w^2 b, in the mean sum w^2 m, which is the
    same number; so that the difference is sqrt(sum (b - a)^2 / m) standard deviations. Weights w are the best ones
    to first order in b - a (a matched filter): no classifier sees more in noise.
    """
    a, b = undistorted.astype(np.float64), stacks.astype(np.float64)
    mean = (a + b) / 2
    return np.sqrt(dose * np.where(mean > 0, (b - a)**2 / np.maximum(mean, 1e-300), 0).sum(axis=(1, 2, 3)))


def reached(distortion: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"], bar: float) -> float:
    """The least distortion at which what grows with it reaches a bar, inf where it does not.

    Between the rising distortions a power law is taken; before the first one, growth in proportion.
    """
    above = np.flatnonzero(values >= bar)
    if not len(above):
        return float("inf")
    k = int(above[0])
    if k == 0:
        return float(distortion[0] * bar / values[0])
    low = max(float(values[k - 1]), 1e-12 * bar)
    share = np.log(bar / low) / np.log(values[k] / low)
    return float(distortion[k - 1] * (distortion[k] / distortion[k - 1])**share)


def outside_direct_disk(size: int, half_width: float, aperture_radius: float) -> Bool[np.ndarray, "{size} {size}"]:
    """Pixels of a frame that the direct disk does not reach, lengths in one unit."""
    place = (np.arange(size) - size / 2 + 0.5) * 2 * half_width / size
    return np.hypot(place[:, None], place) > aperture_radius + half_width / size
