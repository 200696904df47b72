"""The real stacks in two halves without a common material: a reference, and one in place of generated stacks."""

from __future__ import annotations

import numpy as np


def halves(class_idx: np.ndarray, material: np.ndarray, seed: int) -> np.ndarray:
    """Put every other material of each class, in random order, into the candidate half: bool [N]."""
    return many_halves(class_idx, material, 1, seed)[0]


def many_halves(class_idx: np.ndarray, material: np.ndarray, times: int, seed: int) -> np.ndarray:
    """So many independent halvings of the same stacks, bool [times, N]; which half gets an odd one is drawn too."""
    random = np.random.default_rng([seed, 1])
    names, first, of_sample = np.unique(material, return_index=True, return_inverse=True)
    kind = class_idx[first]
    start = np.searchsorted(np.sort(kind), kind)  # place at which the materials of one's own class begin in the order
    chosen = np.zeros((times, len(names)), dtype=bool)
    for each in chosen:
        order = np.lexsort((random.random(len(names)), kind))
        larger = random.integers(2, size=int(kind.max()) + 1) if times > 1 else np.ones(int(kind.max()) + 1, dtype=int)
        each[order] = (np.arange(len(names)) - start[order]) % 2 == larger[kind[order]]
    return chosen[:, of_sample]


def sample_rows(class_idx: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """Rows int64, ascending, of at most `limit` samples, drawn so that every class keeps its share, and at least some.

    A class keeps all of its samples up to the number at which the limit is reached by as many of each.
    """
    random = np.random.default_rng(seed)
    shuffled = random.permutation(len(class_idx))
    order = shuffled[np.argsort(class_idx[shuffled], kind="stable")]
    kind = class_idx[order]
    turn = np.arange(len(order)) - np.searchsorted(kind, kind)  # how many of the class stand before
    size = np.bincount(kind)[kind]
    # Half of the places go by turns, so that the rare classes are whole; the rest by a class's share.
    by_turns = order[np.argsort(turn, kind="stable")][:limit // 2]
    rest = order[np.argsort((turn + 0.5) / size, kind="stable")]
    rest = rest[~np.isin(rest, by_turns)]
    return np.sort(np.concatenate([by_turns, rest[:limit - len(by_turns)]]))
