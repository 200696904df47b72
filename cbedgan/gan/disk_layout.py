"""Where the disks of a batch of forms lie: flat lists that a generator of disks computes along, without padding."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from cbedgan.gan.form import parts
from cbedgan.gan.pattern_symmetry import operations

MOST_DISKS = 1024  # in one pattern: a forged form cannot ask for more
NODES = 32  # places along the side of the square around a disk at which contents are tabulated; linear in between
EDGE = 1.15  # half of that side in radii: pixels on the rim have their middles beyond it


@dataclass(frozen=True, eq=False)
class DiskLayout:
    """Disks [D], their images under symmetry operations [E] and the pixels they light [P], of N patterns.

    pattern [D]; image: disk [E], and its vector g [E, 2] in |g1| and index hk [E, 2], weight [E, 2], angle [E] and
    mirrored bool [E] as in pattern_symmetry; pixel: disk [P], flat place in [N * S * S] [P], share of the pixel that
    the aperture covers [P], and, in a table of NODES x NODES places of the disk, the node [P] at the lower left and
    the weights [4, P] of this node, the next one, and the two above them.
    """

    pattern: Tensor
    image_disk: Tensor
    image_g: Tensor
    image_hk: Tensor
    image_weight: Tensor
    image_angle: Tensor
    image_mirrored: Tensor
    pixel_disk: Tensor
    pixel_place: Tensor
    pixel_cover: Tensor
    pixel_node: Tensor
    pixel_weight: Tensor

    def to(self, device: torch.device) -> DiskLayout:
        """The same on a device, without waiting for what a GPU still has to do."""
        if self.pattern.device == device:
            return self
        return DiskLayout(*(getattr(self, field.name).pin_memory().to(device, non_blocking=True)
                            for field in fields(self)))


def lay_out(form: Tensor, *, size: int, half_width: float) -> DiskLayout:
    """Layout of the patterns of forms [B, C, COLUMNS] on the CPU, in a frame of size pixels and half_width |g1|."""
    net, radius, azimuth, share = parts(form.detach().cpu().flatten(0, 1))
    step = 2 * half_width / size
    index = _indices(net, half_width + float(radius.max()) + step)
    g = index @ net  # [N, H, 2]
    reach = half_width + radius[:, None] + step / 2
    pattern, which = torch.nonzero((g.abs() < reach[..., None]).all(-1), as_tuple=True)
    within = torch.arange(len(pattern)) - torch.searchsorted(pattern, pattern)
    pattern, which = pattern[within < MOST_DISKS], which[within < MOST_DISKS]
    g = g[pattern, which]

    found = operations(azimuth, share)
    disk, operation = torch.nonzero((found.weight[pattern] > 0).any(-1), as_tuple=True)
    owner = pattern[disk]
    image_g = (found.matrix[owner, operation] @ g[disk][..., None]).squeeze(-1)
    image_hk = (image_g[:, None] @ torch.linalg.inv(net)[owner]).squeeze(1)

    # Every disk is looked for in the square of pixels around its middle.
    side = int(torch.ceil(2 * radius.max() / step)) + 3
    corner = ((g + half_width - radius[pattern, None]) / step).floor().long() - 1
    offset = torch.arange(side)
    column, row = corner[:, :1] + offset, corner[:, 1:] + offset
    x, y = ((place + 0.5) * step - half_width - middle for place, middle in ((column, g[:, :1]), (row, g[:, 1:])))
    near = torch.hypot(x[:, None], y[:, :, None]) < radius[pattern, None, None] + 0.75 * step
    near &= ((row >= 0) & (row < size))[:, :, None] & ((column >= 0) & (column < size))[:, None]
    lit, i, j = torch.nonzero(near, as_tuple=True)
    x, y, place = x[lit, j], y[lit, i], (pattern[lit] * size + row[lit, i]) * size + column[lit, j]
    beyond = (torch.hypot(x + across * step / 4, y + up * step / 4) - radius[pattern[lit]]
              for across in (-1, 1) for up in (-1, 1))  # from quarters of the pixel to the rim
    cover = sum((0.5 - distance / (step / 2)).clamp(0, 1) for distance in beyond) / 4
    u, v = (at / radius[pattern[lit]] / EDGE for at in (x, y))
    (i_u, part_u), (i_v, part_v) = _node(u), _node(v)
    weight = torch.stack(((1 - part_v) * (1 - part_u), (1 - part_v) * part_u, part_v * (1 - part_u), part_v * part_u))
    return DiskLayout(pattern, disk, image_g, image_hk, found.weight[owner, operation], found.angle[owner, operation],
                      found.mirrored[owner, operation], lit, place, cover, i_v * NODES + i_u, weight)


def nodes() -> Tensor:
    """Places [NODES * NODES, 2] in a disk of radius 1 of the nodes of a layout's tables."""
    axis = torch.linspace(-EDGE, EDGE, NODES)
    return torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2)


def neighbours(layout: DiskLayout) -> list[Tensor]:
    """The four nodes [P] around each pixel, in the order of pixel_weight."""
    return [layout.pixel_node + step for step in (0, 1, NODES, NODES + 1)]


def _node(u: Tensor) -> tuple[Tensor, Tensor]:
    """The node [P] before u, -1..1 over the table's side, and the part [P] of the way to the next."""
    place = ((u + 1) / 2 * (NODES - 1)).clamp(0, NODES - 1)
    before = place.floor().clamp(max=NODES - 2)
    return before.long(), place - before


def _indices(net: Tensor, length: float) -> Tensor:
    """All pairs of integers [H, 2] that give a vector of at most sqrt(2) length in some of the nets [N, 2, 2]."""
    reach = (torch.linalg.inv(net).norm(dim=1).amax(0) * length * 2**0.5).clamp(max=64).ceil()
    first, second = (torch.arange(-float(most), float(most) + 1) for most in reach)
    return torch.cartesian_prod(first, second)
