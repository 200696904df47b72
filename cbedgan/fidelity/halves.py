"""The real stacks in two halves without a common material: a reference, and one in place of generated stacks."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

HALVINGS = 200  # from which what real halves show by chance is told


@dataclass(frozen=True, eq=False)
class Halvings:
    """H random halvings of M materials into P pairs, each of one class: materials of reference and candidate half.

    Pairs, so that both halves hold every class alike often: the odd material of a class is left out, another one each
    time.
    """

    reference: Int[np.ndarray, "H P"]
    candidate: Int[np.ndarray, "H P"]
    class_idx: Int[np.ndarray, " P"]

    @classmethod
    def draw(cls, class_idx: Int[np.ndarray, " N"], material: Int[np.ndarray, " N"], times: int,
             seed: int) -> "Halvings":
        """Halve the materials of samples.

        Parameters
        ----------
        class_idx, material : of each sample; materials are 0 .. M - 1
        times : H
        seed : of the draw
        """
        random = np.random.default_rng([seed, 1])
        kind = class_idx[np.unique(material, return_index=True)[1]]
        halves = np.empty((2, times, int((np.bincount(kind) // 2).sum())), dtype=np.int64)
        for number in range(times):
            order = np.lexsort((random.random(len(kind)), kind))
            place = np.arange(len(kind)) - np.searchsorted(kind[order], kind[order])
            paired = place < np.bincount(kind)[kind[order]] // 2 * 2
            halves[0, number], halves[1, number] = (order[paired & (place % 2 == side)] for side in (0, 1))
        return cls(halves[0], halves[1], kind[halves[0, 0]] if times else kind[:0])

    def take(self, pairs: Bool[np.ndarray, " P"]) -> "Halvings":
        """Some of the pairs."""
        return Halvings(self.reference[:, pairs], self.candidate[:, pairs], self.class_idx[pairs])

    def rows(self, material: Int[np.ndarray, " N"], number: int = 0
             ) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
        """Samples of one halving: rows and pair of each, of the reference half and of the candidate half."""
        halves = []
        for half in (self.reference[number], self.candidate[number]):
            pair = np.full(int(material.max()) + 1, -1)
            pair[half] = np.arange(len(half))
            rows = np.flatnonzero(pair[material] >= 0)
            halves += [rows, pair[material[rows]]]
        return tuple(halves)


def sample_rows(class_idx: Int[np.ndarray, " N"], limit: int, seed: int) -> Int[np.ndarray, " n"]:
    """Rows, ascending, of at most `limit` samples, drawn so that every class keeps its share, and at least some.

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
