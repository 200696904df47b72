"""How far a pattern is from every turn and mirror of its own, band by band; and its best mirror lines, at any angle.

In canonical pose a mirror line of a centred lattice may have any azimuth: twelve fixed lines would miss it.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from classifier.features.polar import BANDS, FLAT, ORDERS, PolarPatterns, over_bands

FOLDS = (2, 3, 4, 6)
LINES = 180  # one a degree, from +x on
TOP = 2  # of the best mirror lines that are kept
APART = 9  # degrees between two of these, at least
WINDOW, WINDOWS = 15, 12  # degrees in which the best line is searched, and windows of a half circle
SHOWN_ORDERS = 24  # whose shares in the variation stand by themselves
SMALLEST_SHARE = 1e-4  # of a pattern's variation: less is noise

BAND_NAMES = (*(f"band {k + 1} of {BANDS}" for k in range(BANDS)), "the whole pattern")


class Likeness(NamedTuple):
    """Shares of the azimuthal variation of each band: of each order, and what n-fold axes and mirror lines forbid.

    best: degrees of the whole pattern's best mirror lines, the first the best.
    """

    total: Float[Tensor, "B C bands"]
    orders: Float[Tensor, "B C bands orders"]
    turns: Float[Tensor, "B C bands folds"]
    mirrors: Float[Tensor, "B C bands lines"]
    best: Int[Tensor, "B C top"]


def likeness(polar: PolarPatterns) -> Likeness:
    """Compare patterns with their own turned and mirrored copies; differentiable but for the choice of lines."""
    coefficients = polar.spectrum
    power = over_bands(2 * torch.view_as_real(coefficients).square().sum(-1))[..., 1:]
    overlap = over_bands(2 * coefficients.square())[..., 1:]
    total = power.sum(-1, keepdim=True) + FLAT
    turns = (power @ _forbidden(power.device)) / total
    # The mirrored pattern has the coefficients conj(c_m) exp(-2 i m line): its overlap is a Fourier sum of c_m^2.
    mirrors = (total - (overlap @ _waves(power.device)).real) / 2 / total
    return Likeness(total.squeeze(-1), power[..., :SHOWN_ORDERS] / total, turns, mirrors, best_lines(mirrors[:, :, -1]))


def best_lines(unlike: Float[Tensor, "B C lines"]) -> Int[Tensor, "B C top"]:
    """The TOP lines, in degrees, under whose mirror a pattern is least unlike itself, APART from each other."""
    best, line = [], torch.arange(LINES, device=unlike.device)
    for _ in range(TOP):
        best.append(unlike.argmin(-1, keepdim=True))
        apart = (line - best[-1] + LINES // 2) % LINES - LINES // 2
        unlike = torch.where(apart.abs() < APART, torch.inf, unlike)
    return torch.cat(best, -1)


def symmetry_entries(seen: Likeness) -> tuple[list[str], Tensor]:
    """Names of F features, and float32 [B, C, F]: logarithms of shares, and angles between the best lines."""
    half = WINDOW // 2
    wrapped = torch.cat([seen.mirrors[..., -half:], seen.mirrors, seen.mirrors[..., :half]], -1)
    windows = wrapped.unfold(-1, WINDOW, WINDOW).amin(-1)
    normal = (seen.best[..., :1] + LINES // 2) % LINES
    along = [seen.mirrors.gather(-1, line[:, :, None, None].expand(-1, -1, BANDS + 1, 1))
             for line in (*seen.best.unbind(-1), normal[..., 0])]
    shares = {**{f"order {m + 1}": seen.orders[..., m] for m in range(SHOWN_ORDERS)},
              **{f"forbidden by a {n}-fold axis": seen.turns[..., k] for k, n in enumerate(FOLDS)},
              **{f"forbidden by a mirror at {line} degrees": seen.mirrors[..., line]
                 for line in range(0, LINES, WINDOW)},
              **{f"forbidden by the best mirror about {WINDOW * k} degrees": windows[..., k] for k in range(WINDOWS)},
              **{f"forbidden by the best mirror but {k}": value for k, value in enumerate(
                  windows.sort(-1).values[..., : WINDOWS // 2].unbind(-1))},
              **{f"forbidden by a mirror at {what}": value[..., 0] for what, value in zip(
                  (*(f"best line {k + 1}" for k in range(TOP)), "the normal of best line 1"), along, strict=True)}}
    names = [f"share {what}, {band}" for what in shares for band in BAND_NAMES]
    values = (torch.stack(list(shares.values()), -2).clamp(min=0) + SMALLEST_SHARE).log().flatten(-2)
    first = seen.best[..., :1]
    angles = torch.cat([((seen.best[..., 1:] - first) % LINES) / LINES, (first - LINES // 2).abs() / (LINES // 2)], -1)
    return ([*(f"variation of {band}" for band in BAND_NAMES), *names, "angle from best line 1 to 2",
             "angle of best line 1 from g1's normal"], torch.cat([seen.total.log(), values, angles], -1))


@lru_cache
def _forbidden(device: torch.device) -> Tensor:
    """1 where an n-fold axis forbids an order, float32 [ORDERS, len(FOLDS)]."""
    order = torch.arange(1, ORDERS + 1, device=device)
    return torch.stack([(order % n != 0).float() for n in FOLDS], -1)


@lru_cache
def _waves(device: torch.device) -> Tensor:
    """exp(2 i m line) of each order and line, complex64 [ORDERS, LINES]."""
    order = torch.arange(1, ORDERS + 1, dtype=torch.float64)
    line = torch.arange(LINES, dtype=torch.float64) * (math.pi / LINES)
    return torch.polar(torch.ones(ORDERS, LINES, dtype=torch.float64), 2 * order[:, None] * line).to(device,
                                                                                                torch.complex64)
