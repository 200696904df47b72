"""Convolutions along a curve whose width may change along it; the curve goes on beyond its ends as in a mirror."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

STEPS = 8  # of widths up to the widest, between which curves are interpolated


def frequencies(points: int, device: torch.device) -> Float[Tensor, " F"]:
    """Of the waves that curves of so many points are made of, in cycles per point."""
    return torch.arange(points + 1, device=device) / (2 * points)


def filtered_curves(curves: Float[Tensor, "*any L"], transfer: Float[Tensor, "*any F"]) -> Float[Tensor, "*any L"]:
    """Curves whose waves are multiplied by numbers.

    Parameters
    ----------
    curves : of L points
    transfer : a number for each of the `frequencies`
    """
    points = curves.shape[-1]
    waves = torch.fft.rfft(torch.cat((curves, curves.flip(-1)), -1))
    return torch.fft.irfft(waves * transfer, n=2 * points)[..., :points]


def gaussian_blur(curves: Float[Tensor, "N C L"], deviation: Float[Tensor, "N C L"]) -> Float[Tensor, "N C L"]:
    """Convolved with a Gaussian whose standard deviation, in points, is that of the place."""
    return _blurred(curves, deviation, lambda width, wave: torch.exp(-2 * (torch.pi * width * wave)**2), 2)


def lorentzian_blur(curves: Float[Tensor, "N C L"], width: Float[Tensor, "N C L"]) -> Float[Tensor, "N C L"]:
    """Convolved with a Lorentzian whose full width at half maximum, in points, is that of the place."""
    return _blurred(curves, width, lambda width, wave: torch.exp(-torch.pi * width * wave), 1)


def _blurred(curves: Tensor, width: Tensor, transfer: Callable[[Tensor, Tensor], Tensor], power: int) -> Tensor:
    """Between curves of a few widths, interpolated so that the width (power 1) or variance (2) is right."""
    widest = width.amax(-1, keepdim=True)
    wave = frequencies(curves.shape[-1], curves.device)
    place = (width / widest.clamp(min=1e-12))**power
    lower, below = curves, 0.0
    result = torch.where(place <= 0, curves, torch.zeros_like(curves))
    for scale in (step / STEPS for step in range(1, STEPS + 1)):
        upper, above = filtered_curves(curves, transfer(scale * widest, wave)), scale**power
        here = (place > below) & (place <= above)
        result = torch.where(here, torch.lerp(lower, upper, (place - below) / (above - below)), result)
        lower, below = upper, above
    return result
