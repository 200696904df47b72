"""How one quantity follows another over groups: rank correlation and smoothed mean, in replicates of the groups."""

import numpy as np
from jaxtyping import Float

from classifier.statistics.bootstrap import Bootstrap
from classifier.statistics.metrics import ratio


def rank_correlation(x: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"], drawn: Bootstrap
                     ) -> Float[np.ndarray, " R1"]:
    """Spearman's rho of x and y in each replicate, equal values sharing their ranks; NaN where one does not vary."""
    weights = drawn.times[:, drawn.code] * drawn.weight
    weights = weights / weights.sum(axis=1, keepdims=True)
    # A rank is the weight of what is smaller, and half of that of what is equal.
    ranks = [weights @ ((one[:, None] < one) + 0.5 * (one[:, None] == one)) - 0.5 for one in (x, y)]
    (xx, xy), (_, yy) = [[(weights * one * other).sum(axis=1) for other in ranks] for one in ranks]
    return ratio(xy, np.sqrt(np.where(np.minimum(xx, yy) > 1e-12, xx * yy, 0)))


def smoothed_mean(x: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"], at: Float[np.ndarray, " X"], width: float,
                  drawn: Bootstrap) -> Float[np.ndarray, "R1 X"]:
    """Mean of y near each place in each replicate, weighted by a Gaussian of x (Nadaraya 1964, Watson 1964).

    Parameters
    ----------
    x, y : of each sample
    at : places along x
    width : standard deviation of the Gaussian
    drawn : replicates
    """
    near = np.exp(-0.5 * ((x[:, None] - at) / width) ** 2)
    return ratio(drawn.sums(near * y[:, None]), drawn.sums(near))
