"""Symmetry of a tilted pattern: it goes through the zone axis beside the direct beam, and holds where disks overlap.

A beam tilted by t from the zone axis lights each disk g with directions about t. A turn or mirror of the axis takes the
place P of the pattern to its image about the zone axis, but disks onto disks about the direct beam: so places are
compared where both they and their images lie in disks (Buxton et al. 1976, Phil. Trans. R. Soc. A 281, 171, of on-axis
disks; the shift is geometry). The place of the axis is where the comparison is best.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from classifier.explanation.residuals import FOLDS, LINES, MODES
from classifier.pattern.disk_lattice import DiskLattice, nearest_lattice_point

RINGS, AZIMUTHS = 32, 240  # a multiple of 12: turns of 2, 3, 4 and 6 map samples on samples
SEARCH_RINGS, SEARCH_AZIMUTHS = 20, 120
EDGE = 1.5  # pixels inside a disk's edge that its blur changes
REACH = 0.45  # how far from the direct beam an axis is looked for, in radii of a disk
STEPS = (0.5, 0.125)  # pixels, of the search and of the search around its best
LEAST_SHARED = 0.35  # of the places in disks that a turn or mirror must take into disks


class AboutAxis(NamedTuple):
    """Of M places of the axis, float64. turn: [M, 4] of the FOLDS; mirror: [M, LINES]: shares of the variation that
    each symmetry forbids, 1 where too little can be compared; noise: [M], the share of the variation that counting is.
    """

    turn: Float[Tensor, "M 4"]
    mirror: Float[Tensor, "M lines"]
    noise: Float[Tensor, " M"]


class ZoneAxis(NamedTuple):
    """place: (x, y) in pixels from the middle of the frame; turn, mirror, noise: about it, as in AboutAxis."""

    place: Float[np.ndarray, " 2"]
    turn: Float[np.ndarray, " 4"]
    mirror: Float[np.ndarray, " lines"]
    noise: float

    @property
    def deviation(self) -> float:
        """By how much counting scatters the shares."""
        return self.noise / max(1 - self.noise, 1e-3) * math.sqrt(2 / MODES)


def best_axes(x: Float[Tensor, "H H"], variance: Float[Tensor, "H H"], lattice: DiskLattice, field: float
              ) -> dict[str, ZoneAxis]:
    """The places about which one pattern is least unlike its turns, "2" to "6", and its mirror image, "m".

    Parameters
    ----------
    x, variance : the pattern, and what counting scatters it by, squared
    lattice : of its disks, in pixels from the middle of the frame
    field : in pixels, how far from the middle something was measured
    """
    middle = torch.as_tensor(np.asarray(lattice.centre), dtype=torch.float64)
    best = {}
    coarse = _places(REACH * lattice.radius, STEPS[0]) + middle
    search = (SEARCH_RINGS, SEARCH_AZIMUTHS)
    seen = about(x, variance, lattice, coarse, field, *search)
    for number, name in enumerate([*map(str, FOLDS), "m"]):
        top = coarse[_residual(seen, number).argmin()]
        fine = _places(STEPS[0], STEPS[1]) + top
        finer = about(x, variance, lattice, fine, field, *search)
        place = fine[_residual(finer, number).argmin()][None]
        there = about(x, variance, lattice, place, field)
        best[name] = ZoneAxis(place[0].numpy(), there.turn[0].numpy(), there.mirror[0].numpy(), float(there.noise[0]))
    return best


def about(x: Float[Tensor, "H H"], variance: Float[Tensor, "H H"], lattice: DiskLattice, axes: Float[Tensor, "M 2"],
          field: float, rings: int = RINGS, azimuths: int = AZIMUTHS) -> AboutAxis:
    """Residuals of one pattern about each of these places (x, y) in pixels from the middle, disks within disks."""
    half = x.shape[-1] / 2
    most = min(field, half - 1) - float(axes.norm(dim=1).max())
    angle = torch.arange(azimuths, dtype=torch.float64) * (2 * math.pi / azimuths)
    radius = (torch.arange(rings, dtype=torch.float64)[:, None] + 0.5) * (most / rings)
    places = torch.stack([radius * angle.cos(), radius * angle.sin()], -1) + axes[:, None, None]
    off = nearest_lattice_point(places.numpy() - np.asarray(lattice.centre), lattice.basis)[1]
    inside = torch.from_numpy((off < lattice.radius - EDGE).astype(np.float64))
    both = torch.stack([x, variance]).double()[None].expand(len(axes), -1, -1, -1)
    value, noise = F.grid_sample(both, places / half, align_corners=False).unbind(1)
    area = inside.sum(-1, keepdim=True)
    value = inside * (value - (inside * value).sum(-1, keepdim=True) / area.clamp(min=1))
    parts = [torch.fft.rfft(part) for part in (inside, value, value.square(), inside * noise)]
    weight = radius / radius.sum()
    turned, mirrored = (_compared(parts, weight, azimuths, mirrored=which) for which in (False, True))
    whole = turned.shared[:, :1]
    turns = []
    for n in FOLDS:
        steps = [k * azimuths // n for k in range(1, n)]
        share = 1 - (1 + turned.likeness[:, steps].sum(1)) / n
        turns.append(torch.where(turned.shared[:, steps].amin(1) > LEAST_SHARED * whole[:, 0], share, 1.0))
    mirror = torch.where(mirrored.shared > LEAST_SHARED * whole, (1 - mirrored.likeness) / 2, 1.0)
    return AboutAxis(torch.stack(turns, 1), mirror, turned.noise)


class _Compared(NamedTuple):
    """Of places that lie in disks before and after each turn by a step of azimuth, or mirror in each of LINES.

    shared: their area; likeness: of the values there, 1 where they are the same but for noise; noise: [M], the part
    of the whole pattern's variation that counting makes.
    """

    shared: Float[Tensor, "M K"]
    likeness: Float[Tensor, "M K"]
    noise: Float[Tensor, " M"]


def _compared(parts: list[Tensor], weight: Tensor, azimuths: int, *, mirrored: bool) -> _Compared:
    """Compare by products of the azimuthal transforms of mask, values in it, their squares and their variance."""
    within, light, power, scatter = parts

    def overlap(one: Tensor, other: Tensor) -> Tensor:
        if not mirrored:
            return torch.fft.irfft((weight * one.conj() * other).sum(1), n=azimuths)
        spectrum = (weight * one * other).sum(1)
        spectrum[:, -1] /= 2  # the highest order stands for itself and its negative
        return torch.fft.irfft(spectrum, n=LINES) * (LINES / azimuths)

    def mean(part: Tensor) -> Tensor:
        return (overlap(part, within) + overlap(within, part)) / 2

    variation, by_counting = mean(power), mean(scatter)
    clean = (variation - by_counting).clamp(min=1e-3 * variation.abs() + 1e-12)
    return _Compared(overlap(within, within), overlap(light, light) / clean,
                     by_counting[:, 0] / variation[:, 0].clamp(min=1e-12))


def _residual(seen: AboutAxis, number: int) -> Tensor:
    """Of each place: of one of the FOLDS, or the best mirror line's."""
    return seen.turn[:, number] if number < len(FOLDS) else seen.mirror.amin(1)


def _places(reach: float, step: float) -> Float[Tensor, "M 2"]:
    """Points of a square grid within this distance of its middle."""
    count = int(reach / step)
    side = torch.arange(-count, count + 1, dtype=torch.float64) * step
    grid = torch.stack(torch.meshgrid(side, side, indexing="xy"), -1).flatten(0, 1)
    return grid[grid.norm(dim=1) <= reach + 1e-9]
