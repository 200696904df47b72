"""The net of the disks that a canonical pattern shows."""

import numpy as np

from classifier.crystal.reciprocal import reduced_basis
from classifier.foundation.errors import InputError
from classifier.network.pose_input import canonical_lattices
from classifier.pattern.disk_lattice import DiskLattice, find_disk_lattice, lit_map
from classifier.pattern.geometry import Detector
from classifier.pattern.pose import explained_share, lit_disks

FAINT = 3e-4  # of the brightest diffracted disk: darker ones do not make a net finer
FINEST = 2.0  # pixels: disks of finer nets are not told apart


def lit_net(pattern: np.ndarray, detector: Detector, cell: np.ndarray, radius: float, *, source: str) -> np.ndarray:
    """Reduced net [2, 2] of the disks that one canonical pattern shows, in |g1|.

    cell: the net that cell and zone axis give, however turned; where it does not fit, the image's own. Systematic
    absences make what is lit coarser than that. Disks that the frame cuts count only where whole ones span no net: what
    is left of one may be a neighbour's light.
    """
    nets = canonical_lattices(cell)
    if not nets:
        try:
            nets = [find_disk_lattice(pattern, detector, disk_radius=radius)[0]]
        except InputError as error:
            raise InputError(source=source, rule="the disk net must follow from cell and zone axis or from the image",
                             value=error.value, remedy="Correct or leave out the sample, or train a generator of "
                             'kind = "pixels".') from error
    lit, found, half_width = lit_map(pattern), [], detector.size_pixels * detector.pixel_size / 2
    for net in map(reduced_basis, nets):
        if np.hypot(*net[0]) < FINEST * detector.pixel_size:
            net = _row_net(net, np.array([[1.0, 0.0]]), beyond=0.0)  # nothing shorter than g1 is seen
        try:
            g, intensity = lit_disks(pattern, detector, DiskLattice(net, radius))
        except InputError:  # not one of its disks is lit
            continue
        found.append((explained_share(lit, detector, g, DiskLattice(net, radius)), len(found), net, g, intensity))
    if not found:
        return reduced_basis(nets[0])
    _, _, net, g, intensity = max(found)
    whole = np.abs(g).max(1) + radius <= half_width + detector.pixel_size / 2
    shown = intensity >= FAINT * intensity.max()
    return _shown(net, g[shown], whole[shown], half_width)


def _shown(net: np.ndarray, g: np.ndarray, whole: np.ndarray, half_width: float) -> np.ndarray:
    """Reduced net [2, 2] of the points g [M, 2] of `net`, of whole bool [M] disks where they span one."""
    for points in (g[whole], g):
        spanned = _span(np.round(points @ np.linalg.inv(net)).astype(int))
        if spanned is not None:
            return reduced_basis(spanned @ net)
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
    return reduced_basis(np.array([row, max(1.0, np.ceil(beyond / away)) * other]))


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
