"""The centre of a pattern, found by its own symmetry: the place about which a half turn changes it least.

The disks of a zone-axis pattern lie on a lattice, so that a half turn maps them on disks whatever the crystal. Their
intensities may differ: a map in which weak disks count, and Fourier terms of nearly one weight, hold that error small.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Patterns = Float[Tensor, "N C H W"]
REACH_PIXELS = 1.5  # how far from the middle a centre is looked for
HIGHEST, LOWEST = 1.8, 0.1  # of the Fourier terms, radian a pixel: finer ones are noise, coarser ones the envelope
WEIGHT_POWER = 1.5  # of a term's amplitude, where plain correlation has 2: strong disks do not decide alone
WINDOW = (28 / 32, 31.5 / 32)  # of half the side: where the frame's edge fades from and to, so that it is no feature
EXPONENT = 5.0  # of x + 1 where it is 2 log(1 + I / floor) over 8 to 9: peak over floor is 1e3.5 to 1e4
GRID_PIXELS = 0.5  # of the first search: a peak is about two pixels wide
STEPS = 3  # of Newton's method, each time


def find_centres(intensity: Patterns) -> Float[Tensor, "N C 2"]:
    """Centres (x, y) of patterns in pixels from the middle of the frame, each by itself, within REACH_PIXELS.

    With F the transform of the square root of the intensity, its autoconvolution peaks at twice the centre: the sum of
    F^2 exp(2 i k c) is greatest. An empty pattern's centre is the middle. A centre carries no gradient.
    """
    with torch.no_grad():
        patterns = intensity.detach().float().clamp(min=0).flatten(0, 1).sqrt()
        terms = _terms(patterns.shape[-2], patterns.shape[-1], patterns.device)
        squared = _squared_transform(patterns, terms, torch.zeros(len(patterns), 2, device=patterns.device))
        centre = _highest_of_grid(squared, terms)
        for last in (False, True):
            for _ in range(STEPS):
                centre = (centre + _newton_step(squared, terms, centre)).clamp(-REACH_PIXELS, REACH_PIXELS)
            if not last:  # a window about the middle holds the centre back
                squared = _squared_transform(patterns, terms, centre)
        return centre.view(*intensity.shape[:2], 2)


def find_centres_in_x(x: Patterns) -> Float[Tensor, "N C 2"]:
    """As find_centres, of patterns normalised by the logarithm: they are brought back to about I^1.2 first.

    The logarithm itself lets the dark between disks and their blurred edges count as much as the disks.
    """
    return find_centres(torch.expm1(EXPONENT * (x.detach() + 1)))


def centred(patterns: Patterns, centres: Float[Tensor, "N C 2"]) -> Patterns:
    """Patterns moved so that these centres, within REACH_PIXELS, lie in the middle of the frame; differentiable.

    Cubic convolution (Keys 1981, a = -1/2) along columns and rows; no value falls below the pattern's least. The edge
    is repeated outwards. Values may be intensities or x.
    """
    flat, side = patterns.flatten(0, 1), math.ceil(REACH_PIXELS) + 1
    taps = torch.arange(-side, side + 1, device=patterns.device, dtype=patterns.dtype)
    weight = _cubic((taps - centres.reshape(-1, 2, 1).to(patterns.dtype)).abs())
    rows = F.pad(flat, (side,) * 4, mode="replicate")[None]
    moved = F.conv2d(rows, (weight[:, 1, :, None] * weight[:, 0, None])[:, None], groups=len(flat))[0]
    return torch.maximum(moved, flat.detach().amin((1, 2), keepdim=True)).view(patterns.shape)


class _Terms(NamedTuple):
    """Fourier terms of a frame: k along x [A] and y [B] in radian a pixel, waves [W, 2 A] (cosine, sine) and [B, H]."""

    x: Tensor
    y: Tensor
    wave_x: Tensor
    wave_y: Tensor
    weight: Tensor  # [B, A]
    side_x: Tensor  # [W], pixels from the middle
    side_y: Tensor  # [H]


@lru_cache
def _terms(height: int, width: int, device: torch.device) -> _Terms:
    side_x, side_y = (torch.arange(size, dtype=torch.float64) - (size - 1) / 2 for size in (width, height))
    x = torch.arange(int(HIGHEST * width / (2 * math.pi)) + 1, dtype=torch.float64) * (2 * math.pi / width)
    most = int(HIGHEST * height / (2 * math.pi))
    y = torch.arange(-most, most + 1, dtype=torch.float64) * (2 * math.pi / height)
    length = torch.hypot(x[None, :], y[:, None])
    weight = ((length <= HIGHEST) & (length >= LOWEST)).double()
    weight[:, 0] /= 2  # k and -k are both there where x = 0
    phase = -side_x[:, None] * x
    wave_x, wave_y = torch.cat([phase.cos(), phase.sin()], 1), torch.exp(-1j * y[:, None] * side_y)
    return _Terms(*(part.to(torch.complex64 if part.is_complex() else torch.float32).to(device) for part in (
        x, y, wave_x, wave_y, weight, side_x, side_y)))


def _squared_transform(patterns: Tensor, terms: _Terms, centre: Tensor) -> Tensor:
    """Weighted F^2 [P, B, A] of patterns [P, H, W] seen through a window about the centres [P, 2]."""
    first, last = WINDOW
    column, row = (((last - 2 * (side - at[:, None]).abs() / len(side)) / (last - first)).clamp(0, 1)
                   for side, at in ((terms.side_x, centre[:, 0]), (terms.side_y, centre[:, 1])))
    window = row[:, :, None] * column[:, None, :]
    light = patterns * window
    light = light - window * (light.sum((1, 2)) / window.sum((1, 2)))[:, None, None]
    along_x = (light @ terms.wave_x).unflatten(-1, (2, -1))
    squared = (terms.wave_y @ torch.complex(along_x[:, :, 0], along_x[:, :, 1])).square()
    size = squared.abs()
    least = 1e-9 * size.amax((1, 2), keepdim=True) + torch.finfo(size.dtype).tiny
    return squared * (terms.weight / (size + least) ** (1 - WEIGHT_POWER / 2))


def _highest_of_grid(squared: Tensor, terms: _Terms) -> Tensor:
    """The place [P, 2] of a coarse grid where the sum of F^2 exp(2 i k c) is greatest: Newton needs it near."""
    steps = int(REACH_PIXELS / GRID_PIXELS)
    places = torch.arange(-steps, steps + 1, device=squared.device) * GRID_PIXELS
    wave_x, wave_y = (torch.exp(2j * places[:, None] * k) for k in (terms.x, terms.y))
    height = (wave_y @ squared @ wave_x.T).real  # [P, y, x]
    top = height.flatten(1).argmax(1)
    # Nothing to see anywhere: the middle.
    top = torch.where(height.flatten(1).amax(1) > 0, top, steps * (2 * steps + 2))
    return torch.stack([places[top % len(places)], places[top // len(places)]], -1)


def _newton_step(squared: Tensor, terms: _Terms, centre: Tensor) -> Tensor:
    """Step [P, 2] towards the greatest sum of F^2 exp(2 i k c), of half a pixel at most; none where it has no peak."""
    angle_x, angle_y = 2 * centre[:, :1] * terms.x, 2 * centre[:, 1:] * terms.y
    turned = (squared * torch.polar(torch.ones_like(angle_y), angle_y)[:, :, None]
              * torch.polar(torch.ones_like(angle_x), angle_x)[:, None, :])
    even, odd = turned.real, turned.imag
    slope_x, slope_y = -2 * (odd.sum(1) @ terms.x), -2 * (odd.sum(2) @ terms.y)
    over_x, over_y = even.sum(1), even.sum(2)
    bend_xx, bend_yy = 4 * (over_x @ terms.x.square()), 4 * (over_y @ terms.y.square())
    bend_xy = 4 * ((even @ terms.x) @ terms.y)
    determinant = bend_xx * bend_yy - bend_xy.square()
    peaked = (determinant > 0) & (bend_xx > 0)
    step = torch.stack([bend_yy * slope_x - bend_xy * slope_y, bend_xx * slope_y - bend_xy * slope_x], -1)
    step = step / torch.where(peaked, determinant, 1)[:, None]
    return torch.where(peaked[:, None], step.clamp(-0.5, 0.5), 0)


def _cubic(distance: Tensor) -> Tensor:
    """Weight of a pixel that lies so far away, along one axis."""
    near = (1.5 * distance - 2.5) * distance.square() + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return torch.where(distance < 1, near, torch.where(distance < 2, far, 0))
