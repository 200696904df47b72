"""Disks laid on a frame: each is a small square of samples, moved and cut to pixels by one matrix along each axis."""

import torch
from jaxtyping import Float
from torch import Tensor


def lay(samples: Float[Tensor, "B s s"], place: Float[Tensor, "B 2"], side: float, size: int
        ) -> Float[Tensor, "{size} {size}"]:
    """The sum of disks on a frame of size x size pixels; each pixel gets its share of every sample by area.

    Parameters
    ----------
    samples : light in squares around the middle of each disk, [row, column]
    place : (x, y) of the middles, in pixels from the middle of the frame
    side : of a sample, pixels
    size : pixels of a side of the frame
    """
    count = samples.shape[-1]
    middle = (torch.arange(count, device=samples.device) + 0.5 - count / 2) * side
    edge = torch.arange(size + 1, device=samples.device) - size / 2
    start = place.mT[..., None] + middle - side / 2  # [2, B, s]
    inside = ((edge[:, None] - start[:, :, None]) / side).clamp(0, 1)  # [2, B, size + 1, s], before each edge
    share = inside[:, :, 1:] - inside[:, :, :-1]
    return torch.einsum("bps,bqs->pq", share[1] @ samples, share[0])
