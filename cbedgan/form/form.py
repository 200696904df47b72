"""The form of a stack: what is known of its patterns before the crystal, where disks lie and which are alike.

The shape of the net, its scale against the Ewald sphere and the symmetry of a pattern, as numbers that are measured on
training stacks and drawn from them at generation.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cbedgan.form.bright_net import bright_net
from cbedgan.form.glide import measure_glide
from cbedgan.form.indexed_net import FREEDOMS, absent_rows, free_strains, indexed_net, plane_strains
from cbedgan.form.lit_net import lit_net
from cbedgan.form.pattern_symmetry import SHARES, measure
from classifier.crystal.electron import wavelength_angstrom
from classifier.crystal.reciprocal import zolz_lattice
from classifier.foundation.config import digest
from classifier.foundation.errors import InputError
from classifier.network.pose_input import disk_radius, require_pose
from classifier.pattern.geometry import Detector
from classifier.pattern.intensity import stacks_at_once
from classifier.samples.cache import open_or_build
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import StackFile, opened
from classifier.samples.viewed import rows_of

COLUMNS = 14 + SHARES + 3 * FREEDOMS  # of a pattern
INVARIANTS = 10 + SHARES
FORMAT = 18  # of what is measured: another number where forms change
WIDEST = 8.0  # |g1|: radius of disks that no camera shows apart
FLOOR = 1e-6  # of the incident beam per pixel, where the logarithm that symmetries are measured on levels off
UNKNOWN_THICKNESS = 300.0  # Angstrom, in place of one that no column tells
LOGARITHMS = 20.0  # largest of curvatures and lengths: for any crystal and beam they are smaller
LARGEST_INDEX = 1e4


class Parts(NamedTuple):
    """The columns of forms by name.

    net: two shortest vectors [..., 2, 2] between disks that can be lit, in |g1|; radius [...] of a disk in |g1|;
    azimuth [...] in rad of a mirror line; curvature [...], ln of wavelength * thickness * |g1|^2, and g1 [...], ln of
    |g1| in 1/Angstrom; weakness [...], ln of the amplitude of weak disks, and strong [..., 3], (a, b, d) of the part of
    the net that is bright, see bright_net; glide [..., 2]: 1 where odd reflections along a net vector are absent, see
    glide; share [..., SHARES] of each symmetry, see pattern_symmetry; freedom [..., FREEDOMS, 3]: strains (xx, yy, xy)
    of the net that go with strains of size 1 of the cell, as its group has them free.
    """

    net: Tensor
    radius: Tensor
    azimuth: Tensor
    curvature: Tensor
    g1: Tensor
    weakness: Tensor
    glide: Tensor
    strong: Tensor
    share: Tensor
    freedom: Tensor


def parts(form: Tensor) -> Parts:
    """Name the columns of forms [..., COLUMNS]."""
    net, single, glide, strong, share, freedom = form.split((4, 5, 2, 3, SHARES, 3 * FREEDOMS), -1)
    radius, azimuth, curvature, g1, weakness = single.unbind(-1)
    return Parts(net.unflatten(-1, (2, 2)), radius, azimuth, curvature, g1, weakness, glide, strong, share,
                 freedom.unflatten(-1, (-1, 3)))


def joined(known: Parts) -> Tensor:
    """The forms [..., COLUMNS] of these parts."""
    single = torch.stack((known.radius, known.azimuth, known.curvature, known.g1, known.weakness), -1)
    return torch.cat((known.net.flatten(-2), single, known.glide, known.strong, known.share, known.freedom.flatten(-2)),
                     -1)


def invariants(form: Tensor) -> Tensor:
    """What forms [B, C, COLUMNS] say whichever way the patterns are turned or mirrored, [B, C * INVARIANTS].

    Lengths of the net's vectors (log), cosine between their lines, radius, curvature, |g1|, weakness, how many of the
    net's points one bright point stands for (log), glides, and the shares of symmetry.
    """
    known = parts(form)
    first, second = known.net.unbind(-2)
    one, other = first.norm(dim=-1), second.norm(dim=-1)
    cosine = (first * second).sum(-1).abs() / (one * other)
    weak = (known.strong[..., 0] * known.strong[..., 2]).log()
    numbers = (one.log(), other.log(), cosine, known.radius, known.curvature, known.g1, known.weakness, weak)
    return torch.cat((torch.stack(numbers, -1), known.glide, known.share), -1).flatten(1)


def plausible(form: Tensor) -> bool:
    """Whether forms [..., COLUMNS] can be drawn: finite, nets that span a plane, and all else in its bounds."""
    known = parts(form)
    length = known.net.norm(dim=-1)
    within = torch.stack((known.curvature, known.g1, known.weakness)).abs() <= LOGARITHMS
    a, b, d = known.strong.unbind(-1)
    return bool(form.is_floating_point() and form.isfinite().all() and (torch.linalg.det(known.net).abs() > 1e-4).all()
                and (length > 1e-2).all() and (length < 1e3).all() and (known.radius > 0).all()
                and (known.radius <= WIDEST).all() and within.all() and (known.share >= 0).all()
                and (known.share <= 1).all() and ((known.glide == 0) | (known.glide == 1)).all()
                and (known.strong == known.strong.round()).all() and (known.strong <= LARGEST_INDEX).all()
                and (a >= 1).all() and (b >= 0).all() and (d > b).all() and (known.freedom.abs() <= 1).all())


def measure_forms(stacks: Path | StackFile, sample_ids: Sequence[str], cache: Path | None = None) -> Tensor:
    """Forms float32 [N, 3, COLUMNS] of samples of a stack file in canonical pose, whose cells are known.

    cache: folder that keeps them for the next time; the values are the same.
    """
    with opened(stacks) as file:
        rows, size = rows_of(file, sample_ids), file.detector.size_pixels
        table = file.table.take(rows)
        require_pose(table, pose=file.pose, source=file.path)
        at_once = stacks_at_once((3, size, size))
        starts = range(0, len(rows), at_once)
        blocks = (_measured(file.read(rows[start : start + at_once]),
                            table.take(np.arange(start, min(start + at_once, len(rows)))), file.detector,
                            source=file.path).numpy() for start in starts)
        if cache is None:
            return torch.from_numpy(np.concatenate(list(blocks)))
        key = {"stacks": file.digest, "forms": FORMAT, "samples": digest(list(sample_ids))}
        return open_or_build(cache, name=f"{file.path.stem}-forms", key=key, shape=(len(rows), 3, COLUMNS),
                             blocks=blocks).x.clone()


def _measured(stacks: np.ndarray, table: SampleTable, detector: Detector, *, source: object) -> Tensor:
    radius = disk_radius(table)
    for row in np.flatnonzero(~((radius > 0) & (radius <= WIDEST)).all(1))[:1]:
        raise InputError(source=f"{source}, sample {table.sample_id[row]}", value=radius[row].round(3).tolist(),
                         rule=f"the radius of disks must be above 0 and at most {WIDEST:g} times the shortest g",
                         remedy="Correct convergence_semi_angle_mrad or shortest_g_inv_angstrom.")
    nets, strong, weakness = (np.empty((len(table), 3, *shape)) for shape in ((2, 2), (3,), ()))
    for row, k in np.ndindex(len(table), 3):
        cell = zolz_lattice(table.cell_lengths_angstrom[row], table.cell_angles_degree[row],
                            table.zone_axis_uvw[row, k]) / table.shortest_g_inv_angstrom[row, k]
        one = float(radius[row, k])
        lit = lit_net(stacks[row, k], detector, cell, one,
                      source=f"{source}, sample {table.sample_id[row]}, pattern {k}")
        nets[row, k], strong[row, k], weakness[row, k] = bright_net(stacks[row, k], detector, lit, one)
    absent, freedom = _told(table, nets * table.shortest_g_inv_angstrom[..., None, None])
    g1 = table.shortest_g_inv_angstrom
    thickness = np.where(np.isfinite(table.thickness_angstrom), table.thickness_angstrom, UNKNOWN_THICKNESS)
    wavelength = np.array([wavelength_angstrom(energy) for energy in table.beam_energy_kev])
    known = (radius, np.log(wavelength[:, None] * thickness * g1**2), np.log(g1), weakness)
    radii, curvature, g1, weak = (torch.from_numpy(column).float().flatten() for column in known)
    net, bright = (torch.from_numpy(column).float().flatten(0, 1) for column in (nets, strong))
    half_width = detector.size_pixels * detector.pixel_size / 2
    intensity = torch.from_numpy(np.asarray(stacks, dtype=np.float32)).flatten(0, 1).clamp(min=0)
    x, inside = _level_and_shape((intensity / FLOOR).log1p(), net, radii, half_width=half_width)
    azimuth, share = measure(x, inside, net)
    told, free = torch.from_numpy(absent).flatten(0, 1), torch.from_numpy(freedom).float().flatten(0, 1)
    glide = measure_glide(intensity, net, radii, azimuth, share, told, half_width=half_width)
    return joined(Parts(net, radii, azimuth, curvature, g1, weak, glide, bright, share, free)).unflatten(0, (-1, 3))


def _told(table: SampleTable, nets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What cells and groups say of nets [N, 3, 2, 2] in 1/angstrom.

    Absent rows bool [N, 3, 2] and freedom [N, 3, FREEDOMS, 3], see Parts.
    """
    absent, freedom = np.zeros((len(table), 3, 2), dtype=bool), np.zeros((len(table), 3, FREEDOMS, 3))
    for row, group in enumerate(table.space_group):
        cell = table.cell_lengths_angstrom[row], table.cell_angles_degree[row]
        strains = free_strains(group, *cell)
        for k, net in enumerate(nets[row]):
            indexed = indexed_net(*cell, table.zone_axis_uvw[row, k], net)
            absent[row, k] = absent_rows(group, indexed)
            freedom[row, k] = plane_strains(strains, indexed, net)
    return absent, freedom


