"""The kernel distance (KID) between two sets of features, exact over all pairs, with an interval over materials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from classifier.metrics import interval


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
        """Mean [R] over pairs of different materials of one set that holds its materials `times` [R, U] over."""
        total = ((times @ self.sums) * times).sum(1) - times**2 @ np.diagonal(self.sums)
        pairs = (times @ self.rows) ** 2 - times**2 @ self.rows**2
        return np.divide(total, pairs, out=np.full(len(times), np.nan), where=pairs > 0)

    def across(self, times: np.ndarray, other_times: np.ndarray) -> np.ndarray:
        """Mean [R] over pairs of two sets that hold their materials times [R, U] and other_times [R, V] over."""
        pairs = (times @ self.rows) * (other_times @ self.columns)
        total = ((times @ self.sums) * other_times).sum(1)
        return np.divide(total, pairs, out=np.full(len(times), np.nan), where=pairs > 0)


def kid(f: Tensor, unit: np.ndarray, reference: Tensor, reference_unit: np.ndarray, *, replicates: int,
        seed: int) -> dict[str, float] | None:
    """KID of features f [n, F] against reference [m, F], unbiased, with its 95 % interval; None for too few materials.

    unit, reference_unit: the material of each sample (of a generated one: itself). The interval resamples materials of
    both sets; pairs within a material are left out, so that drawing one twice does not count it as its own neighbour.
    """
    if len(np.unique(unit)) < 2 or len(np.unique(reference_unit)) < 2:
        return None
    own, theirs = UnitKernel.between(f, unit, f, unit), UnitKernel.between(reference, reference_unit, reference,
                                                                          reference_unit)
    mixed = UnitKernel.between(f, unit, reference, reference_unit)
    random = np.random.default_rng([seed, 2])
    times, other = (np.concatenate([np.ones((1, n)), random.multinomial(n, np.full(n, 1 / n), size=replicates)])
                    for n in mixed.sums.shape)
    values = own.apart(times) + theirs.apart(other) - 2 * mixed.across(times, other)
    low, high = interval(values[1:]) if replicates else (np.nan, np.nan)
    return {"estimate": float(values[0]), "low": float(low), "high": float(high)}


def kid_floor(f: Tensor, unit: np.ndarray, halvings: np.ndarray) -> dict[str, float] | None:
    """KID between the halves of real features f [n, F], over halvings bool [H, n]: its mean and 95th percentile.

    The mean is about zero, as the KID is unbiased; what real halves of this size show by chance is the percentile.
    """
    kernel = UnitKernel.between(f, unit, f, unit)
    first = np.unique(unit, return_index=True)[1]
    times = halvings[:, first].astype(float)
    values = kernel.apart(times) + kernel.apart(1 - times) - 2 * kernel.across(times, 1 - times)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    return {"mean": float(values.mean()), "high": float(np.quantile(values, 0.95))}
