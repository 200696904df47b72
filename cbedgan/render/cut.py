"""A slab cut from a crystal for the renderer: what is whole numbers is chosen once, what has a length is a tensor.

So a gradient in the cell and the sites passes, and the choices (surface, layers, beams) stay.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cbedgan.crystal.crystals import Lattice, Positions
from cbedgan.simulate.cbed.layers import ENTRY_TOLERANCE_ANGSTROM, atomic_layers, fast_size
from cbedgan.simulate.cbed.simulate_config import RenderConfig
from cbedgan.simulate.cbed.slab_symmetry import Operation
from cbedgan.simulate.cbed.zone_axis import Slab

SAME_LENGTH = 1e-6  # relative: beams of one length are kept or left out together, as symmetry wants it
# Of a layer's grid, along one angstrom for a reach of 1/angstrom. A layer is band-limited to twice the reach: with 4
# the second order of what it does to a wave comes back in wrong places and breaks symmetry by up to 1e-2; 6 hold it.
POINTS = 6.0


@dataclass(frozen=True, eq=False)
class Cut:
    """The choices of one slab of N atoms, from n of the primitive cell, in L layers and with M beams.

    matrix: rows a', b', c' in primitive vectors; x_axis: the direction in primitive vectors whose projection is x;
    offset: from a site's place, times the matrix, to that of each atom; lift: whole periods from an atom's height to
    the one at which the beam meets it behind the entry plane; layer: of each atom; zone: rows in a', b' of the lattice
    projected along the beam; beam: indices in its reciprocal lattice, the direct beam first; reach: of these in
    1/angstrom; points: of the grid on which layers are drawn, along the rows of zone.
    """

    matrix: Int[np.ndarray, "3 3"]
    zone: Float[np.ndarray, "2 2"]
    x_axis: Float[np.ndarray, " 3"]
    offset: Float[np.ndarray, "N 3"]
    lift: Float[np.ndarray, " N"]
    layer: Int[np.ndarray, " N"]
    beam: Int[np.ndarray, "M 2"]
    reach: float
    points: tuple[int, int]


class Plate(NamedTuple):
    """One period of a slab as tensors, float64, in beam coordinates and angstrom.

    cell: rows a', b', c'; zone: rows of the projected lattice; places: of the atoms in it, fractions; gaps: behind each
    layer along the beam.
    """

    cell: Float[Tensor, "3 3"]
    zone: Float[Tensor, "2 2"]
    places: Float[Tensor, "N 2"]
    gaps: Float[Tensor, " L"]

    @property
    def reciprocal_lattice(self) -> Float[Tensor, "2 2"]:
        """Rows of the zero-order zone in 1/angstrom."""
        return torch.linalg.inv(self.zone).T

    @property
    def slope(self) -> Float[Tensor, " 2"]:
        """Of the entry surface, see simulate.cbed.zone_axis.Slab."""
        return torch.linalg.solve(self.cell[:2, :2], self.cell[:2, 2])

    @property
    def period_angstrom(self) -> Float[Tensor, ""]:
        """Repeat distance along the beam."""
        return self.cell[2, 2]


def cut(slab: Slab, lattice: Lattice, sites: Positions, entry_plane: float, config: RenderConfig) -> Cut:
    """Make the choices for a slab that was cut from this primitive lattice [3, 3] and sites [n, 3].

    Parameters
    ----------
    slab, lattice, sites : as `simulate.cbed.zone_axis.slab` made it of them
    entry_plane : fraction of the period at which the slab begins
    config : how far beams reach, and what is one layer
    """
    matrix = np.round(slab.cell @ slab.frame @ np.linalg.inv(lattice)).astype(np.int64)
    layers, _ = atomic_layers(slab, merge_angstrom=config.merge_angstrom, entry_plane=entry_plane)
    layer = np.empty(len(slab.numbers), dtype=np.int64)
    for number, atoms in enumerate(layers):
        layer[atoms] = number
    height = slab.positions[:, 2] - entry_plane
    lift = np.ceil(-height - ENTRY_TOLERANCE_ANGSTROM / slab.period_angstrom)
    places = np.tile(sites @ np.linalg.inv(matrix), (len(slab.numbers) // len(sites), 1))
    beam, reach = _beams(slab, config)
    a, b = np.linalg.norm(slab.projected_lattice, axis=1).tolist()
    zone = slab.projected_lattice @ np.linalg.inv(slab.cell[:2, :2]) * slab.multiplicity
    return Cut(matrix, np.round(zone) / slab.multiplicity, slab.frame[0] @ np.linalg.inv(lattice),
               slab.positions - places, lift - entry_plane, layer, beam, reach,
               (fast_size(POINTS * reach * a), fast_size(POINTS * reach * b)))


def plate(cut: Cut, lattice: Float[Tensor, "3 3"], sites: Float[Tensor, "n 3"]) -> Plate:
    """The cut slab of a crystal, float64, on its device; gradients in the lattice and the sites pass."""
    matrix, x_axis = (lattice.new_tensor(part) for part in (cut.matrix, cut.x_axis))
    rows = matrix @ lattice
    z = rows[2] / rows[2].norm()
    x = x_axis @ lattice
    x = x - (x @ z) * z
    x = x / x.norm()
    cell = rows @ torch.stack((x, torch.linalg.cross(z, x), z), 1)
    copies = len(cut.offset) // len(sites)
    places = (sites @ torch.linalg.inv(matrix)).repeat(copies, 1) + lattice.new_tensor(cut.offset)
    height = places[:, 2] + lattice.new_tensor(cut.lift)
    layer = torch.from_numpy(cut.layer).to(lattice.device)
    count = torch.bincount(layer)
    middle = height.new_zeros(len(count)).index_add(0, layer, height) / count
    gaps = torch.diff(middle, append=middle[:1] + 1) * cell[2, 2]
    zone = lattice.new_tensor(cut.zone)
    return Plate(cell, zone @ cell[:2, :2], places[:, :2] @ torch.linalg.inv(zone), gaps)


def _beams(slab: Slab, config: RenderConfig) -> tuple[Int[np.ndarray, "M 2"], float]:
    """Indices of the beams of the zero-order zone, the shortest first, and how far they reach in 1/angstrom."""
    basis = np.linalg.inv(slab.projected_lattice).T
    widest = np.linalg.norm(np.linalg.inv(basis), axis=0)
    shortest = np.linalg.norm(basis, axis=1).min()
    # Few beams cost little: where lattices are short more take part, from a disk that holds about so many.
    reach = max(config.reach_inv_angstrom, float(np.sqrt(config.least_beams * abs(np.linalg.det(basis)) / np.pi)))
    most = np.ceil(reach * widest).astype(int)
    index = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in most), indexing="ij"), -1).reshape(-1, 2)
    length = np.linalg.norm(index @ basis, axis=1)
    order = np.argsort(np.round(length / shortest, 6), kind="stable")
    index, length = index[order], length[order]
    if config.most_beams < len(length):
        reach = min(reach, float(length[config.most_beams]))
    return index[length < reach * (1 - SAME_LENGTH)], reach


def turned_beams(cut: Cut, operation: Operation) -> tuple[Int[np.ndarray, " M"], Bool[np.ndarray, " M"]]:
    """From which of the cut's beams an operation of the slab makes each, and whether that takes part."""
    to_slab = np.linalg.inv(cut.zone).T
    whence = np.round(cut.beam @ to_slab @ operation.matrix.T @ np.linalg.inv(to_slab)).astype(np.int64)
    number = {index: k for k, index in enumerate(map(tuple, cut.beam.tolist()))}
    place = np.array([number.get(index, -1) for index in map(tuple, whence.tolist())])
    return place.clip(0), place >= 0
