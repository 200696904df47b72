"""The kernel distance (KID) between two sets of features, exact over all pairs, with an interval over materials."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cbedgan.fidelity.halves import Halvings
from classifier.statistics.bootstrap import draw_times
from classifier.statistics.significance import Interval


class UnitFeatures(NamedTuple):
    """Features of n samples; unit: the material, or the pair of materials of one class, that each belongs to."""

    f: Float[Tensor, "n F"]
    unit: Int[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class UnitKernel:
    """Sums of the kernel over the samples of each pair of materials, and the numbers of samples of each.

    Materials, not samples, are independent: energies of one material are near each other whoever made them.
    """

    sums: Float[np.ndarray, "U V"]
    rows: Float[np.ndarray, " U"]
    columns: Float[np.ndarray, " V"]

    @classmethod
    def between(cls, one: UnitFeatures, other: UnitFeatures) -> "UnitKernel":
        """Kernel (x.y / F + 1)^3 (Binkowski et al. 2018, arXiv 1801.01401) of two sets of features."""
        values = (one.f.double() @ other.f.double().T / one.f.shape[1] + 1) ** 3
        first, second = (np.unique(each.unit, return_inverse=True)[1] for each in (one, other))
        by_row = torch.zeros(first.max() + 1, values.shape[1], dtype=torch.float64)
        by_row.index_add_(0, torch.from_numpy(first), values)
        sums = torch.zeros(len(by_row), second.max() + 1, dtype=torch.float64)
        sums.index_add_(1, torch.from_numpy(second), by_row)
        return cls(sums.numpy(), np.bincount(first).astype(float), np.bincount(second).astype(float))

    def apart(self, times: np.ndarray) -> np.ndarray:
        """Mean [R] over all pairs but those on the diagonal, of materials that are there `times` [R, U] over."""
        total = ((times @ self.sums) * times).sum(1) - times**2 @ np.diagonal(self.sums)
        pairs = (times @ self.rows) * (times @ self.columns) - times**2 @ (self.rows * self.columns)
        return np.divide(total, pairs, out=np.full(len(times), np.nan), where=pairs > 0)


def kid(made: UnitFeatures, reference: UnitFeatures, *, replicates: int, seed: int) -> dict[str, float] | None:
    """KID of generated features, unbiased, with its 95 % interval; None for too few materials.

    Units are pairs of materials of one class. Both sets so hold every class alike often, and leaving out what lies
    within a pair, also across the sets (eq. 4 of Gretton et al. 2012, JMLR 13, 723), leaves every mean the same share
    of pairs of one class. The interval resamples pairs.

    Parameters
    ----------
    made, reference : features of generated and of real samples
    replicates : of the interval
    seed : of their draw
    """
    values = kid_values(made, reference, replicates=replicates, seed=seed)
    return None if values is None else Interval.of(values).content()


def kid_values(made: UnitFeatures, reference: UnitFeatures, *, replicates: int, seed: int
               ) -> Float[np.ndarray, " R1"] | None:
    """The KID and, behind it, that of each replicate of the interval; parameters as of `kid`."""
    if len(np.unique(made.unit)) < 2:
        return None
    kernels = [UnitKernel.between(*pair) for pair in ((made, made), (reference, reference), (made, reference))]
    times = draw_times(len(kernels[0].rows), replicates, np.random.default_rng([seed, 2]))
    own, theirs, mixed = (kernel.apart(times) for kernel in kernels)
    return own + theirs - 2 * mixed


def kid_floor(real: UnitFeatures, halvings: Halvings) -> dict[str, float] | None:
    """KID between the halves of real features, over all halvings: mean and 95th percentile.

    The mean is about zero, as the KID is unbiased; what real halves of this size show by chance is the percentile.
    """
    values = floor_values(real, halvings)
    return None if values is None else chance(values)


def chance(values: Float[np.ndarray, " H"]) -> dict[str, float]:
    """Mean and 95th percentile of `floor_values`, or of their mean over classifiers."""
    return {"mean": float(values.mean()), "high": float(np.quantile(values, 0.95))}


def floor_values(real: UnitFeatures, halvings: Halvings) -> Float[np.ndarray, " H"] | None:
    """The KID of each halving of `kid_floor`."""
    if halvings.reference.shape[1] < 2:
        return None
    kernel = UnitKernel.between(real, real)
    values = np.zeros(len(halvings.reference))
    for one, other, weight in ((halvings.reference, halvings.reference, 1), (halvings.candidate, halvings.candidate, 1),
                               (halvings.reference, halvings.candidate, -2)):
        first, second = (_times(half, len(kernel.rows)) for half in (one, other))
        total = ((first @ kernel.sums) * second).sum(1) - kernel.sums[one, other].sum(1)
        pairs = (first @ kernel.rows) * (second @ kernel.rows) - (kernel.rows[one] * kernel.rows[other]).sum(1)
        values += weight * total / pairs
    return values


def _times(half: np.ndarray, units: int) -> np.ndarray:
    """How often each of the units is in each half int64 [H, P]: float64 [H, units] of 0 and 1."""
    times = np.zeros((len(half), units))
    np.put_along_axis(times, half, 1.0, axis=1)
    return times
