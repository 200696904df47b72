"""How far from the middle the disks of canonical patterns lie: what two sections of one reciprocal lattice share."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

DISK_RADIUS = 0.475  # of a disk, in |g1|: as large as disks are that nearly touch
MOST = 12  # disks of a pattern that are kept, the clearest ones; of each and its opposite one
NEAREST, FARTHEST = 0.85, 2.6  # distances that are looked at, in |g1|
DARK = 2e-5  # of a pattern's maximum: below it nothing counts as light
LEAST_CLEAR = 0.05  # of the clearest disk
TOLERANCES = (0.004, 0.01, 0.025)  # relative, of two distances


class DiskDistances(NamedTuple):
    """Distances of disks from the middle in |g1| and how clear each disk is, 0..1 (0: none), float32 [N, 3, MOST]."""

    distance: Tensor
    clearness: Tensor


def disk_distances(intensity: Float[Tensor, "N 3 S S"], *, shortest_g_pixels: float) -> DiskDistances:
    """Find disks as places that are brighter than the ring around them, of a pattern and its half turn together.

    A disk that the frame cuts counts by its part inside. Batched; no lattice is fitted, so that nothing can fail.
    """
    lit = torch.log1p(intensity / (DARK * intensity.amax((-1, -2), keepdim=True) + 1e-30)).flatten(0, 1)[:, None]
    radius, size = DISK_RADIUS * shortest_g_pixels, intensity.shape[-1]
    template = _disk_and_ring(radius)
    reach = template.shape[-1] // 2
    inside = F.conv2d(torch.ones(1, 1, size, size), template, padding=reach)

    def brighter(values: Tensor) -> Tensor:
        disk, ring = (F.conv2d(values, template, padding=reach) / inside).unbind(1)
        return (disk - ring + (disk - ring).flip(-1, -2))[:, None] / 2

    level, edges = brighter(lit), brighter(lit.square() / (1 + lit.square()))
    window = 2 * int(0.6 * radius) + 1
    side = torch.arange(size) - size / 2 + 0.5
    top = (level == F.max_pool2d(level, window, 1, window // 2)) & (level > 0) & (side[:, None] > 0)
    around = F.pad(level, (1, 1, 1, 1), mode="replicate")
    x = side + _parabola_top(around[..., 1:-1, :-2], level, around[..., 1:-1, 2:])
    y = side[:, None] + _parabola_top(around[..., :-2, 1:-1], level, around[..., 2:, 1:-1])
    distance = torch.hypot(x, y) / shortest_g_pixels
    there = top & (distance > NEAREST) & (distance < FARTHEST)
    clear = torch.where(there, edges / edges.amax((-1, -2), keepdim=True).clamp(min=1e-6), 0.0).flatten(1)
    best, place = clear.topk(MOST, dim=1)
    best = torch.where(best > LEAST_CLEAR, best, 0.0)
    return DiskDistances(*(values.unflatten(0, intensity.shape[:2])
                           for values in (distance.flatten(1).gather(1, place), best)))


def shared_distances(disks: DiskDistances, shortest_g: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3 4"]:
    """How well each two patterns (0 1, 0 2, 1 2) share a distance from the middle, in 1/angstrom.

    Two zero-order Laue zones of one crystal meet in a row of the reciprocal lattice, so that both show its disks at the
    same distance. For each of three tolerances the clearest agreement, -1..1; the logarithm of the least difference.

    Parameters
    ----------
    disks : of the patterns
    shortest_g : |g1| of each pattern in 1/angstrom
    """
    place = disks.distance.log() + shortest_g.log()[..., None]
    pairs = []
    for i, j in ((0, 1), (0, 2), (1, 2)):
        clear = (disks.clearness[:, i, :, None] * disks.clearness[:, j, None, :]).sqrt().flatten(1)
        apart = (place[:, i, :, None] - place[:, j, None, :]).abs().flatten(1)
        apart = torch.where(clear > LEAST_CLEAR, apart, 1.0).clamp(max=1.0)
        pairs.append(torch.stack([*(2 * (clear * (-(apart / width).square() / 2).exp()).amax(1) - 1
                                    for width in TOLERANCES), (apart.amin(1) + 2e-3).log() / 2 + 1.5], -1))
    return torch.stack(pairs, 1)


def _disk_and_ring(radius: float) -> Tensor:
    """A disk and the ring around it, float32 [2, 1, size, size], in pixels."""
    reach = math.ceil(1.4 * radius) + 1
    side = torch.arange(-reach, reach + 1).float()
    distance = torch.hypot(side, side[:, None])
    disk = (radius + 0.5 - distance).clamp(0, 1)
    return torch.stack([disk, (1.4 * radius + 0.5 - distance).clamp(0, 1) - disk])[:, None]


def _parabola_top(before: Tensor, at: Tensor, after: Tensor) -> Tensor:
    """Offset of the top of the parabola through three neighbouring values, in steps, within half a step."""
    return ((after - before) / (2 * (2 * at - before - after).clamp(min=1e-9))).clamp(-0.5, 0.5)
