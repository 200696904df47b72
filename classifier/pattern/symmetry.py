"""Physics of single patterns: rotation and mirror residuals about the beam, batched."""

import functools
import math
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn import functional

Patterns = TypeVar("Patterns", np.ndarray, Tensor)

AZIMUTH_MULTIPLE = 24  # of the azimuths: turns of 2, 3, 4 and 6 and their mirrors then map samples on samples


def n_fold_residual(patterns: Patterns, n: int) -> Patterns:
    """Share [...] of the azimuthal variation of patterns [..., H, W] that an n-fold axis along the beam forbids.

    0: the pattern is its own image after a turn by 360/n degrees, or does not vary at all. 1: the mean of its n turned
    images is rotationally flat. Pure noise gives 1 - 1/n.
    """
    return _like(patterns, n_fold_share(azimuthal_spectrum(torch.as_tensor(patterns)), n))


def mirror_residual(patterns: Patterns, azimuth_rad: float | None = None) -> Patterns:
    """Share [...] of the azimuthal variation of patterns [..., H, W] that a mirror line through the centre forbids.

    azimuth_rad: direction of the line, counter-clockwise from +x (columns) towards +y (rows); None takes the best
    line of each pattern. 0 = symmetric, 1 = antisymmetric, pure noise gives 1/2 for a given line.
    """
    return _like(patterns, mirror_share(azimuthal_spectrum(torch.as_tensor(patterns)), azimuth_rad))


def n_fold_share(spectrum: Complex[Tensor, "*batch R M"], n: int) -> Float[Tensor, "*batch"]:
    """n_fold_residual of spectra: of whole patterns, or of some of their rings."""
    power = _azimuthal_power(spectrum.abs().square())
    allowed = power[..., ::n].sum(-1)
    return _share(power.sum(-1) - allowed, power.sum(-1))


def mirror_share(spectrum: Complex[Tensor, "*batch R M"], azimuth_rad: float | None = None) -> Float[Tensor, "*batch"]:
    """mirror_residual of spectra: of whole patterns, or of some of their rings."""
    total = _azimuthal_power(spectrum.abs().square()).sum(-1)
    # The mirrored pattern has the coefficients conj(c_m) exp(-2 i m azimuth), so the overlap is a Fourier sum of c_m^2.
    overlap = _azimuthal_power(spectrum.square())
    orders = overlap.shape[-1]
    lines = torch.arange(2 * orders - 2).double() * (math.pi / (2 * orders - 2)) if azimuth_rad is None else (
        torch.tensor([azimuth_rad], dtype=torch.float64))
    wave = torch.exp(2j * torch.arange(orders)[:, None] * lines)
    symmetric = (overlap @ wave.to(overlap.device)).real.amax(-1)
    return _share(total - symmetric, 2 * total)


def to_polar(patterns: Float[Tensor, "*batch H W"]) -> Float[Tensor, "*batch R azimuths"]:
    """Sample patterns bilinearly, in float64, on R circles around their centre."""
    height, width = patterns.shape[-2:]
    grid = _polar_grid(height, width).to(patterns.device)
    flat = patterns.reshape(1, -1, height, width).double()
    polar = functional.grid_sample(flat, grid[None], mode="bilinear", align_corners=False, padding_mode="border")
    return polar.reshape(*patterns.shape[:-2], *polar.shape[-2:])


def azimuthal_spectrum(patterns: Float[Tensor, "*batch H W"]) -> Complex[Tensor, "*batch R M"]:
    """Azimuthal Fourier coefficients, in complex128, weighted so that squares sum over the area.

    Ring r lies r + 0.5 pixels from the centre; m = 0 is the mean over azimuths times their number.
    """
    polar = to_polar(patterns)
    return torch.fft.rfft(polar) * ring_radius(polar.shape[-2]).to(polar.device).sqrt()[:, None]


def ring_radius(rings: int) -> Float[Tensor, " {rings}"]:
    """Radius of each ring in pixels."""
    return torch.arange(rings, dtype=torch.float64) + 0.5


@functools.lru_cache
def _polar_grid(height: int, width: int) -> Tensor:
    """Places (x, y) in -1..1, float64 [R, azimuths, 2], of the samples of a pattern of this size."""
    rings = min(height, width) // 2
    azimuths = AZIMUTH_MULTIPLE * math.ceil(2 * math.pi * rings / AZIMUTH_MULTIPLE)
    angle = torch.arange(azimuths, dtype=torch.float64) * (2 * math.pi / azimuths)
    radius = ring_radius(rings)[:, None]
    return torch.stack((radius * angle.cos() * 2 / width, radius * angle.sin() * 2 / height), -1)


def _azimuthal_power(squares: Tensor) -> Tensor:
    """Sum squared coefficients [..., R, M] over rings, without the mean (m = 0) and with negative orders: [..., M]."""
    power = squares.sum(-2)
    factor = torch.full((power.shape[-1],), 2.0, dtype=torch.float64, device=power.device)
    factor[0], factor[-1] = 0.0, 1.0
    return power * factor


def _share(part: Tensor, total: Tensor) -> Tensor:
    # Rounding leaves specks of variation in a flat pattern: below 1e-20 of the area nothing varies.
    return torch.where(total > 1e-20, part / total.clamp(min=1e-20), torch.zeros_like(total)).clamp(0, 1)


def _like(given: Patterns, result: Tensor) -> Patterns:
    if isinstance(given, np.ndarray):
        return result.cpu().numpy()
    return result
