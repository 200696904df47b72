"""Random numbers of a network in training, drawn for a whole batch: how it is cut into parts then changes nothing."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class DrawsForBatch(nn.Module):
    """A module that draws random numbers for its stacks; `place_rows` tells it which rows of a batch they are."""

    def __init__(self) -> None:
        super().__init__()
        self.place: tuple[int, int] | None = None  # first row, rows of the whole batch; None: the stacks are all of it

    def of_batch(self, count: int, draw: Callable[[int], Tensor]) -> Tensor:
        """What `draw` gives for the rows of the whole batch, [rows, ...], cut to the `count` stacks at hand."""
        first, whole = self.place or (0, count)
        return draw(whole)[first : first + count]


class BatchDropout(DrawsForBatch):
    """As nn.Dropout of h [B, F], on a CPU to the bit."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, h: Tensor) -> Tensor:
        """Drop a share of the features in training."""
        if not self.training or not self.share:
            return h
        return h * self.of_batch(len(h), lambda rows: torch.empty(
            (rows, *h.shape[1:]), dtype=h.dtype, device=h.device).bernoulli_(1 - self.share).div_(1 - self.share))


def place_rows(model: nn.Module, first: int, whole: int) -> None:
    """Say that the stacks to come are rows `first` on of a batch of `whole`; each part starts from one random state."""
    for module in model.modules():
        if isinstance(module, DrawsForBatch):
            module.place = first, whole
