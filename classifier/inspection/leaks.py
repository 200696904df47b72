"""What parts share that must share nothing: materials, structure types, a formula of one group, or a stack."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from classifier.foundation.errors import InputError
from classifier.samples.sampletable import SampleTable
from classifier.samples.split import HELD_OUT
from classifier.samples.stackfile import StackFile

ADDED = "added"  # the part of samples that no partition or split names: a reserve, or another source to train on
CONFIRMED_PAIRS = 200  # more pairs of one checksum are no chance (a million stacks have about 100 such)
SHOWN = 5


@dataclass(frozen=True)
class Leak:
    """What a held-out part shares with another.

    held, other: the two parts; names: what both have of `kind` (material, structure_type, formula or stack);
    samples: how many of `held` are touched.
    """

    kind: str
    held: str
    other: str
    names: tuple[str, ...]
    samples: int

    def __str__(self) -> str:
        what = {"material": "materials", "structure_type": "structure types", "stack": "equal stacks",
                "formula": "formulas of one space group"}[self.kind]
        shown = ", ".join(self.names[:SHOWN])
        return (f"Leak: {self.other} shares {len(self.names)} {what} with {self.held} ({self.samples} of its "
                f"samples): {shown}{', ...' if len(self.names) > SHOWN else '.'}")


def find_leaks(table: SampleTable, part: np.ndarray, *, shared_types: Sequence[int] = ()) -> Iterator[Leak]:
    """Compare the parts str [N] of samples ("" for none) by their labels.

    shared_types: space groups whose structure types a split lets validation share with training, as it says itself.
    """
    keys = {"material": table.material, **{kind: _within_group(table, getattr(table, kind))
                                           for kind in ("structure_type", "formula")}}
    for held_out, others in HELD_OUT:
        for other in (*others, ADDED):
            for kind, names in keys.items():
                own = (part == held_out) & (names != "")
                if kind == "structure_type" and held_out == "validation":
                    own &= ~np.isin(table.space_group, shared_types)
                common = np.intersect1d(names[own], names[part == other])
                if len(common):
                    yield Leak(kind, held_out, other, tuple(common.tolist()), int(np.isin(names[own], common).sum()))


def _within_group(table: SampleTable, names: np.ndarray) -> np.ndarray:
    joined = np.char.add(np.char.add(table.space_group.astype(str), " "), names)
    return np.where(names != "", joined, "")


def equal_stacks(files: Sequence[StackFile], faults: list[str]) -> list[tuple[int, int]]:
    """Pairs of rows, of all files under each other, whose stacks are equal; what cannot be read is added to faults."""
    starts = np.cumsum([0, *map(len, files)])
    keys = np.concatenate([np.zeros(0, np.int64), *(
        file.crc32.astype(np.int64) + (file.grid.shape[-1] << 32) for file in files)])
    _, first, of_key = np.unique(keys, return_index=True, return_inverse=True)
    pairs = [(int(first[of_key[row]]), int(row)) for row in np.flatnonzero(first[of_key] != np.arange(len(keys)))]
    if len(pairs) > CONFIRMED_PAIRS:
        return pairs

    def stack(row: int) -> np.ndarray | None:
        number = int(np.searchsorted(starts, row, side="right")) - 1
        try:
            return files[number].read([row - starts[number]])
        except InputError as fault:
            faults.append(str(fault))
            return None

    def alike(pair: tuple[int, int]) -> bool:
        first, other = map(stack, pair)
        return first is not None and other is not None and np.array_equal(first, other)

    return list(filter(alike, pairs))


def leaking_stacks(pairs: Sequence[tuple[int, int]], table: SampleTable, part: np.ndarray) -> Iterator[Leak]:
    """Leaks among pairs of equal stacks."""
    for held_out, others in HELD_OUT:
        for other in (*others, ADDED):
            rows = {row for pair in pairs for row, twin in (pair, pair[::-1])
                    if part[row] == held_out and part[twin] == other}
            if rows:
                yield Leak("stack", held_out, other, tuple(table.sample_id[sorted(rows)].tolist()), len(rows))
