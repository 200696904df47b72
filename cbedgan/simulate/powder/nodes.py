"""Sums of one curve at many places as one matrix product: amounts are spread onto nodes where the curve is tabulated.

Each amount goes to four nodes with the weights of Lagrange's cubic, so that the sum is that of curves interpolated
cubically between nodes; it follows a place, and a gradient passes to it.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def spread(place: Float[Tensor, " P"], amount: Float[Tensor, " P"], row: Int[Tensor, " P"], rows: int,
           nodes: int) -> Float[Tensor, "rows nodes"]:
    """Amounts on nodes; what lies before the second or beyond the last but one node is lost.

    Parameters
    ----------
    place : of each amount, in nodes from the first
    amount : what is spread
    row : which row of nodes it belongs to
    rows, nodes : how many
    """
    low = place.detach().floor()
    amount = torch.where((low >= 1) & (low <= nodes - 3), amount, 0.0)
    low = low.clamp(1, nodes - 3)
    t = place - low
    before, after, beyond = t + 1, t - 1, t - 2
    inner, outer = amount * after * beyond, amount * before * t
    at = row * nodes + low.long()
    sums = place.new_zeros(rows * nodes)
    for shift, share in ((-1, inner * t / -6), (0, inner * before / 2), (1, outer * beyond / -2),
                         (2, outer * after / 6)):
        sums = sums.index_add(0, at + shift, share)
    return sums.view(rows, nodes)
