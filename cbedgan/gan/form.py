"""The form of a stack: what is known of its patterns before their contents, where disks lie and which are alike.

Scale and azimuth are gone in canonical pose; the shape of the net and the symmetry of a pattern remain, as numbers that
are measured on training stacks and drawn from them at generation.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cbedgan.gan.pattern_symmetry import SHARES, measure
from classifier.cache import open_or_build
from classifier.config import digest
from classifier.disk_lattice import find_disk_lattice, lit_map
from classifier.errors import InputError
from classifier.geometry import Detector
from classifier.intensity import stacks_at_once
from classifier.pose import explained_share, lit_disks
from classifier.pose_input import canonical_nets, disk_radius, require_pose
from classifier.reciprocal import reduced_net, zero_layer_net
from classifier.sampletable import SampleTable
from classifier.stackfile import StackFile
from classifier.viewed import rows_of

COLUMNS = 6 + 2 * SHARES  # of a pattern
INVARIANTS = 4 + 2 * SHARES
FORMAT = 4  # of what is measured: another number where forms change
FAINT = 3e-4  # of the brightest diffracted disk: darker ones do not make a net finer
FINEST = 2.0  # pixels: disks of finer nets are not told apart
WIDEST = 8.0  # |g1|: radius of disks that no camera shows apart
FLOOR = 1e-6  # of the incident beam per pixel, where the logarithm that symmetries are measured on levels off


class Parts(NamedTuple):
    """net: two shortest vectors [..., 2, 2] between disks that can be lit, in |g1|; radius [...] of a disk in |g1|;
    azimuth [...] in rad of a mirror line; share [..., 2, SHARES] of each symmetry in how bright disks are and in what
    they show, see pattern_symmetry."""

    net: Tensor
    radius: Tensor
    azimuth: Tensor
    share: Tensor


def parts(form: Tensor) -> Parts:
    """Name the columns of forms [..., COLUMNS]."""
    net, share = form[..., :4].unflatten(-1, (2, 2)), form[..., 6:].unflatten(-1, (2, SHARES))
    return Parts(net, form[..., 4], form[..., 5], share)


def invariants(form: Tensor) -> Tensor:
    """What forms [B, C, COLUMNS] say whichever way the patterns are turned or mirrored, [B, C * INVARIANTS].

    Lengths of the net's vectors (log), cosine between their lines, radius, and the shares of symmetry.
    """
    net, radius, _, share = parts(form)
    first, second = net.unbind(-2)
    one, other = first.norm(dim=-1), second.norm(dim=-1)
    cosine = (first * second).sum(-1).abs() / (one * other)
    return torch.cat((torch.stack((one.log(), other.log(), cosine, radius), -1), share.flatten(-2)), -1).flatten(1)


def plausible(form: Tensor) -> bool:
    """Whether forms [..., COLUMNS] can be drawn: finite, nets that span a plane, radii and shares in their bounds."""
    net, radius, _, share = parts(form)
    length = net.norm(dim=-1)
    return bool(form.is_floating_point() and form.isfinite().all() and (torch.linalg.det(net).abs() > 1e-4).all()
                and (length > 1e-2).all() and (length < 1e3).all() and (radius > 0).all() and (radius <= WIDEST).all()
                and (share >= 0).all() and (share <= 1).all())


def measure_forms(stacks: Path, sample_ids: Sequence[str], cache: Path | None = None) -> Tensor:
    """Forms float32 [N, 3, COLUMNS] of samples of a stack file in canonical pose, whose cells are known.

    cache: folder that keeps them for the next time; the values are the same.
    """
    with StackFile(stacks) as file:
        rows = rows_of(file, sample_ids)
        table = file.table.take(rows)
        require_pose(table, pose=file.pose, source=stacks)
        at_once = stacks_at_once((3, file.detector.size_pixels, file.detector.size_pixels))
        starts = range(0, len(rows), at_once)
        blocks = (_measured(file.read(rows[start : start + at_once]),
                            table.take(np.arange(start, min(start + at_once, len(rows)))), file.detector,
                            source=stacks).numpy() for start in starts)
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
    nets = np.empty((len(table), 3, 2, 2))
    for row, k in np.ndindex(len(table), 3):
        cell = zero_layer_net(table.cell_lengths_angstrom[row], table.cell_angles_degree[row],
                              table.zone_axis_uvw[row, k]) / table.shortest_g_inv_angstrom[row, k]
        nets[row, k] = _lit_net(stacks[row, k], detector, cell, radius[row, k],
                                source=f"{source}, sample {table.sample_id[row]}, pattern {k}")
    net, radii = torch.from_numpy(nets).float().flatten(0, 1), torch.from_numpy(radius).float().flatten()
    half_width = detector.size_pixels * detector.pixel_size / 2
    intensity = torch.from_numpy(np.asarray(stacks, dtype=np.float32)).flatten(0, 1)
    x, inside = _level_and_shape((intensity.clamp(min=0) / FLOOR).log1p(), net, radii, half_width=half_width)
    azimuth, share = measure(x, inside, net)
    return torch.cat((net.flatten(1), radii[:, None], azimuth[:, None], share.flatten(1)), 1).unflatten(0, (-1, 3))


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


def _lit_net(pattern: np.ndarray, detector: Detector, cell: np.ndarray, radius: float, *, source: str) -> np.ndarray:
    """Reduced net [2, 2] of the disks that one canonical pattern shows, in |g1|.

    cell: the net that cell and zone axis give, however turned; where it does not fit, the image's own. Systematic
    absences make what is lit coarser than that. Disks that the frame cuts count only where whole ones span no net:
    what is left of one may be a neighbour's light.
    """
    nets = canonical_nets(cell)
    if not nets:
        try:
            nets = [find_disk_lattice(pattern, detector, disk_radius=radius)[0]]
        except InputError as error:
            raise InputError(source=source, rule="the disk net must follow from cell and zone axis or from the image",
                             value=error.value, remedy="Correct or leave out the sample, or train without [network."
                             "disks].") from error
    lit, found, half_width = lit_map(pattern), [], detector.size_pixels * detector.pixel_size / 2
    for net in map(reduced_net, nets):
        if np.hypot(*net[0]) < FINEST * detector.pixel_size:
            net = _row_net(net, np.array([[1.0, 0.0]]), beyond=0.0)  # nothing shorter than g1 is seen
        try:
            g, intensity = lit_disks(pattern, detector, net=net, disk_radius=radius)
        except InputError:  # not one of its disks is lit
            continue
        found.append((explained_share(lit, detector, g=g, disk_radius=radius), len(found), net, g, intensity))
    if not found:
        return reduced_net(nets[0])
    _, _, net, g, intensity = max(found)
    g = g[intensity >= FAINT * intensity.max()]
    for shown in (g[np.abs(g).max(1) + radius <= half_width + detector.pixel_size / 2], g):
        spanned = _span(np.round(shown @ np.linalg.inv(net)).astype(int))
        if spanned is not None:
            return reduced_net(spanned @ net)
    return _row_net(net, g, beyond=half_width)


def _row_net(net: np.ndarray, g: np.ndarray, *, beyond: float) -> np.ndarray:
    """Reduced net [2, 2] with one row of points as far apart as those at g [M, 2], points of `net` in one direction.

    The next row is the one of `net`'s steepest vector, or a multiple of it that lies `beyond`.
    """
    index = np.round(g @ np.linalg.inv(net)).astype(int)
    along = index[0] // np.gcd.reduce(index[0])
    row = np.gcd.reduce(index @ along // (along @ along)) * along @ net
    other = min(net, key=lambda vector: abs(vector @ row) / np.hypot(*vector))
    away = abs(row[0] * other[1] - row[1] * other[0]) / np.hypot(*row)
    return reduced_net(np.array([row, max(1.0, np.ceil(beyond / away)) * other]))


def _span(index: np.ndarray) -> np.ndarray | None:
    """Basis int [2, 2] of the lattice that integer points [M, 2] span (Hermite normal form); None where it is a row."""
    rows = [tuple(row) for row in index.tolist()]
    while sum(row[0] != 0 for row in rows) > 1:
        least = min((row for row in rows if row[0]), key=lambda row: abs(row[0]))
        kept = rows.index(least)
        rows = [row if k == kept else (row[0] - row[0] // least[0] * least[0], row[1] - row[0] // least[0] * least[1])
                for k, row in enumerate(rows)]
    first = next((row for row in rows if row[0]), None)
    step = np.gcd.reduce([row[1] for row in rows if not row[0]] or [0])
    return None if first is None or not step else np.array([first, (0, step)])
