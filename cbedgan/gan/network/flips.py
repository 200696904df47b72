"""Flips and quarter turns as parts of a network: symmetric samples are said in one gate, not learned pixel by pixel."""

from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

Operation = tuple[bool, tuple[int, ...]]
"""(swap the two spatial axes first?, axes to flip): an operation that moves pixels onto pixels."""


def operations(dims: int, quarter_turns: bool) -> list[Operation]:
    """All flips of `dims` spatial axes, the identity first; with quarter_turns (2 axes) all 8 motions of the square."""
    flips = [tuple(axis - dims for axis, chosen in enumerate(choice) if chosen)
             for choice in product((False, True), repeat=dims)]
    return [(swap, axes) for swap in ((False, True) if quarter_turns and dims == 2 else (False,)) for axes in flips]


def apply(x: Tensor, operation: Operation) -> Tensor:
    """Move the pixels of x [..., *spatial]; exact, no resampling."""
    swap, axes = operation
    x = x.transpose(-2, -1) if swap else x
    return x.flip(axes) if axes else x


class FlipMixing(nn.Module):
    """x -> sum_o a_o o(x), with weights a = softmax(A w) over the operations, by channel.

    Equal weights give a sample all their symmetry, one weight of 1 leaves it free; A starts at zero with a bias to the
    flips without quarter turns, so that training starts from samples with two mirror lines.
    """

    def __init__(self, dims: int, channels: int, mapping_dim: int, quarter_turns: bool) -> None:
        super().__init__()
        self.operations = operations(dims, quarter_turns)
        self.gate = nn.Linear(mapping_dim, channels * len(self.operations))
        nn.init.zeros_(self.gate.weight)
        with torch.no_grad():
            swapped = torch.tensor([float(swap) for swap, _ in self.operations])
            self.gate.bias.copy_((-2 * swapped)[:, None].expand(-1, channels).flatten())

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x [B, C, *spatial], w [B, mapping_dim] -> the shape of x."""
        weights = self.gate(w).reshape(len(w), len(self.operations), x.shape[1], *[1] * (x.ndim - 2)).softmax(1)
        mixed: Any = sum(weights[:, i] * apply(x, operation) for i, operation in enumerate(self.operations))
        return mixed


def asymmetries(x: Tensor, quarter_turns: bool) -> Tensor:
    """x [B, C, *spatial] with its differences from its own images under every other operation: [B, C * n, *spatial]."""
    moves = operations(x.ndim - 2, quarter_turns)[1:]
    return torch.cat([x, *(x - apply(x, move) for move in moves)], 1)
