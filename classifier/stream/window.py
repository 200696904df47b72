"""The blocks that batches are drawn from at a time, drawn ahead of their use by a pool of processes."""

from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from classifier.foundation.workers import worker_pool
from classifier.samples.dataset import StackSet
from classifier.stream.copies import Copies
from classifier.stream.piece import PIECE_STACKS, Piece, Recipe, draw_piece
from classifier.stream.stack_source import StackSource

AHEAD = 2  # blocks that are drawn before they are wanted
PATIENCE_SECONDS = 0.5  # of one look: then who waits may look whether it shall stop


class StreamWindow:
    """Draws blocks of a source in order; what they hold depends on their numbers alone, not on who draws them when.

    end: blocks from this number on are never wanted.
    """

    def __init__(self, source: StackSource, recipe: Recipe, pool: ProcessPoolExecutor, end: int) -> None:
        self.source, self.recipe, self.end = source, recipe, end
        self._pool, self._there = pool, range(0)
        self._pieces: dict[int, list[Future[Piece]]] = {}

    def wait(self, blocks: range) -> bool:
        """Wait a moment for these blocks; whether all are there. Earlier ones are forgotten, some later ones begun."""
        if blocks == self._there:
            return True
        for number in [number for number in self._pieces if number < blocks.start]:
            del self._pieces[number]
        for number in range(blocks.start, min(blocks.stop + AHEAD, self.end)):
            if number not in self._pieces:
                self._pieces[number] = [self._pool.submit(draw_piece, self.source, self.recipe, number, rows)
                                        for rows in _pieces(self.source.stream.block)]
        done, pending = wait([piece for number in blocks for piece in self._pieces[number]],
                             timeout=PATIENCE_SECONDS, return_when=FIRST_EXCEPTION)
        for piece in done:
            piece.result()
        self._there = range(0) if pending else blocks
        return not pending

    def stacks(self, blocks: range, device: torch.device) -> tuple[StackSet, Copies | None]:
        """The stacks of blocks that are there, and, on the device, their copies for a network of fixed features."""
        pieces = [piece.result() for number in blocks for piece in self._pieces[number]]
        class_idx = torch.from_numpy(np.concatenate([piece.class_idx for piece in pieces]))
        names, materials, types = (np.concatenate([getattr(piece, name) for piece in pieces])
                                   for name in ("sample_id", "material", "structure_type"))
        x, values = _together([piece.x for piece in pieces]), _together([piece.copies for piece in pieces])
        samples = StackSet(torch.empty(0) if x is None else x, class_idx,
                           torch.eye(len(self.recipe.class_map))[class_idx], names, materials, types,
                           np.full(len(class_idx), "simulated"))
        return samples, None if values is None else Copies(values.to(device), pieces[0].ideal_share)

    def passed_over(self, number: int) -> int:
        """How many draws the held-out parts have cost a block that is there."""
        return sum(piece.result().passed_over for piece in self._pieces[number])


@contextmanager
def open_window(source: StackSource, recipe: Recipe, *, workers: int, end: int) -> Iterator[StreamWindow]:
    """A window whose processes live as long as the context; pieces that are begun are finished, no others.

    Parameters
    ----------
    source, recipe : what is drawn, and what is made of it
    workers : processes that draw, each with one thread
    end : see StreamWindow
    """
    with worker_pool(workers) as pool:
        try:
            yield StreamWindow(source, recipe, pool, end)
        finally:
            pool.shutdown(cancel_futures=True)


def _pieces(block: int) -> list[range]:
    return [range(start, min(start + PIECE_STACKS, block)) for start in range(0, block, PIECE_STACKS)]


def _together(parts: list[np.ndarray | None]) -> Tensor | None:
    """The parts behind each other, None where a part is."""
    there = [part for part in parts if part is not None]
    return torch.from_numpy(np.concatenate(there)) if len(there) == len(parts) else None
