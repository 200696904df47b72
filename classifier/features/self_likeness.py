"""How like themselves maps over radius and azimuth are after every turn and mirror: a description of a pattern.

With the azimuthal coefficients c_m of a map, its overlap with itself after a turn is sum |c_m|^2 cos(m turn), after a
mirror in a line sum Re c_m^2 exp(2 i m line). The description is the same for a map, for its half turn and for its
mirror image in the x axis, which all show one crystal's symmetry; and differentiable.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

AZIMUTHS = 96  # a multiple of 24: turns of 2, 3, 4 and 6 and their mirrors map samples on samples
LINES = AZIMUTHS // 2  # mirror lines, one through each sample
ORDERS = 40  # azimuthal orders that are compared; the few beyond are mostly noise of the sampling
SHOWN_ORDERS = 24  # whose shares in the variation are told by themselves
FOLDS = (2, 3, 4, 6)
BANDS = 4  # of equal width in radius, beside the whole
WINDOWS = 12  # of lines, centred every 15 degrees, and half a line wider to each side
APART = 3  # lines between the best and the second best, at least
SMALLEST_SHARE = 1e-4  # of a map's variation: less is noise
FLAT = 1e-7  # variance of a map in which nothing varies


def self_likeness(maps: Float[Tensor, "N C R azimuths"]) -> Float[Tensor, "N D"]:
    """Describe each pattern by its C maps, AZIMUTHS samples on each of R rings of equal width.

    Of each map: mean and maximum of each ring; for each band and the whole, the logarithms of its variation and of the
    shares in it that an n-fold axis forbids, and a mirror in the best line, the second best, the best's normal and the
    better of its diagonals; of the whole, the shares of the orders, and of the best mirror line near fixed azimuths and
    of each window in rising order; profiles along +x, its normal, the best line, the second and the normal of the best.
    Of the pattern: how far the second line lies from the best, and the best from +y. The best lines are those in which
    all maps together are most like their mirror images.
    """
    tables, rings = _tables(maps.shape[-2], maps.device), torch.arange(len(maps), device=maps.device)
    coefficients = maps @ tables.transform
    real, imaginary = coefficients[..., :ORDERS], coefficients[..., ORDERS:]
    # Weighted means over the rings of each band, and of negative orders too.
    rr, ii, ri = (2 * (tables.bands @ part) for part in (real * real, imaginary * imaginary, real * imaginary))
    power = rr + ii  # [N, C, BANDS + 1, ORDERS]
    total = power.sum(-1, keepdim=True) + FLAT
    forbidden = power @ tables.forbidden / total
    unlike = (total - torch.cat([rr - ii, 2 * ri], -1) @ tables.mirrors) / (2 * total)  # [N, C, BANDS + 1, LINES]
    best, second = _best_lines(unlike[:, :, -1].detach().mean(1))
    normal, eighth = (best + LINES // 2) % LINES, LINES // 4

    def at(line: Tensor) -> Tensor:
        return unlike[rings, :, :, line % LINES]

    found = torch.stack([at(best), at(second), at(normal), torch.minimum(at(best + eighth), at(best - eighth))], -1)
    whole = unlike[:, :, -1]
    around = torch.cat([whole[..., -2:], whole, whole[..., :2]], -1).unfold(-1, 5, LINES // WINDOWS).amin(-1)
    both_hands = torch.minimum(around, around.flip(-1).roll(1, -1))[..., :WINDOWS // 2 + 1]
    shares = [forbidden, found, power[:, :, -1:, :SHOWN_ORDERS].mT / total[:, :, -1:], both_hands,
              around.sort(-1).values[..., :WINDOWS // 2]]
    profile = maps.mean(-1)
    lines = torch.stack([torch.zeros_like(best), torch.full_like(best, LINES // 2), best, second, normal], 1)
    return torch.cat([profile.flatten(1), maps.max(-1).values.flatten(1), total.log().flatten(1),
                      *((share.clamp(min=0) + SMALLEST_SHARE).log().flatten(1) for share in shares),
                      _along(maps, profile, lines).flatten(1),
                      torch.stack([_apart(best, second) / LINES, (best - LINES // 2).abs() * (2 / LINES)], 1)], 1)


def _best_lines(unlike: Tensor) -> tuple[Tensor, Tensor]:
    """The lines, int64 [N] each, in which patterns are most like themselves, of unlikenesses [N, LINES]."""
    best = unlike.argmin(1)
    near = _apart(torch.arange(LINES, device=unlike.device), best[:, None]) < APART
    return best, unlike.masked_fill(near, torch.inf).argmin(1)


def _apart(line: Tensor, other: Tensor) -> Tensor:
    """Lines between two lines, the shorter way round."""
    difference = (line - other) % LINES
    return torch.minimum(difference, LINES - difference)


def _along(maps: Tensor, profile: Tensor, lines: Tensor) -> Tensor:
    """What the ends of lines [N, L] have in common beyond their ring's mean, and how they differ: [N, 2 L, C, R]."""
    places = torch.cat([lines, lines + LINES], 1)[:, None, None].expand(*maps.shape[:-1], -1)
    one, other = maps.gather(-1, places).sub(profile[..., None]).movedim(-1, 1).chunk(2, 1)
    return torch.cat([(one + other) / 2, (one - other).abs()], 1)


class _Tables(NamedTuple):
    """Matrices: samples to coefficients, rings to bands, coefficients' products to forbidden power and to overlaps."""

    transform: Tensor  # [AZIMUTHS, 2 ORDERS]
    bands: Tensor  # [BANDS + 1, R]
    forbidden: Tensor  # [ORDERS, FOLDS]
    mirrors: Tensor  # [2 ORDERS, LINES]


@lru_cache
def _tables(rings: int, device: torch.device) -> _Tables:
    order = torch.arange(1, ORDERS + 1, dtype=torch.float64)
    azimuth = torch.arange(AZIMUTHS, dtype=torch.float64)[:, None] * order * (2 * math.pi / AZIMUTHS)
    line = 2 * order[:, None] * torch.arange(LINES) * (math.pi / LINES)
    radius = torch.arange(rings, dtype=torch.float64) + 0.5
    band = (torch.arange(rings) * BANDS // rings == torch.arange(BANDS)[:, None]) * radius / radius.sum()
    tables = (torch.cat([azimuth.cos(), -azimuth.sin()], 1) / AZIMUTHS, torch.cat([band, band.sum(0, keepdim=True)]),
              torch.stack([order % n != 0 for n in FOLDS], 1), torch.cat([line.cos(), -line.sin()]))
    return _Tables(*(table.float().to(device) for table in tables))
