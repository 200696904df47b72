"""What an observer knows although canonical pose hides it: the length of g1 and the shape of the lattice, per pattern.

The second g is the shortest that the picture shows. Cell and zone axis say only where to look, so that systematically
absent reflections give nothing away; where they do not fit the picture, it is looked for without them.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from classifier.crystal.electron import wavelength_angstrom
from classifier.crystal.reciprocal import reduced_basis, same_lattice, zolz_lattice
from classifier.foundation.config import digest
from classifier.foundation.errors import InputError
from classifier.network.pose_embedding import FEATURES
from classifier.pattern.disk_lattice import DiskLattice, find_disk_lattice, lit_map
from classifier.pattern.geometry import Detector
from classifier.pattern.intensity import stacks_at_once
from classifier.pattern.pose import explained_share, lit_disks
from classifier.samples.cache import open_or_build
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import StackFile, opened
from classifier.samples.viewed import rows_of

FORMAT = 1  # of what is computed: another number where the features change
VISIBLE, TIE = 0.02, 0.02  # of the brightest diffracted disk; of lengths: as in the canonical pose
SAME_INDEX = 1e-3  # by which indices of one lattice in another may differ from whole numbers
SAME_LENGTH = 1e-2  # relative difference between g1 as recorded and as the cell gives it


def load_pose_features(stacks: Path | StackFile, sample_ids: Sequence[str] | None = None, cache: Path | None = None
                       ) -> Float[Tensor, "N 9"]:
    """Pose features float32 [N, 9] of a stack file's samples (all, or those of sample_ids in their order).

    cache: folder that keeps them for the next time; the values are the same.
    """
    with opened(stacks) as file:
        rows = np.arange(len(file)) if sample_ids is None else rows_of(file, sample_ids)
        table = file.table.take(rows)
        require_pose(table, pose=file.pose, source=file.path)
        blocks = _blocks(file, rows, table)
        if cache is None:
            return torch.from_numpy(np.concatenate([np.zeros((0, FEATURES), np.float32), *blocks]))
        key = {"stacks": file.digest, "pose_features": FORMAT, "samples": digest(table.sample_id.tolist())}
        return open_or_build(cache, name=f"{file.path.stem}-pose", key=key, shape=(len(rows), FEATURES),
                             blocks=blocks).x.clone()


def _blocks(file: StackFile, rows: np.ndarray, table: SampleTable) -> Iterator[np.ndarray]:
    """Pose features of the rows of a file in turn, float32 [n, 9] in blocks that memory has room for."""
    at_once = stacks_at_once((3, file.detector.size_pixels, file.detector.size_pixels))
    for first in range(0, len(rows), at_once):
        part = np.arange(first, min(first + at_once, len(rows)))
        yield pose_features(file.read(rows[part]), table.take(part), file.detector, source=file.path)


def require_pose(table: SampleTable, *, pose: str, source: object) -> None:
    """Refuse (InputError) stacks in raw pose, which show their pose themselves, and rows that lack what is needed."""
    if pose != "canonical":
        raise InputError(source=source, rule="pose_input is for stacks in canonical pose", value=f"{pose} pose",
                         remedy="Set model.pose_input = false: raw patterns show scale and azimuth.")
    usable = {"shortest_g_inv_angstrom": np.isfinite(table.shortest_g_inv_angstrom).all(1),
              "cell_lengths_angstrom": np.isfinite(table.cell_lengths_angstrom).all(1),
              "cell_angles_degree": np.isfinite(table.cell_angles_degree).all(1),
              "zone_axis_uvw": (table.zone_axis_uvw != 0).any(2).all(1),
              "convergence_semi_angle_mrad": np.isfinite(table.convergence_semi_angle_mrad).all(1),
              "beam_energy_kev": np.isfinite(table.beam_energy_kev)}
    for name, has in usable.items():
        if not has.all():
            raise InputError(source=source, rule=f"pose_input needs {name} of every sample",
                             value=f"{int((~has).sum())} samples without, first {table.sample_id[~has][0]}",
                             remedy="Give the column, or take a classifier without pose_input.")


def pose_features(stacks: np.ndarray, table: SampleTable, detector: Detector, *, source: object) -> np.ndarray:
    """Features float32 [N, 9] of canonical stacks [N, 3, H, W] with their N complete rows.

    For each pattern: log |g1| (1/angstrom), |g2| / |g1|, and the angle in rad between the lines of g1 and g2. Mirrors
    and half turns of a stack leave all of them as they are.

    Parameters
    ----------
    stacks, table, detector : intensities, their rows, and what the pixels mean
    source : named in an InputError
    """
    features = np.empty((len(table), 3, 3))
    features[:, :, 0] = np.log(table.shortest_g_inv_angstrom)
    radius = disk_radius(table)
    for row, k in np.ndindex(len(table), 3):
        try:
            lattice = zolz_lattice(table.cell_lengths_angstrom[row], table.cell_angles_degree[row],
                                   table.zone_axis_uvw[row, k]) / table.shortest_g_inv_angstrom[row, k]
            g, intensity = _lit(stacks[row, k], detector, lattice, float(radius[row, k]))
        except InputError as error:
            raise InputError(source=f"{source}, sample {table.sample_id[row]}, pattern {k}", rule=error.rule,
                             value=error.value, remedy="Correct or leave out the sample, or take a classifier without "
                             "pose_input.") from error
        features[row, k, 1:] = second_g(g, intensity, half_width=detector.size_pixels * detector.pixel_size / 2)
    return features.reshape(len(table), FEATURES).astype(np.float32)


def disk_radius(table: SampleTable) -> np.ndarray:
    """Radius of the disks of each pattern in |g1|, float64 [N, 3], of N complete rows."""
    wavelength = np.array([[wavelength_angstrom(energy)] for energy in table.beam_energy_kev])
    return table.convergence_semi_angle_mrad * 1e-3 / wavelength / table.shortest_g_inv_angstrom


def second_g(g: np.ndarray, intensity: np.ndarray, *, half_width: float) -> tuple[float, float]:
    """Length and angle to the x axis (0 to pi/2) of the shortest visible g not along x, from lit disks g [M, 2], [M].

    Lengths are in |g1|, which is 1 and along x; nothing shorter is visible. Of equally long ones the steepest counts,
    which no mirror changes. Where the frame shows none, its corner is the answer: the lattice is at least so wide.
    """
    length = np.hypot(g[:, 0], g[:, 1])
    shown = (intensity >= VISIBLE * intensity.max(initial=0)) & (length >= 1 - TIE) & (np.abs(g[:, 1]) > TIE * length)
    if not shown.any():
        return float(np.sqrt(2) * half_width), np.pi / 2
    steepness = np.arctan2(np.abs(g[:, 1]), np.abs(g[:, 0]))
    shortest = shown & (length <= (1 + TIE) * length[shown].min())
    return float(length[shortest].min()), float(steepness[shortest].max())


def canonical_lattices(lattice: np.ndarray) -> list[np.ndarray]:
    """Ways to turn or mirror a lattice [2, 2] that bring one of its points of length 1 onto +x, without repeats.

    The recorded azimuth is not asked: where the raw pattern was turned by chance it does not tell, nor does it say
    whether the pattern was drawn as its mirror image. Empty when no point has that length: g1 was found in an image
    that the cell does not fit.
    """
    lattice = reduced_basis(lattice)
    # In a reduced basis no coefficient exceeds 2 / sqrt(3) |g| / |b1|.
    reach = int(np.ceil(2 / np.hypot(*lattice[0]))) + 1
    points = np.stack(np.meshgrid(np.arange(-reach, reach + 1), np.arange(reach + 1)), -1).reshape(-1, 2) @ lattice
    misfit = np.abs(np.hypot(points[:, 0], points[:, 1]) - 1)
    lattices: list[np.ndarray] = []
    if misfit.min() > SAME_LENGTH:
        return lattices
    # Only what ties with the best fit: another point within the tolerance would be another reflection.
    for x, y in points[misfit <= misfit.min() + 1e-4]:
        turned = lattice @ np.array([[x, -y], [y, x]]) / (x * x + y * y)
        for candidate in (turned, turned * [1, -1]):
            if not any(same_lattice(candidate, other, SAME_INDEX) for other in lattices):
                lattices.append(candidate)
    return lattices


def _lit(pattern: np.ndarray, detector: Detector, lattice: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Lit disks of a canonical pattern: of the lattice in the turn, or mirror image, that explains most of what is lit.

    Of the lattice that the image shows by itself where the given one does not fit; none where there is none of either.
    """
    disks, bases = [], canonical_lattices(lattice)
    if not bases:
        with suppress(InputError):
            bases = [find_disk_lattice(pattern, detector, disk_radius=radius).basis]
    for basis in bases:
        with suppress(InputError):  # not one of its disks is lit, or it is finer than the pixels
            disks.append(lit_disks(pattern, detector, DiskLattice(basis, radius)))
    if len(disks) < 2:
        return disks[0] if disks else (np.zeros((0, 2)), np.zeros(0))
    lit = lit_map(pattern)
    return max(disks, key=lambda one: explained_share(lit, detector, one[0], DiskLattice(lattice, radius)))
