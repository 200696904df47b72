"""Which disks of a pattern's net are bright: the rest are weak, and hold light only where no bright one covers them."""

import math
from typing import NamedTuple

import numpy as np
import torch

from classifier.crystal.reciprocal import reduced_basis
from classifier.pattern.disk_lattice import pixel_vectors
from classifier.pattern.geometry import Detector
from classifier.pattern.pose import SAMPLED_RADIUS

FACTORS = (1, 2, 3, 4)  # of how many points of the net one is bright
WEAK = 0.05  # of the mean light of bright disks: less is left where only others are
DARK = 1e-3  # of it: nothing is left, and nothing is seen of what there is
NEAREST = 0.97  # |g1|: g1 is the shortest g that is visible, so that shorter ones are weak
DIRECT = 1e-3  # |g1|
FEWEST = 12  # pixels that tell
ALL = (1, 0, 1)  # every point of a net


class BrightNet(NamedTuple):
    """Reduced net [2, 2]; the bright part of it as (a, b, d), spanned by a n1 + b n2 and d n2; weakness: ln of the
    amplitude of weak disks over that of bright ones."""

    net: np.ndarray
    part: tuple[int, int, int]
    weakness: float


def is_weak(index: torch.Tensor, length: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
    """Whether points of index [..., 2] and length [...], in |g1|, of a net are off its part [..., 3] or before g1."""
    (h, k), (a, b, d) = index.unbind(-1), part.unbind(-1)
    off = (h % a != 0) | ((k - (h / a).floor() * b) % d != 0)
    return off | ((length > DIRECT) & (length < NEAREST))


def bright_net(pattern: np.ndarray, detector: Detector, net: np.ndarray, radius: float) -> BrightNet:
    """The coarsest part of the net [2, 2], in |g1|, of a canonical pattern [S, S] that leaves other disks nearly dark.

    g1 belongs to it. The light left where only other disks are, over that of bright disks, says how weak they are;
    where there is none the bright part is all of the net. Where bright disks cover all places nothing can be told:
    then all disks are bright that are no nearer than g1.
    """
    stride = max(1, int(radius / detector.pixel_size / SAMPLED_RADIUS))
    light = np.maximum(np.asarray(pattern, dtype=np.float32), 0)[::stride, ::stride]
    light = torch.from_numpy((light - np.percentile(light, 2)).ravel())
    places = torch.from_numpy(pixel_vectors(detector.size_pixels)[::stride, ::stride].reshape(-1, 2)
                              * detector.pixel_size).float()
    basis = torch.from_numpy(net).float()
    index = _in_frame(net, detector.size_pixels * detector.pixel_size / 2 + radius)
    g = index @ basis
    length, distance = g.norm(dim=1), torch.cdist(places, g)
    reached, inside = (distance < radius + way * detector.pixel_size for way in (1, -0.5))
    direct = length < DIRECT
    clear = ~reached[:, direct].any(1)
    parts = [(a, b, factor // a) for factor in FACTORS for a in range(1, factor + 1) if factor % a == 0
             for b in range(factor // a)]
    weak = is_weak(index[:, None], length[:, None], torch.tensor(parts))  # [points, parts]
    weak_alone = clear[:, None] & (inside.float() @ weak.float() > 0) & (reached.float() @ (~weak).float() == 0)
    bright = clear[:, None] & (inside.float() @ (~weak & ~direct[:, None]).float() > 0)
    left, full = ((light[:, None] * where).sum(0) / where.sum(0).clamp(min=1) for where in (weak_alone, bright))
    share = left / full.clamp(min=torch.finfo(torch.float32).tiny)
    told = (weak_alone.sum(0) >= FEWEST) & (full > 0)
    g1 = (g - torch.tensor([1.0, 0.0])).norm(dim=1).argmin()
    possible = told & ~weak[g1] & (share < WEAK)
    best = 0
    for factor in FACTORS[1:]:
        some = [k for k, (a, _, d) in enumerate(parts) if a * d == factor and possible[k]]
        best = min(some, key=lambda k: float(share[k]), default=best)
    a, b, d = parts[best]
    if best and share[best] <= DARK:
        return BrightNet(reduced_basis(np.array([[a, b], [0, d]]) @ net), ALL, math.log(DARK) / 2)
    return BrightNet(net, parts[best], math.log(min(max(float(share[best]), DARK), 1) if told[best] else WEAK) / 2)


def _in_frame(net: np.ndarray, reach: float) -> torch.Tensor:
    """Index float32 [P, 2] of the points of a net within `reach` of the origin along both axes."""
    most = np.ceil(reach * np.sqrt(2) * np.linalg.norm(np.linalg.inv(net), axis=0))
    index = torch.cartesian_prod(*(torch.arange(-float(side), float(side) + 1) for side in most))
    return index[(index @ torch.from_numpy(net).float()).abs().amax(1) < reach]
