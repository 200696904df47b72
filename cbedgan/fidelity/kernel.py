"""The kernel distance (KID) between two sets of features, exact over all pairs, with an interval over materials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cbedgan.fidelity.halves import Halvings
from classifier.statistics.bootstrap import draw_times
from classifier.statistics.significance import Interval


@dataclass(frozen=True, eq=False)
class UnitKernel:
    """Sums of the kernel over the samples of each pair of materials, float64 [U, V], and the samples of each [U], [V].

    Materials, not samples, are independent: energies of one material are near each other whoever made them.
    """

    sums: np.ndarray
    rows: np.ndarray
    columns: np.ndarray

    @classmethod
    def between(cls, f: Tensor, unit: np.ndarray, other: Tensor, other_unit: np.ndarray) -> UnitKernel:
        """Kernel (x.y / F + 1)^3 (Binkowski et al. 2018, arXiv 1801.01401) of features f [n, F] and other [m, F]."""
        values = (f.double() @ other.double().T / f.shape[1] + 1) ** 3
        first, second = (np.unique(each, return_inverse=True)[1] for each in (unit, other_unit))
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


def kid(f: Tensor, unit: np.ndarray, reference: Tensor, reference_unit: np.ndarray, *, replicates: int,
        seed: int) -> dict[str, float] | None:
    """KID of features f [n, F] against reference [m, F], unbiased, with its 95 % interval; None for too few materials.

    unit, reference_unit: which pair of materials of one class a sample belongs to, int64 [n] and [m]. Both sets so hold
    every class alike often, and leaving out what lies within a pair, also across the sets (eq. 4 of Gretton et al.
    2012, JMLR 13, 723), leaves every mean the same share of pairs of one class. The interval resamples pairs.
    """
    values = kid_values(f, unit, reference, reference_unit, replicates=replicates, seed=seed)
    return None if values is None else Interval.of(values).content()


def kid_values(f: Tensor, unit: np.ndarray, reference: Tensor, reference_unit: np.ndarray, *, replicates: int,
               seed: int) -> np.ndarray | None:
    """The KID and, behind it, that of each replicate of `kid`'s interval: float64 [1 + replicates]."""
    if len(np.unique(unit)) < 2:
        return None
    kernels = [UnitKernel.between(*first, *second) for first, second in
               (((f, unit), (f, unit)), ((reference, reference_unit),) * 2, ((f, unit), (reference, reference_unit)))]
    count = len(kernels[0].rows)
    times = draw_times(count, replicates, np.random.default_rng([seed, 2]))
    own, theirs, mixed = (kernel.apart(times) for kernel in kernels)
    return own + theirs - 2 * mixed


def kid_floor(f: Tensor, unit: np.ndarray, halvings: Halvings) -> dict[str, float] | None:
    """KID between the halves of real features f [n, F] of materials [n], over all halvings: mean and 95th percentile.

    The mean is about zero, as the KID is unbiased; what real halves of this size show by chance is the percentile.
    """
    values = floor_values(f, unit, halvings)
    return None if values is None else chance(values)


def chance(values: np.ndarray) -> dict[str, float]:
    """Mean and 95th percentile of `floor_values` [H], or of their mean over classifiers."""
    return {"mean": float(values.mean()), "high": float(np.quantile(values, 0.95))}


def floor_values(f: Tensor, unit: np.ndarray, halvings: Halvings) -> np.ndarray | None:
    """The KID of each halving of `kid_floor`, float64 [H]."""
    if halvings.reference.shape[1] < 2:
        return None
    kernel = UnitKernel.between(f, unit, f, unit)
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
