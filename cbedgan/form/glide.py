"""Glide lines of patterns: reflections that interference puts out along a line, however thick the crystal.

The space group says where they are; the picture, where it shows the reflections, decides.
"""

import torch
from torch import Tensor
from torch.nn import functional

from cbedgan.form.pattern_symmetry import FOLDS, MIRROR, NET_TOLERANCE

ABSENT = 0.02  # of the light of disks around it: a glide line leaves no more along the middle of an odd disk
VISIBLE = 0.3  # of the light beside it: more along the middle of an odd disk is no glide line
LEAST = 1e-5  # of the incident beam per pixel: where the light around is weaker nothing can be told
PLACES = 9  # along the middle of a disk
INNER, BESIDE = 0.8, 0.6  # of the radius: how far along the middle, how far from it
CLEAR = 1.5  # pixels from the rim of a disk to where it is dark
ODD, EVEN = (-3.0, -1.0, 1.0, 3.0), (-2.0, 2.0)


def measure_glide(x: Tensor, net: Tensor, radius: Tensor, azimuth: Tensor, share: Tensor, told: Tensor, *,
                  half_width: float) -> Tensor:
    """Whether odd reflections along each of the two net vectors are absent as a glide has it, 0 or 1, [N, 2].

    x: intensity [N, S, S]; net [N, 2, 2], radius [N], azimuth [N] and share [N, SHARES] as in a form; told bool [N, 2]:
    where the space group has them absent, which is believed unless they are seen, as in a cell of another setting.
    Only rectangular nets with a mirror line along one of their vectors, or with a four-fold axis, can have a glide.
    Absent disks are dark along g in the projection of the crystal (Gjonnes and Moodie 1965, Acta Cryst. 19, 65); where
    neighbours cover their middles the picture shows nothing.
    """
    seen = [_seen(x, net[:, j], net[:, 1 - j], radius, half_width) for j in (0, 1)]
    dark, bright = (torch.stack(both, 1) for both in zip(*seen, strict=True))
    absent = dark | (told & ~bright)
    angle = torch.atan2(net[..., 1], net[..., 0]) - azimuth[:, None]
    along, across = angle.sin().abs() < NET_TOLERANCE, angle.cos().abs() < NET_TOLERANCE
    fourfold = share[:, FOLDS.index(4)] > 0
    possible = ((along & across.flip(1)).any(1) | fourfold) & (share[:, MIRROR] > 0)
    absent &= possible[:, None]
    return torch.where(fourfold[:, None], absent.all(1, keepdim=True), absent).float()


def _seen(x: Tensor, own: Tensor, other: Tensor, radius: Tensor, half_width: float) -> tuple[Tensor, Tensor]:
    """Whether odd multiples of vectors own [N, 2] are dark along their middles, and whether one is bright, bool [N].

    Dark against the disks around; bright against what lies beside the middle in the same disk. Neither where it cannot
    be told.
    """
    length, pixel = own.norm(dim=1), 2 * half_width / x.shape[-1]
    free = length - radius - CLEAR * pixel  # from the middle of a disk to the light of the next one on the line
    direction = own / length[:, None]
    reach = direction * torch.minimum(free, INNER * radius)[:, None]
    beside = BESIDE * radius[:, None] * torch.stack((-direction[:, 1], direction[:, 0]), 1)
    along = torch.linspace(-1, 1, PLACES)

    def middles(g: Tensor) -> tuple[Tensor, Tensor]:
        """Mean light along the middles of disks g [N, M, 2], and whether these lie in the frame, [N, M]."""
        places = g[:, :, None] + along[:, None] * reach[:, None, None]
        light = functional.grid_sample(x[:, None], places / half_width, align_corners=False).mean((1, 3))
        return light, g.abs().amax(-1) + radius[:, None] / 3 < half_width

    odd, even = (torch.tensor(steps)[:, None] * own[:, None] for steps in (ODD, EVEN))
    light, seen = middles(odd)
    around, known = middles(torch.cat((even, odd + other[:, None], odd - other[:, None]), 1))
    usual = (around * known).sum(1) / known.sum(1).clamp(min=1)
    dark = (free > 0) & seen.any(1) & (usual > LEAST) & ((light * seen).amax(1) < ABSENT * usual)
    side = torch.maximum(*(middles(odd + sign * beside[:, None])[0] for sign in (-1, 1)))
    bright = (seen & (side > LEAST) & (light > VISIBLE * side)).any(1) & (free > 0)
    return dark, bright
