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
from classifier.disk_lattice import find_disk_lattice, lit_map
from classifier.electron import wavelength_angstrom
from classifier.errors import InputError
from classifier.geometry import Detector
from classifier.intensity import stacks_at_once
from classifier.pose import explained_share, lit_disks
from classifier.pose_input import canonical_nets, require_pose
from classifier.reciprocal import reduced_net, zero_layer_net
from classifier.sampletable import SampleTable
from classifier.stackfile import StackFile
from classifier.viewed import rows_of

COLUMNS = 6 + SHARES  # of a pattern
INVARIANTS = 4 + SHARES
FAINT = 3e-4  # of the brightest diffracted disk: darker ones do not make a net finer
FLOOR = 1e-6  # of the incident beam per pixel, where the logarithm that symmetries are measured on levels off


class Parts(NamedTuple):
    """net: two shortest vectors [..., 2, 2] between disks that can be lit, in |g1|; radius [...] of a disk in |g1|;
    azimuth [...] in rad of a mirror line; share [..., SHARES] of each symmetry, see pattern_symmetry."""

    net: Tensor
    radius: Tensor
    azimuth: Tensor
    share: Tensor


def parts(form: Tensor) -> Parts:
    """Name the columns of forms [..., COLUMNS]."""
    return Parts(form[..., :4].unflatten(-1, (2, 2)), form[..., 4], form[..., 5], form[..., 6:])


def invariants(form: Tensor) -> Tensor:
    """What forms [B, C, COLUMNS] say whichever way the patterns are turned or mirrored, [B, C * INVARIANTS].

    Lengths of the net's vectors (log), cosine between their lines, radius, and the shares of symmetry.
    """
    net, radius, _, share = parts(form)
    first, second = net.unbind(-2)
    one, other = first.norm(dim=-1), second.norm(dim=-1)
    cosine = (first * second).sum(-1).abs() / (one * other)
    return torch.cat((torch.stack((one.log(), other.log(), cosine, radius), -1), share), -1).flatten(1)


def measure_forms(stacks: Path, sample_ids: Sequence[str]) -> Tensor:
    """Forms float32 [N, 3, COLUMNS] of samples of a stack file in canonical pose, whose cells are known."""
    with StackFile(stacks) as file:
        rows = rows_of(file, sample_ids)
        table = file.table.take(rows)
        require_pose(table, pose=file.pose, source=stacks)
        at_once = stacks_at_once((3, file.detector.size_pixels, file.detector.size_pixels))
        blocks = [np.arange(start, min(start + at_once, len(rows))) for start in range(0, len(rows), at_once)]
        return torch.cat([_measured(file.read(rows[block]), table.take(block), file.detector, source=stacks)
                          for block in blocks])


def _measured(stacks: np.ndarray, table: SampleTable, detector: Detector, *, source: object) -> Tensor:
    radius = table.convergence_semi_angle_mrad * 1e-3 / np.array(
        [[wavelength_angstrom(energy)] for energy in table.beam_energy_kev]) / table.shortest_g_inv_angstrom
    nets = np.empty((len(table), 3, 2, 2))
    for row, k in np.ndindex(len(table), 3):
        cell = zero_layer_net(table.cell_lengths_angstrom[row], table.cell_angles_degree[row],
                              table.zone_axis_uvw[row, k]) / table.shortest_g_inv_angstrom[row, k]
        nets[row, k] = _lit_net(stacks[row, k], detector, cell, radius[row, k],
                                source=f"{source}, sample {table.sample_id[row]}, pattern {k}")
    net, radii = torch.from_numpy(nets).float().flatten(0, 1), torch.from_numpy(radius).float().flatten()
    half_width = detector.size_pixels * detector.pixel_size / 2
    inside = disk_interiors(net, radii, size=detector.size_pixels, half_width=half_width)
    intensity = torch.from_numpy(np.asarray(stacks, dtype=np.float32)).flatten(0, 1)
    azimuth, share = measure((intensity.clamp(min=0) / FLOOR).log1p(), inside, net)
    return torch.cat((net.flatten(1), radii[:, None], azimuth[:, None], share), 1).unflatten(0, (-1, 3))


def disk_interiors(net: Tensor, radius: Tensor, *, size: int, half_width: float) -> Tensor:
    """1 for pixels [N, S, S] that lie well inside a diffracted disk of nets [N, 2, 2] and in the frame's circle."""
    step = 2 * half_width / size
    axis = (torch.arange(size) + 0.5) * step - half_width
    places = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2)
    corner = (places @ torch.linalg.inv(net)).floor()
    steps = torch.cartesian_prod(torch.arange(2.0), torch.arange(2.0))
    nearest = torch.stack([(places - (corner + step_) @ net).norm(dim=-1) for step_ in steps]).amin(0)
    lit = (nearest + step / 2 <= radius[:, None]).float().unflatten(1, (1, size, size))
    lit = (1 - functional.max_pool2d(1 - lit, 3, 1, 1)).squeeze(1)
    from_centre = places.norm(dim=-1).reshape(size, size)
    return lit * (from_centre < half_width - 1.5 * step) * (from_centre > radius.max() + step)


def _lit_net(pattern: np.ndarray, detector: Detector, cell: np.ndarray, radius: float, *, source: str) -> np.ndarray:
    """Reduced net [2, 2] of the disks that one canonical pattern shows, in |g1|.

    cell: the net that cell and zone axis give, however turned; where it does not fit, the image's own. Systematic
    absences make what is lit coarser than that; a pattern that shows a single row keeps it as it is.
    """
    nets = canonical_nets(cell)
    if not nets:
        try:
            nets = [find_disk_lattice(pattern, detector, disk_radius=radius)[0]]
        except InputError as error:
            raise InputError(source=source, rule="the disk net must follow from cell and zone axis or from the image",
                             value=error.value, remedy="Correct or leave out the sample, or train without [network."
                             "disks].") from error
    lit, found = lit_map(pattern), []
    for net in nets:
        try:
            g, intensity = lit_disks(pattern, detector, net=net, disk_radius=radius)
        except InputError:  # not one of its disks is lit
            continue
        found.append((explained_share(lit, detector, g=g, disk_radius=radius), len(found), net, g, intensity))
    if not found:
        return reduced_net(nets[0])
    _, _, net, g, intensity = max(found)
    net = reduced_net(net)
    index = np.round(g[intensity >= FAINT * intensity.max()] @ np.linalg.inv(net)).astype(int)
    spanned = _span(index)
    return net if spanned is None else reduced_net(spanned @ net)


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
