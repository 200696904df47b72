"""How unlike a pattern is to its turned and mirrored images: shares of its variation, noise of counting taken off."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from classifier.features.centre import find_centres

FOLDS: tuple[int, ...] = (2, 3, 4, 6)
RINGS, AZIMUTHS = 32, 240  # turns of 2, 3, 4 and 6 map samples on samples
LINES = 720  # along which a mirror is tried, 0 to 180 degrees
FLOOR, FAINT_COUNTS = 1e-6, 10.0  # of the logarithm: shares of the incident beam, and electrons
BLUR, BLUR_REACH = 1.0, 3  # pixels: edges of disks are softened before they are interpolated
FADE = 2.0  # pixels inside the edge of the field that blurring darkens
NO_SHIFT = 0.03  # pixels: an error of the centre that is no error
MODES = 250  # independent values that a blurred pattern holds, about: they decide how far noise scatters
MOST_ELECTRONS = 1e9  # from so many on nothing is seen of the noise
NORMAL_MEDIAN = 0.4549  # of the square of a normal deviate


@dataclass(frozen=True, eq=False)
class Residuals:
    """Of N patterns, float64. centre: (x, y) from the middle of the frame in pixels, [N, 2].

    turn: [N, 4] of the FOLDS; mirror: [N, LINES]: shares of the azimuthal variation that each symmetry forbids, 0 where
    it is there; deviation: [N], by how much counting scatters them.
    """

    centre: Float[Tensor, "N 2"]
    turn: Float[Tensor, "N 4"]
    mirror: Float[Tensor, "N 720"]
    deviation: Float[Tensor, " N"]


def residuals(intensity: Float[Tensor, "N H W"], field: Float[Tensor, " N"] | None = None) -> Residuals:
    """Residuals of patterns, in any unit, about the centre that each one's half turn has.

    The logarithm is cut off where fewer than FAINT_COUNTS electrons were counted; how many there were, the pattern's
    own noise tells. field: in pixels, how far from the middle something was measured all around; None: everywhere.
    """
    intensity = shares(intensity)
    x, variance = softened(intensity)
    whole = torch.full((len(intensity),), intensity.shape[-1] / 2 - 1, dtype=torch.float64)
    radius = whole if field is None else torch.minimum(whole, (field.double() - FADE).clamp(min=1))
    centre = _centres(intensity, radius)
    centre = torch.where(centre.abs().amax(1, keepdim=True) < NO_SHIFT, 0.0, centre)
    weight = (torch.arange(RINGS, dtype=torch.float64) + 0.5)[:, None]
    spectrum = torch.fft.rfft(_rings(x, centre, radius)) / AZIMUTHS
    factor = torch.full((spectrum.shape[-1],), 2.0, dtype=torch.float64)
    factor[0], factor[-1] = 0.0, 1.0
    power = (spectrum.abs().square() * weight).sum(1) * factor
    overlap = (spectrum.square() * weight).sum(1) * factor
    noise = (_rings(variance, centre, radius).mean(2) * weight[:, 0]).sum(1)
    total = (power.sum(1) - noise).clamp(min=1e-12)
    order = torch.arange(power.shape[1])
    turn = torch.stack([power[:, order % n != 0].sum(1) - noise * (1 - 1 / n) for n in FOLDS], 1)
    wave = torch.exp(2j * order[:, None] * torch.arange(LINES, dtype=torch.float64) * (math.pi / LINES))
    mirror = (power.sum(1, keepdim=True) - (overlap @ wave).real - noise[:, None]) / 2
    return Residuals(centre, turn / total[:, None], mirror / total[:, None], noise / total * math.sqrt(2 / MODES))


def softened(intensity: Float[Tensor, "N H W"]) -> tuple[Float[Tensor, "N H W"], Float[Tensor, "N H W"]]:
    """Logarithms of blurred shares, cut off as residuals says, and the squares of what counting scatters them by."""
    soft, counts = _blurred(intensity), counted_electrons(intensity)[:, None, None]
    floor = (FAINT_COUNTS / counts).clamp(min=FLOOR)
    variance = soft / counts * _taps().square().sum() ** 2 / (soft + floor).square()
    return torch.log(soft + floor), torch.where(counts < MOST_ELECTRONS, variance, 0)


def shares(intensity: Float[Tensor, "N H W"]) -> Float[Tensor, "N H W"]:
    """Intensities as shares, float64, of all the light in the frame."""
    light = intensity.double().clamp(min=0)
    return light / light.sum((1, 2), keepdim=True).clamp(min=1e-30)


def counted_electrons(intensity: Float[Tensor, "N H W"]) -> Float[Tensor, " N"]:
    """Electrons of the incident beam that the noise of patterns speaks for, at most MOST_ELECTRONS.

    A count scatters by its square root. The mixed second differences of a smooth pattern are hardly anything else.
    """
    kernel = torch.outer(*2 * [torch.tensor([1.0, -2.0, 1.0], dtype=torch.float64)])
    difference = F.conv2d(intensity.double()[:, None], kernel[None, None])
    near = F.avg_pool2d(intensity.double()[:, None], 3, 1)
    each = difference.square() / (kernel.square().sum() * near.clamp(min=1e-30))
    lit = torch.where(near > 0, each, torch.nan).flatten(1).nanmedian(1).values.nan_to_num(nan=0.0)
    return (NORMAL_MEDIAN / lit.clamp(min=1e-30)).clamp(max=MOST_ELECTRONS)


def _taps() -> Tensor:
    taps = torch.exp(-torch.arange(-BLUR_REACH, BLUR_REACH + 1, dtype=torch.float64).square() / (2 * BLUR**2))
    return taps / taps.sum()


def _blurred(intensity: Tensor) -> Tensor:
    padded = F.pad(intensity[:, None], 4 * (BLUR_REACH,), mode="replicate")
    return F.conv2d(F.conv2d(padded, _taps()[None, None, :, None]), _taps()[None, None, None])[:, 0]


def _centres(intensity: Tensor, radius: Tensor) -> Tensor:
    """Centres [N, 2], found in the whole frame, or in the largest square of a circle in it: edges are no feature."""
    size = intensity.shape[-1]
    side = torch.where(radius < size / 2 - 1, (radius * math.sqrt(2)).long().clamp(min=4), size)
    side = side - (size - side) % 2
    centre = torch.zeros(len(intensity), 2, dtype=torch.float64)
    for length in side.unique().tolist():
        own, first = side == length, (size - length) // 2
        part = intensity[own, first:first + length, first:first + length]
        centre[own] = find_centres(part[:, None])[:, 0].double()
    return centre


def _rings(x: Tensor, centre: Tensor, most: Tensor) -> Tensor:
    """Values [N, RINGS, AZIMUTHS] on circles about the centres, out to these radii [N]."""
    half = x.shape[-1] / 2
    angle = torch.arange(AZIMUTHS, dtype=torch.float64) * (2 * math.pi / AZIMUTHS)
    radius = (torch.arange(RINGS, dtype=torch.float64)[:, None] + 0.5) * (most / RINGS)[:, None, None]
    places = torch.stack((radius * angle.cos(), radius * angle.sin()), -1)
    grid = (places + centre[:, None, None]) / half
    return F.grid_sample(x[:, None], grid, mode="bilinear", padding_mode="border", align_corners=False)[:, 0]
