"""Glide lines of patterns: reflections that interference puts out along a line, however thick the crystal."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from cbedgan.gan.pattern_symmetry import FOLDS, MIRROR, NET_TOLERANCE

ABSENT = 0.02  # of the light of disks around it: a glide line leaves no more along the middle of an odd disk
LEAST = 1e-5  # of the incident beam per pixel: where the disks around are darker nothing can be told
PLACES = 9  # along the middle of a disk
INNER = 0.8  # of the radius
CLEAR = 1.5  # pixels from the rim of a disk to where it is dark
ODD, EVEN = (-3.0, -1.0, 1.0, 3.0), (-2.0, 2.0)


def measure_glide(x: Tensor, net: Tensor, radius: Tensor, azimuth: Tensor, share: Tensor, *, half_width: float
                  ) -> Tensor:
    """Whether odd reflections along each of the two net vectors are absent as a glide has it, 0 or 1, [N, 2].

    x: intensity [N, S, S]; net [N, 2, 2], radius [N], azimuth [N] and share [N, SHARES] as in a form. Only rectangular
    nets with a mirror line along one of their vectors, or with a four-fold axis, can have a glide. Absent disks are
    dark along g in the projection of the crystal (Gjonnes and Moodie 1965, Acta Cryst. 19, 65); where neighbours cover
    their middles nothing is found.
    """
    absent = torch.stack([_absent(x, net[:, j], net[:, 1 - j], radius, half_width) for j in (0, 1)], 1)
    angle = torch.atan2(net[..., 1], net[..., 0]) - azimuth[:, None]
    along, across = angle.sin().abs() < NET_TOLERANCE, angle.cos().abs() < NET_TOLERANCE
    fourfold = share[:, FOLDS.index(4)] > 0
    possible = ((along & across.flip(1)).any(1) | fourfold) & (share[:, MIRROR] > 0)
    absent &= possible[:, None]
    return torch.where(fourfold[:, None], absent.all(1, keepdim=True), absent).float()


def _absent(x: Tensor, own: Tensor, other: Tensor, radius: Tensor, half_width: float) -> Tensor:
    """Whether odd multiples of vectors own [N, 2] are dark along their middles and disks around are not, bool [N]."""
    length, pixel = own.norm(dim=1), 2 * half_width / x.shape[-1]
    free = length - radius - CLEAR * pixel  # from the middle of a disk to the light of the next one on the line
    reach = (own / length[:, None]) * torch.minimum(free, INNER * radius)[:, None]
    along = torch.linspace(-1, 1, PLACES)

    def middles(g: Tensor) -> tuple[Tensor, Tensor]:
        """Mean light along the middles of disks g [N, M, 2], and whether these lie in the frame, [N, M]."""
        places = g[:, :, None] + along[:, None] * reach[:, None, None]
        light = functional.grid_sample(x[:, None], places / half_width, align_corners=False).mean((1, 3))
        return light, g.abs().amax(-1) + radius[:, None] / 3 < half_width

    odd, even = (torch.tensor(steps)[:, None] * own[:, None] for steps in (ODD, EVEN))
    dark, seen = middles(odd)
    light, known = middles(torch.cat((even, odd + other[:, None], odd - other[:, None]), 1))
    usual = (light * known).sum(1) / known.sum(1).clamp(min=1)
    return (free > 0) & seen.any(1) & (usual > LEAST) & ((dark * seen).amax(1) < ABSENT * usual)
