"""Which materials of one space group to hold out: whole units, drawn at random, in about the share asked for."""

from __future__ import annotations

import numpy as np


def bundle(kind: np.ndarray, duplicate: np.ndarray) -> np.ndarray:
    """Number int [M] of the bundle of each material: those linked, even by a chain, by an equal kind or duplicate."""
    codes = [np.unique(keys, return_inverse=True)[1] for keys in (kind, duplicate)]
    label = np.arange(len(kind))
    while True:
        lowest = label
        for code in codes:
            least = np.full(code.max() + 1, len(kind))
            np.minimum.at(least, code, lowest)
            lowest = least[code]
        if (lowest == label).all():
            return np.unique(label, return_inverse=True)[1]
        label = lowest


def hold_out(unit: np.ndarray, fraction: float, rng: np.random.Generator, *, remaining: int) -> np.ndarray:
    """Choose the rows int [<= M] of whole units (int [M], one a material) that make about `fraction` of the materials.

    Units are tried in random order until the share is reached; one that would take it more than half above is passed
    over. Where all are so large, the smallest is taken, if it holds at most half of the materials. At least `remaining`
    units stay behind; where there are not more than these, nothing is chosen.
    """
    sizes = np.bincount(unit)
    if len(sizes) <= remaining:
        return np.empty(0, dtype=np.int64)
    wanted = max(1, round(fraction * len(unit)))
    taken: list[int] = []
    held = 0
    for candidate in rng.permutation(len(sizes)):
        if held >= wanted or len(sizes) - len(taken) == remaining:
            break
        if held + sizes[candidate] <= max(1, 1.5 * wanted):
            taken.append(int(candidate))
            held += int(sizes[candidate])
    if not taken and 2 * sizes.min() <= len(unit):
        taken = [int(sizes.argmin())]
    return np.flatnonzero(np.isin(unit, taken))