def _level_and_shape(x: Tensor, net: Tensor, radius: Tensor, *, half_width: float) -> tuple[Tensor, Tensor]:
    """Patterns x [N, S, S] as the mean of the disk around each pixel and the rest, [N, 2, S, S]; where both are known.

    That is well inside a disk and in the frame's circle; the level of the direct disk, the same whatever the turn, is
    left out. Where disks overlap the nearest is meant.
    """
    size = x.shape[-1]
    step = 2 * half_width / size
    axis = (torch.arange(size) + 0.5) * step - half_width
    places = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2)
    corner = (places @ torch.linalg.inv(net)).floor()
    corners = corner[:, None] + torch.cartesian_prod(torch.arange(2.0), torch.arange(2.0))[:, None]
    distance, nearest = (places - corners @ net[:, None]).norm(dim=-1).min(1)
    index = corners.gather(1, nearest[:, None, :, None].expand(-1, 1, -1, 2)).squeeze(1).long()
    lit = (distance + step / 2 <= radius[:, None]).float().unflatten(1, (1, size, size))
    lit = (1 - functional.max_pool2d(1 - lit, 3, 1, 1)).flatten(1) * (places.norm(dim=-1) < half_width - 1.5 * step)

    reach = int(index.abs().max())
    disk = (index[..., 0] + reach) * (2 * reach + 1) + index[..., 1] + reach
    sums, pixels = (torch.zeros(len(x), (2 * reach + 1) ** 2).scatter_add(1, disk, values)
                    for values in (x.flatten(1) * lit, lit))
    level = (sums / pixels.clamp(min=1)).gather(1, disk)
    inside = torch.stack((lit * (index != 0).any(-1), lit), 1)
    return torch.stack((level, x.flatten(1) - level), 1).unflatten(2, (size, size)), inside.unflatten(2, (size, size))
