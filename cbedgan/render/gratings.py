"""What each layer of a slab does to a wave: phase and absorption, as a matrix between beams."""

from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from cbedgan.crystal.electron import interaction, scattering_factor
from cbedgan.crystal.thermal_diffuse import absorptive_factor
from cbedgan.render.cut import Cut, Plate
from cbedgan.simulate.cbed.multislice import LARGEST_G_MAX, MultisliceConfig

STEP = 1 / 128  # 1/angstrom, of the table of scattering factors
RADII = np.arange(0, LARGEST_G_MAX + 1.5 * STEP, STEP)


@lru_cache(maxsize=512)
def scattering_row(number: int, beam_energy_kev: float, b: float, absorption: float | Literal["thermal_diffuse"]
                   ) -> Complex[np.ndarray, " G"]:
    """Exponent in angstrom that an atom of the element adds at |g| = RADII, complex64: i f exp(-B g^2 / 4) - f'.

    Times interaction over area it is that of a grating exp(...): phase, and what absorption takes. As in `Multislice`.

    Parameters
    ----------
    number : the element's
    beam_energy_kev : of the electrons
    b : Debye-Waller B in angstrom^2
    absorption : see MultisliceConfig
    """
    strength = interaction(beam_energy_kev)
    elastic = scattering_factor(number, RADII) * np.exp(-b * RADII**2 / 4)
    if absorption == "thermal_diffuse":
        absorbing = absorptive_factor(number, RADII, debye_waller_angstrom2=b, interaction_angstrom=strength)
    else:
        absorbing = absorption * elastic
    return (1j * elastic - absorbing).astype(np.complex64)


def scattering_rows(numbers: Int[np.ndarray, " S"], beam_energy_kev: float, config: MultisliceConfig
                    ) -> Complex[Tensor, "S G"]:
    """The rows of elements, vibrating and absorbing as the configuration says."""
    return torch.from_numpy(np.stack([scattering_row(
        int(number), beam_energy_kev, config.debye_waller_of(int(number)), config.absorption) for number in numbers]))


def gratings(cut: Cut, plate: Plate, rows: Complex[Tensor, "S G"], kind: Int[Tensor, " N"], strength: float
             ) -> Complex[Tensor, "L M M"]:
    """Matrices between beams, complex64, of the layers of one slab; band-limited to twice the reach of the beams.

    Parameters
    ----------
    cut, plate : the slab of N atoms
    rows : exponents at RADII of S kinds of atoms, see `scattering_row`; sums of them are kinds, too
    kind : of each atom, 0..S-1
    strength : interaction in angstrom
    """
    device = plate.cell.device
    h, k = (torch.fft.fftfreq(count, 1 / count, device=device) for count in cut.points)
    g = torch.stack(torch.meshgrid(h, k, indexing="ij"), -1) @ plate.reciprocal_lattice.float()
    factor = _between(rows, g.norm(dim=-1), 2 * cut.reach)
    turns = [torch.polar(torch.ones((), device=device), -2 * torch.pi * (place[:, None] * index))
             for place, index in zip(plate.places.float().T, (h, k), strict=True)]
    atoms = factor[kind] * turns[0][:, :, None] * turns[1][:, None, :]
    layer = torch.from_numpy(cut.layer).to(device)
    exponent = atoms.new_zeros(len(plate.gaps), *cut.points).index_add(0, layer, atoms)
    exponent = exponent * (strength / torch.linalg.det(plate.cell[:2, :2]).abs().float())
    spectrum = torch.fft.fft2(torch.exp(torch.fft.ifft2(exponent, norm="forward")), norm="forward")
    beam = torch.from_numpy(cut.beam).to(device)
    apart = beam[:, None] - beam
    return spectrum[:, apart[..., 0] % cut.points[0], apart[..., 1] % cut.points[1]]


def _between(rows: Complex[Tensor, "S G"], radius: Float[Tensor, "a b"], end: float) -> Complex[Tensor, "S a b"]:
    """Values at a radius, linear between those of the table, zero from `end` on and behind the table."""
    place = radius / STEP
    before = place.detach().floor().clamp(max=rows.shape[1] - 2).long()
    part = place - before
    values = rows[:, before] * (1 - part) + rows[:, before + 1] * part
    return values * (radius < min(end * (1 + 1e-6), LARGEST_G_MAX))
