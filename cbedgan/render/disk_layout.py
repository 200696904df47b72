"""Where the disks of a batch of forms lie: flat lists that a generator computes along, without padding."""

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

from cbedgan.form.form import parts
from cbedgan.render.beams import Beams, Points, Selection, select_beams
from cbedgan.render.constants import RenderConstants


@dataclass(frozen=True, eq=False)
class DiskLayout:
    """Beams of N patterns, and the pixels [P] that their disks light.

    radius [N] of the disks in |g1|; g1_rows [N, 2], rows of the beams g1 and -g1; pixel: row [P] of the beam, see
    beams.Selection, flat place in [N * S * S] [P], share of the pixel that the aperture covers [P], and, in the beam's
    table of nodes, the four nodes [4, P] around the pixel's middle, or around the nearest place in the aperture, and
    their weights [4, P].
    """

    groups: tuple[Beams, ...]
    points: Points
    radius: Tensor
    g1_rows: Tensor
    pixel_row: Tensor
    pixel_place: Tensor
    pixel_cover: Tensor
    pixel_node: Tensor
    pixel_weight: Tensor

    def to(self, device: torch.device) -> "DiskLayout":
        """The same on a device, without waiting for what a GPU still has to do."""
        return self if self.radius.device == device else _sent(self, device)


def lay_out(form: Tensor, *, size: int, half_width: float, nodes: int,
            constants: RenderConstants) -> DiskLayout:
    """Layout of the patterns of forms [B, C, COLUMNS] on the CPU, in a frame of size pixels and half_width |g1|.

    nodes: places along a side of the square around the aperture, see node_places.
    """
    known = parts(form.detach().cpu().flatten(0, 1))
    radius, step = known.radius, 2 * half_width / size
    beams = select_beams(known, half_width, constants)
    inside = (beams.g.abs() < half_width + radius[beams.pattern, None] + step / 2).all(1)
    pattern, g, beam = beams.pattern[inside], beams.g[inside], beams.row[inside]

    # Every disk is looked for in the square of pixels around its middle.
    side = int(torch.ceil(2 * radius.max() / step)) + 3
    corner = ((g + half_width - radius[pattern, None]) / step).floor().long() - 1
    offset = torch.arange(side)
    column, row = corner[:, :1] + offset, corner[:, 1:] + offset
    x, y = ((place + 0.5) * step - half_width - middle for place, middle in ((column, g[:, :1]), (row, g[:, 1:])))
    near = torch.hypot(x[:, None], y[:, :, None]) < radius[pattern, None, None] + constants.rim_reach_pixels * step
    near &= ((row >= 0) & (row < size))[:, :, None] & ((column >= 0) & (column < size))[:, None]
    lit, i, j = torch.nonzero(near, as_tuple=True)
    x, y, place = x[lit, j], y[lit, i], (pattern[lit] * size + row[lit, i]) * size + column[lit, j]
    cover = _cover(x / step, y / step, radius[pattern[lit]] / step, constants.samples_a_pixel)
    scale = 1 / torch.maximum(torch.hypot(x, y), radius[pattern[lit]])
    (i_u, part_u), (i_v, part_v) = (_node(at * scale, nodes) for at in (x, y))
    weight = torch.stack(((1 - part_v) * (1 - part_u), (1 - part_v) * part_u, part_v * (1 - part_u), part_v * part_u))
    node = i_v * nodes + i_u + torch.tensor([0, 1, nodes, nodes + 1])[:, None]
    return DiskLayout(beams.groups, beams.points, radius, _nearest(beams, len(radius)), beam[lit], place, cover, node,
                      weight)


def _cover(x: Tensor, y: Tensor, radius: Tensor, samples: int) -> Tensor:
    """Share [P] of pixels in middles (x, y) from the middle of a disk of `radius` that it lights, all in pixels.

    The disk is tiled as a simulator tiles it: a sample on the rim counts by the part of it that lies inside, and
    each pixel gets of each sample what it covers. samples: across a pixel.
    """
    places, parts = zip(*(_samples(middle, samples) for middle in (x, y)), strict=True)
    distance = torch.hypot(places[0][:, None], places[1][..., None])
    share = (radius[:, None, None] * samples - distance + 0.5).clamp(0, 1)
    return (share * parts[0][:, None] * parts[1][..., None]).sum((1, 2))


def _samples(middle: Tensor, samples: int) -> tuple[Tensor, Tensor]:
    """Middles [P, samples + 1], in samples, of those along an axis that a pixel covers, and their parts of it."""
    start = (middle - 0.5) * samples
    first = start.floor()
    part = torch.ones(len(middle), samples + 1)
    part[:, 0], part[:, -1] = first + 1 - start, start - first
    return first[:, None] + 0.5 + torch.arange(samples + 1), part / samples


def _nearest(beams: Selection, patterns: int) -> Tensor:
    """Rows [N, 2] of the beams nearest to (1, 0) and to (-1, 0)."""
    found = []
    for side in (1.0, -1.0):
        distance = (beams.g - torch.tensor((side, 0.0))).norm(dim=1)
        order = torch.argsort(distance, stable=True)
        order = order[torch.argsort(beams.pattern[order], stable=True)]
        first = torch.searchsorted(beams.pattern[order], torch.arange(patterns))
        found.append(beams.row[order[first]])
    return torch.stack(found, 1)


def node_places(nodes: int) -> Tensor:
    """Places [nodes * nodes, 2] in an aperture of radius 1 at which beams are tabulated; linear in between."""
    axis = torch.linspace(-1, 1, nodes)
    return torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2)


def _node(u: Tensor, nodes: int) -> tuple[Tensor, Tensor]:
    """The node [P] before u, -1..1 over the table's side, and the part [P] of the way to the next."""
    place = (u + 1) / 2 * (nodes - 1)
    before = place.floor().clamp(0, nodes - 2)
    return before.long(), place - before


def _sent(value: Any, device: torch.device) -> Any:
    """A dataclass, tuple or tensor with all its tensors on a device."""
    if isinstance(value, Tensor):
        return value.pin_memory().to(device, non_blocking=True)
    if isinstance(value, tuple):
        return tuple(_sent(part, device) for part in value)
    if is_dataclass(value):
        return type(value)(*(_sent(getattr(value, field.name), device) for field in fields(value)))
    return value
