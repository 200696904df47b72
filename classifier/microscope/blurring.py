"""Convolution of patterns with round kernels, as a product in cosine transforms: a few small matrix products.

A frame whose edge is a mirror has cosines for its modes, and a round kernel multiplies each by a number (DCT-II:
G. Strang, SIAM Review 41, 135, 1999). No light is lost and mirror images stay mirror images.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Modes(NamedTuple):
    """rows, columns: cosines [K, H] and [L, W]; frequency: each that occurs, once, in cycles per pixel [U];
    place: of each mode's frequency [K, L]."""

    rows: Float[Tensor, "K H"]
    columns: Float[Tensor, "L W"]
    frequency: Float[Tensor, " U"]
    place: Int[Tensor, "K L"]


@lru_cache(maxsize=16)
@torch.inference_mode(False)  # what is kept serves gradients too, whoever asks first
def sharp_modes(height: int, width: int, device: torch.device) -> Modes:
    """All modes of a frame with mirrors for edges, for kernels narrower than the frame.

    Frequencies are those of differences between neighbours, sin(pi q) / pi. A mixture of Gaussians of many
    widths then has no negative pixel, as each becomes a heat kernel of the grid; sampled frequencies swing at edges.
    """
    sines = [torch.sin(torch.arange(size, dtype=torch.float64) * (torch.pi / (2 * size))) / torch.pi
             for size in (height, width)]
    return _modes(_cosines(height, 1, height), _cosines(width, 1, width), sines, device)


@lru_cache(maxsize=16)
@torch.inference_mode(False)  # what is kept serves gradients too, whoever asks first
def wide_modes(height: int, width: int, device: torch.device) -> Modes:
    """The lowest modes of a frame twice as wide, dark outside, for kernels as wide as the frame: light leaves it.

    64 modes a side are those of a 64-pixel frame down to waves of 4 pixels; wide kernels hold none that are shorter.
    """
    count = [min(64, 2 * size) for size in (height, width)]
    frequency = [torch.arange(n, dtype=torch.float64) / (4 * size)
                 for n, size in zip(count, (height, width), strict=True)]
    return _modes(_cosines(height, 2, count[0]), _cosines(width, 2, count[1]), frequency, device)


def convolved(patterns: Float[Tensor, "N C H W"], modes: Modes, transfer: Float[Tensor, "N C U"]
              ) -> Float[Tensor, "N C H W"]:
    """Patterns convolved with a kernel each; transfer: its Fourier transform at the modes' frequencies."""
    waves = modes.rows @ (patterns @ modes.columns.T)
    return modes.rows.T @ ((waves * transfer[..., modes.place]) @ modes.columns)


def _cosines(size: int, extent: int, count: int) -> Tensor:
    """The first orthonormal cosines of a frame `extent` times as long, on the pixels of its middle [count, size]."""
    length = extent * size
    place = torch.arange(size, dtype=torch.float64) + (length - size) / 2 + 0.5
    order = torch.arange(count, dtype=torch.float64)
    cosines = torch.cos(torch.pi / length * order[:, None] * place) * (2 / length) ** 0.5
    cosines[0] /= 2**0.5
    return cosines


def _modes(rows: Tensor, columns: Tensor, along: list[Tensor], device: torch.device) -> Modes:
    # Rounded, so that modes (a, b) and (b, a) of a square frame share one number and mirror images stay such exactly.
    frequency, place = torch.hypot(along[0][:, None], along[1]).mul(1e9).round().unique(return_inverse=True)
    return Modes(rows.float().to(device), columns.float().to(device), (frequency / 1e9).float().to(device),
                 place.to(device))
