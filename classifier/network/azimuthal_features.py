"""What turns and mirrors change in a pattern, band by band of its radius: azimuthal Fourier orders as features.

A convolution compares neighbours; whether a turn or a mirror leaves a pattern as it is compares places far apart, which
a network hardly learns from few stacks. Differentiable, so that a decision boundary can be followed through it.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from classifier.network.batch_draws import BatchDropout

AZIMUTHS = 96  # a multiple of 24: turns of 2, 3, 4 and 6 and their mirrors map samples on samples
ORDERS = 12  # azimuthal orders that are looked at
FOLDS = (2, 3, 4, 6)
LINES = 12  # mirror lines, 15 degrees apart from +x on, where the shortest visible g points in canonical pose
BANDS = 4  # of equal width
RINGS = 16  # of the radial profile
LEAST_PIXELS = 2 * RINGS
FEATURES = RINGS + (BANDS + 1) * (1 + ORDERS + len(FOLDS) + LINES) + BANDS * ORDERS  # of a pattern
EMBEDDED = 256
INPUT_DROPOUT = 0.25
QUANTILES = 65
FITTED = 4096  # training stacks that the quantiles are taken from, at most: torch sorts 16M numbers and no more
SMALLEST_SHARE = 1e-4  # of a pattern's variation: less is noise
FLAT = 1e-8  # variance of a pattern in which nothing varies


def azimuthal_features(x: Tensor) -> Tensor:
    """Features float32 [B, C, FEATURES] of square patterns x [B, C, S, S], S at least LEAST_PIXELS.

    Radial profile; for each band and for all: logarithms of the variation, of each order's share in it, and of the
    shares that an n-fold axis and a mirror along each line forbid; for each band the mean cosine part of each order.
    When a pattern is turned by half nothing changes but the signs of odd orders' cosines.
    """
    polar = F.grid_sample(x.float(), _grid(x.shape[-1], x.device).expand(len(x), -1, -1, -1), mode="bilinear",
                          padding_mode="border", align_corners=False)  # [B, C, rings, azimuths]
    spectrum = torch.fft.rfft(polar) / AZIMUTHS
    radius = torch.arange(polar.shape[-2], device=x.device) + 0.5
    weight = (_cut(polar.shape[-2], BANDS, x.device) * radius) / radius.sum()  # [BANDS, rings], of the area
    power, overlap = (torch.einsum("br,...rm->...bm", weight.to(part), part)
                      for part in (2 * torch.view_as_real(spectrum).square().sum(-1), 2 * spectrum.square()))
    power, overlap = (torch.cat([part, part.sum(-2, keepdim=True)], -2)[..., 1:] for part in (power, overlap))
    total = power.sum(-1, keepdim=True) + FLAT
    orders = torch.arange(1, power.shape[-1] + 1, device=x.device)
    forbidden = torch.stack([power[..., orders % n != 0].sum(-1) for n in FOLDS], -1)
    # The mirrored pattern has the coefficients conj(c_m) exp(-2 i m azimuth): its overlap is a Fourier sum of c_m^2.
    lines = torch.arange(LINES, device=x.device) * (math.pi / LINES)
    wave = torch.polar(torch.ones(len(orders), LINES, device=x.device), 2 * orders[:, None] * lines)
    unlike = (total - (overlap @ wave).real) / 2
    shares = torch.cat([power[..., :ORDERS], forbidden, unlike], -1) / total
    rings = _cut(polar.shape[-2], RINGS, x.device)
    profile = spectrum[..., 0].real @ (rings / rings.sum(1, keepdim=True)).T
    cosine = torch.einsum("br,...rm->...bm", weight / weight.sum(1, keepdim=True), spectrum.real[..., 1:ORDERS + 1])
    return torch.cat([profile, total.squeeze(-1).log(),
                      (shares.clamp(min=0) + SMALLEST_SHARE).log().flatten(-2), cosine.flatten(-2)], -1)


class AzimuthalEmbedding(nn.Module):
    """Azimuthal features of stacks [B, 3, S, S], ranked among those of the training part, to float32 [B, EMBEDDED].

    any_order: sort each feature over the patterns, whose order then makes no difference; dropout: between the layers.
    """

    quantiles: Tensor

    def __init__(self, patterns: int, *, any_order: bool, dropout: float) -> None:
        super().__init__()
        self.any_order = any_order
        self.register_buffer("quantiles", torch.linspace(-1, 1, QUANTILES).repeat(patterns * FEATURES, 1))
        self.layers = nn.Sequential(BatchDropout(INPUT_DROPOUT), nn.Linear(patterns * FEATURES, EMBEDDED), nn.SiLU(),
                                    BatchDropout(dropout), nn.Linear(EMBEDDED, EMBEDDED), nn.SiLU())

    def fit(self, x: Tensor) -> None:
        """Take the quantiles of each feature from training stacks x [N, 3, S, S] on any device, FITTED at most."""
        count, device = min(len(x), FITTED), self.quantiles.device
        rows = torch.arange(count, device=x.device) * len(x) // count
        features = torch.cat([self._ordered(x[part].to(device)) for part in rows.split(256)])
        share = torch.linspace(0, 1, QUANTILES, device=device)
        self.quantiles.copy_(torch.quantile(features, share, dim=0).T)

    def forward(self, x: Tensor) -> Tensor:
        """Embed what the stacks show; computed in float32 under autocast too."""
        with torch.autocast(x.device.type, enabled=False):
            return self.layers(ranked(self._ordered(x), self.quantiles) * math.sqrt(3))  # of variance one

    def _ordered(self, x: Tensor) -> Tensor:
        features = azimuthal_features(x)
        return (features.sort(dim=1).values if self.any_order else features).flatten(1)


def ranked(values: Tensor, quantiles: Tensor) -> Tensor:
    """Ranks -1..1 of values [B, D] among quantiles [D, Q], linear between them; in the middle of equal ones.

    Ranks bring features of any distribution to one scale, on which no outlier leads.
    """
    columns, last = values.T.contiguous(), quantiles.shape[1] - 1
    left, right = torch.searchsorted(quantiles, columns), torch.searchsorted(quantiles, columns, right=True)
    above = right.clamp(1, last)
    low, high = quantiles.gather(1, above - 1), quantiles.gather(1, above)
    between = ((columns - low) / (high - low).clamp(min=torch.finfo(torch.float32).tiny)).clamp(0, 1)
    place = torch.where(right - left > 1, (left + right - 1) / 2, above - 1 + between)
    return (place * (2 / last) - 1).T


@lru_cache
def _grid(size: int, device: torch.device) -> Tensor:
    """Places (x, y) in -1..1, float32 [1, S / 2, AZIMUTHS, 2]: ring r lies r + 0.5 pixels from the centre."""
    angle = torch.arange(AZIMUTHS, dtype=torch.float64) * (2 * math.pi / AZIMUTHS)
    radius = (torch.arange(size // 2, dtype=torch.float64)[:, None] + 0.5) * (2 / size)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], -1).float()[None].to(device)


@lru_cache
def _cut(rings: int, parts: int, device: torch.device) -> Tensor:
    """Which rings each of `parts` bands holds, float32 [parts, rings]."""
    band = torch.arange(rings, device=device) * parts // rings
    return (band == torch.arange(parts, device=device)[:, None]).float()
