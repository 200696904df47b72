"""What the disks of training stacks look like: the scale on which a generator of disks begins."""

from __future__ import annotations

import torch
from torch import Tensor

from cbedgan.gan.disk_layout import DiskLayout, lay_out, neighbours, nodes
from cbedgan.gan.form import parts
from cbedgan.gan.zernike import moved, polynomials

WHOLE = 0.75  # of the pixels of the largest disk: the frame may cut the rest off
RIDGE = 1e-2  # of a disk's pixels, so that few pixels cannot ask for steep contents
COVERED = 0.4  # of a pixel by the aperture, for its content to be known: without the rim fits would run wild there
DARK = 2e-5  # mean intensity, of the incident beam per pixel, of disks that are not looked at
APART = 0.97  # |g1|: in finer nets disks overlap, and none is seen alone
STACKS_AT_ONCE = 16
DIRECT = 1e-3  # |g| / |g1| below which a disk is the direct one


def disk_statistics(intensity: Tensor, form: Tensor, *, order: int, half_width: float
                    ) -> tuple[Tensor, Tensor, Tensor]:
    """Level [2, 2], ln contrast [2, 2] and shape [2, 2, 2 K] of diffracted disks and of the direct one.

    Of Zernike coefficients of ln intensity, with azimuths from that of g on: level is the first one, contrast the norm
    of the others, shape these over their norm. The second index tells mean and spread. intensity: [N, C, S, S]; form:
    [N, C, COLUMNS].
    """
    table, found, direct = polynomials(order, nodes()), [], []
    for images, forms in zip(intensity.split(STACKS_AT_ONCE), form.split(STACKS_AT_ONCE), strict=True):
        layout = lay_out(forms, size=intensity.shape[-1], half_width=half_width)
        apart = parts(forms.flatten(0, 1)).net.norm(dim=-1).amin(1) > APART
        coefficients, usable = _fitted(images, layout, table)
        usable &= apart[layout.pattern]
        g = layout.image_g[torch.searchsorted(layout.image_disk, torch.arange(len(layout.pattern)))]  # of the identity
        azimuth = torch.atan2(g[:, 1], g[:, 0])
        found.append(moved(coefficients, order, azimuth, torch.zeros_like(usable))[usable])
        direct.append(g.norm(dim=1)[usable] < DIRECT)
    coefficients, is_direct = torch.cat(found), torch.cat(direct)
    statistics = [_statistics(coefficients[chosen]) for chosen in (~is_direct, is_direct)]
    level, contrast, shape = (torch.stack(column) for column in zip(*statistics, strict=True))
    return level, contrast, shape


def total_statistics(intensity: Tensor) -> Tensor:
    """Mean and standard deviation [2] of ln of the light in a pattern of intensity [N, C, S, S]."""
    total = intensity.sum((2, 3)).clamp(min=1e-12).log()
    return torch.stack((total.mean(), total.std()))


def _fitted(images: Tensor, layout: DiskLayout, table: Tensor) -> tuple[Tensor, Tensor]:
    """Ridge fits [D, 2 K] to ln of all disks, and which of them are whole and bright, bool [D]."""
    full = layout.pixel_cover >= COVERED
    disk, place = layout.pixel_disk[full], layout.pixel_place[full]
    pixels = torch.bincount(disk, minlength=len(layout.pattern))
    light = images.reshape(-1)[place].clamp(min=0) / layout.pixel_cover[full]
    mean = light.new_zeros(len(pixels)).index_add(0, disk, light) / pixels.clamp(min=1)
    usable = (pixels >= WHOLE * pixels.max()) & (mean > DARK)
    # Pixels of a disk follow each other: its rows are brought side by side, padded with zeros.
    within = torch.arange(len(disk)) - torch.searchsorted(disk, disk)
    rows = table.new_zeros(len(pixels), int(pixels.max()), table.shape[1])
    values = light.new_zeros(rows.shape[:2])
    rows[disk, within] = sum(weight[full, None] * table[node[full]]
                             for weight, node in zip(layout.pixel_weight, neighbours(layout), strict=True))
    values[disk, within] = (light + DARK / 20).log()
    square = rows.transpose(1, 2) @ rows + RIDGE * pixels.max() * torch.eye(table.shape[1])
    return torch.linalg.solve(square, (rows.transpose(1, 2) @ values[..., None]).squeeze(-1)), usable


def _statistics(coefficients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    if len(coefficients) < 2:
        return torch.tensor((0.0, 1.0)), torch.tensor((0.0, 1.0)), torch.tensor(((0.0,), (1.0,))).repeat(
            1, coefficients.shape[1])
    level, rest = coefficients[:, 0], coefficients[:, 1:]
    contrast = rest.norm(dim=1).clamp(min=1e-6)
    # Every disk counts by its contrast: the shape of a flat one is noise.
    mean = rest.sum(0) / contrast.sum()
    spread = ((rest.square() / contrast[:, None]).sum(0) / contrast.sum() - mean.square()).clamp(min=0).sqrt()
    moments = (torch.stack((values.mean(), values.std())) for values in (level, contrast.log()))
    return *moments, torch.nn.functional.pad(torch.stack((mean, spread)), (1, 0))
