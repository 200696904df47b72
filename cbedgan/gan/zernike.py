"""Zernike polynomials: the smooth content of a disk as a few numbers that turn and mirror with it."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def modes(order: int) -> list[tuple[int, int]]:
    """Pairs (n, m >= 0) of radial and azimuthal order up to `order`, K of them."""
    return [(n, m) for n in range(order + 1) for m in range(n % 2, n + 1, 2)]


def azimuthal_orders(order: int) -> Tensor:
    """m of every mode, float32 [K]."""
    return torch.tensor([float(m) for _, m in modes(order)])


def polynomials(order: int, u: Tensor) -> Tensor:
    """Values [P, 2 K] at u [P, 2] (disk radius 1) of R_nm(r) cos(m a), for all modes, then of R_nm(r) sin(m a).

    R_nm is normalised to a mean square of 1 over the disk, Born and Wolf, Principles of Optics, section 9.2.1; sine
    columns of m = 0 are 0. Beyond the rim they are those of its nearest point.
    """
    radius, azimuth = u.norm(dim=-1).clamp(max=1), torch.atan2(u[..., 1], u[..., 0])
    pairs = modes(order)
    radial = torch.stack([_radial(n, m, radius) for n, m in pairs], -1)
    angle = azimuth[..., None] * azimuthal_orders(order).to(u)
    return torch.cat((radial * angle.cos(), radial * angle.sin()), -1)


def moved(coefficients: Tensor, order: int, angle: Tensor, mirrored: Tensor) -> Tensor:
    """Coefficients [..., 2 K] of the content that shows at azimuth a what these show at angle + a, or angle - a.

    angle: [...] in rad; mirrored: bool [...], the latter of the two.
    """
    m = azimuthal_orders(order).to(coefficients, non_blocking=True)  # a copy that waits would wait for the whole GPU
    cosine, sine = coefficients.chunk(2, -1)
    c, s = (angle[..., None] * m).cos(), (angle[..., None] * m).sin()
    sign = 1 - 2 * mirrored[..., None].to(coefficients)
    return torch.cat((cosine * c + sine * s, sign * (sine * c - cosine * s)), -1)


def _radial(n: int, m: int, r: Tensor) -> Tensor:
    total = torch.zeros_like(r)
    for k in range((n - m) // 2 + 1):
        factor = math.factorial(n - k) / (math.factorial(k) * math.factorial((n + m) // 2 - k)
                                          * math.factorial((n - m) // 2 - k))
        total = total + (-1) ** k * factor * r ** (n - 2 * k)
    return total * math.sqrt((n + 1) * (1 if m == 0 else 2))
