"""Patterns on circles around the beam and their azimuthal Fourier coefficients, on which turns and mirrors act."""

import math
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float
from torch import Tensor

RINGS = 32  # evenly from the beam to the edge of the frame, whatever its pixels
AZIMUTHS = 192  # a multiple of 24: turns of 2, 3, 4 and 6 and their mirrors map samples on samples
ORDERS = 64  # azimuthal orders that are looked at, the mean not counted
BANDS = 8  # of equal width; behind them stands the whole pattern as one more
FLAT = 1e-8  # variance of a pattern in which nothing varies


class PolarPatterns(NamedTuple):
    """Patterns over radius and azimuth, and their coefficients c_m(r), m = 0 to ORDERS."""

    values: Float[Tensor, "B C rings azimuths"]
    spectrum: Complex[Tensor, "B C rings orders"]

    @classmethod
    def of(cls, x: Float[Tensor, "B C S S"]) -> "PolarPatterns":
        """Sample square patterns bilinearly; differentiable."""
        values = F.grid_sample(x.float(), _places(x.device).expand(len(x), -1, -1, -1), mode="bilinear",
                               padding_mode="border", align_corners=False)
        return cls(values, (torch.fft.rfft(values) / AZIMUTHS)[..., : ORDERS + 1])

    @property
    def profile(self) -> Float[Tensor, "B C rings"]:
        """Mean over each ring."""
        return self.spectrum[..., 0].real


def over_bands(rings: Tensor) -> Tensor:
    """Sums [..., BANDS + 1, M] of what rings [..., RINGS, M] hold, by area; the last band is the whole pattern."""
    bands = torch.einsum("br,...rm->...bm", _band_weight(rings.device).to(rings.dtype), rings)
    return torch.cat([bands, bands.sum(-2, keepdim=True)], -2)


@lru_cache
def _places(device: torch.device) -> Tensor:
    """Places (x, y) in -1..1, float32 [1, RINGS, AZIMUTHS, 2]."""
    angle = torch.arange(AZIMUTHS, dtype=torch.float64) * (2 * math.pi / AZIMUTHS)
    radius = (torch.arange(RINGS, dtype=torch.float64)[:, None] + 0.5) / RINGS
    return torch.stack([radius * angle.cos(), radius * angle.sin()], -1).float()[None].to(device)


@lru_cache
def _band_weight(device: torch.device) -> Tensor:
    """Share of the pattern's area that each ring holds in each band, float32 [BANDS, RINGS]."""
    ring = torch.arange(RINGS, device=device)
    inside = ring * BANDS // RINGS == torch.arange(BANDS, device=device)[:, None]
    return inside * (ring + 0.5) / (ring + 0.5).sum()
