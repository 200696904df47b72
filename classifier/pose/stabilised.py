"""A measured pattern made ready for searching: faulty pixels mended, and a scale on which noise is alike everywhere."""

import numpy as np
from jaxtyping import Float, Real
from scipy import ndimage

MODEL_ERROR = 0.1  # of an intensity: what counts as noise however many electrons there are
MOST_COUNTS = 1e7  # in the brightest pixel; beyond, nothing is seen of the noise
# In a frame: with more, the fringes within disks would pass for disks. Of 30 tilted frames at 1e7 electrons of the beam
# 22 had the right lattice without this, 26 with 1e6, 28 with this; at 1e6 electrons 29 whatever it is.
MOST_ELECTRONS = 3e5
BLOCK = 8  # pixels: the side of the squares in which noise is compared with light
HOT = 6.0  # deviations by which a faulty pixel leaves its neighbours' range
NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=bool)


def mended(pattern: Real[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    """The pattern, not negative, with pixels that leave the range of their neighbours put back to their median.

    Counting lets a pixel leave the range a little: six deviations of the greatest, or the least, neighbour are free.
    """
    light = np.maximum(np.asarray(pattern, dtype=np.float64), 0)
    ordered = [ndimage.rank_filter(light, rank, footprint=NEIGHBOURS, mode="mirror") for rank in (1, 3, 6)]
    second_least, middle, second_most = ordered
    one = 1 / counts_per_unit(light)
    hot = light > 1.5 * second_most + HOT * np.sqrt((second_most + one) * one)
    dead = light < 0.67 * second_least - HOT * np.sqrt((second_least + one) * one)
    return np.where(hot | dead, middle, light)


def counts_per_unit(light: Float[np.ndarray, "H W"]) -> float:
    """How many electrons a unit of intensity stands for, told by the noise, which has the variance of the mean.

    The mixed second differences of a smooth pattern are hardly anything but noise.
    """
    difference = ndimage.convolve1d(ndimage.convolve1d(light, [1.0, -2.0, 1.0], axis=0), [1.0, -2.0, 1.0], axis=1) / 6

    def blocks(values: np.ndarray) -> np.ndarray:
        rows, columns = (length // BLOCK for length in values.shape)
        return values[:rows * BLOCK, :columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK).mean((1, 3))

    mean, variance = blocks(light), blocks(difference**2)
    seen = mean > 0.05 * np.median(mean)
    ratio = float(np.median(variance[seen] / mean[seen])) if seen.any() else 0.0
    return 1 / max(ratio, light.max() / MOST_COUNTS, np.finfo(np.float64).tiny)


def stabilised(light: Float[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    """Intensities on a scale of deviations: noise, and a stated share of the intensity that no model explains, are 1.

    The square root of few counts (Anscombe 1948), the logarithm of many. From MOST_ELECTRONS on the scale stays as it
    is with so many: what is no noise then is structure within disks.
    """
    unit = counts_per_unit(light)
    counts = np.sqrt(light * unit + 3 / 8)
    damped = np.sqrt(MOST_ELECTRONS / max(float(light.sum()) * unit, MOST_ELECTRONS))
    return damped * 2 / MODEL_ERROR * np.arcsinh(MODEL_ERROR * counts)
