"""Conformal sets: so many answers that the true one is among them as often as was asked, in every kind of group."""

import numpy as np
from jaxtyping import Bool, Float, Int

from classifier.statistics.metrics import ratio


def least_probability(probability: Float[np.ndarray, "N K"], truth: Int[np.ndarray, " N"],
                      kind: Int[np.ndarray, " K"], coverage: float) -> Float[np.ndarray, " K"]:
    """Probability that a class must reach to be in the set, float64 [K]; 0 where too few samples can tell.

    Least ambiguous sets (Sadinle et al. 2019, arXiv 1609.00451), one quantile for each kind of class (clustered
    conformal prediction, Ding et al. 2023, arXiv 2306.09335, with kinds that are known beforehand). Of new samples
    drawn as these, the true class is in the set with at least this probability on average over each kind. A single
    class is promised nothing: that would need 1 / (1 - coverage) samples of it. A kind that has not so many shares the
    quantile of all samples.

    Parameters
    ----------
    probability, truth : of samples that nothing was fitted on, and their class_idx
    kind : of each class, from 0
    coverage : how often the true class is to be in the set
    """
    own, of = probability[np.arange(len(truth)), truth], kind[truth]
    everyone = _quantile(own, coverage)
    if everyone is None:
        return np.zeros(len(kind))
    each = [_quantile(own[of == number], coverage) for number in range(kind.max() + 1)]
    return np.array([everyone if one is None else one for one in each])[kind]


def coverage_by_kind(inside: Bool[np.ndarray, "N K"], truth: Int[np.ndarray, " N"], kind: Int[np.ndarray, " K"]
                     ) -> tuple[Float[np.ndarray, " M"], Float[np.ndarray, " M"]]:
    """How often the true class is in the set, and how many classes are: of each kind of true class."""
    of, count = kind[truth], kind.max() + 1
    covered, size = inside[np.arange(len(truth)), truth], inside.sum(axis=1)
    total = np.bincount(of, minlength=count).astype(float)
    covered, size = (np.bincount(of, values.astype(float), minlength=count) for values in (covered, size))
    return ratio(covered, total), ratio(size, total)


def _quantile(own: np.ndarray, coverage: float) -> float | None:
    """The probability that the true class reaches so often, with the finite-sample correction; None of too few."""
    place = int(np.floor((len(own) + 1) * (1 - coverage) + 1e-9)) - 1
    return float(np.sort(own)[place]) if place >= 0 else None
