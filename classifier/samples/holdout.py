"""Which materials of one space group to hold out: whole units, drawn at random, in about the share asked for."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from classifier.samples.sampletable import SampleTable


@dataclass(frozen=True)
class Materials:
    """Columns [M], one row a material: name, space group, kind (what is kept together), key of near-duplicates;
    of_sample: int [N], row of each sample."""

    names: np.ndarray
    space_group: np.ndarray
    kind: np.ndarray
    duplicate: np.ndarray
    of_sample: np.ndarray

    @classmethod
    def of(cls, table: SampleTable, *, by_type: bool) -> "Materials":
        """The materials of a table; by_type: whole structure types of a space group are kept together."""
        names, first, of_sample = np.unique(table.material, return_index=True, return_inverse=True)
        group = table.space_group[first]

        def within_group(values: np.ndarray) -> np.ndarray:
            return np.array([f"{number} {value}" if value else f"only {name}"
                             for number, value, name in zip(group, values[first], names, strict=True)])

        return cls(names, group, within_group(table.structure_type) if by_type else names,
                   within_group(table.formula), of_sample)


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


def hold_out(unit: Int[np.ndarray, " M"], fraction: float, rng: np.random.Generator, *, remaining: int
             ) -> Int[np.ndarray, " chosen"]:
    """Choose the rows of whole units (one a material) that make about `fraction` of the materials.

    Units are tried in random order until the share is reached. One that would exceed it by more than half is passed
    over. Where all are so large, the smallest is taken if it holds at most half of the materials.

    Parameters
    ----------
    unit, fraction : number of the unit of each material; of the materials
    rng : draws the order
    remaining : so many units stay behind at least; where there are no more, nothing is chosen
    """
    sizes = np.bincount(unit)
    if len(sizes) <= remaining:
        return np.empty(0, dtype=np.int64)
    wanted = max(1, round(fraction * len(unit)))
    taken: list[int] = []
    count = 0
    for candidate in rng.permutation(len(sizes)):
        if count >= wanted or len(sizes) - len(taken) == remaining:
            break
        if count + sizes[candidate] <= max(1, 1.5 * wanted):
            taken.append(int(candidate))
            count += int(sizes[candidate])
    if not taken and 2 * sizes.min() <= len(unit):
        taken = [int(sizes.argmin())]
    return np.flatnonzero(np.isin(unit, taken))


def deal(unit: Int[np.ndarray, " M"], count: int, rng: np.random.Generator) -> Int[np.ndarray, " M"]:
    """Deal whole units (one a material) to `count` hands of about equal size; the hand of each material.

    The largest unit comes first, and each goes to the hand that holds least; who is first among equals is random.
    """
    sizes = np.bincount(unit)
    order = rng.permutation(len(sizes))
    names, filled, hand = rng.permutation(count), np.zeros(count, np.int64), np.empty(len(sizes), np.int64)
    for number in order[np.argsort(-sizes[order], kind="stable")]:
        least = filled.argmin()
        hand[number] = names[least]
        filled[least] += sizes[number]
    return hand[unit]
