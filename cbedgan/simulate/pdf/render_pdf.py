"""Crystals to pair distribution functions: a histogram of pairs times one matrix, many at once."""

from collections.abc import Sequence
from math import pi, sqrt

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cbedgan.crystal.crystals import Crystal
from cbedgan.simulate.pdf.pairs import pairs_within
from cbedgan.simulate.pdf.pdf_config import PdfConfig
from cbedgan.simulate.pdf.termination import (
    damping,
    farthest_angstrom,
    node_angstrom,
    termination,
    variance_weights,
)
from cbedgan.simulate.powder.lattice_points import half_sphere
from cbedgan.simulate.powder.nodes import spread
from cbedgan.simulate.powder.scatterers import Scatterers, alike, scatterers

MOST_PAIRS = 2.0**18  # of a batch
LEAST_RESOLUTION = 0.01  # 1/angstrom: Bragg peaks below the range are at least so wide


def pdf(atoms: Scatterers, config: PdfConfig) -> Float[Tensor, "B L"]:
    """G(r) in 1/angstrom^2 on the configuration's axis, differentiable; the same for any cell of a crystal.

    An atom scatters as many electrons as it has (S. J. L. Billinge and T. Egami, Underneath the Bragg Peaks, 2012,
    chapter 3). Where the configuration gives one displacement for all atoms, that of the batch is not looked at.

    Parameters
    ----------
    atoms : B crystals
    config : of the functions
    """
    strength = atoms.occupancy * atoms.of_sites((atoms.shares * atoms.elements).sum(-1))
    number = (atoms.occupancy * atoms.of_sites(atoms.shares.sum(-1))).sum(1)
    scale = number / strength.sum(1).square()  # 1 / (N <b>^2)
    pairs = pairs_within(atoms, strength, farthest_angstrom(config))
    matrix = termination(config, atoms.lattice.dtype).to(atoms.lattice.device)
    batch, kinds = atoms.elements.shape[0], atoms.elements.shape[1]**2 if len(matrix) > 1 else 1
    row = pairs.crystal * kinds + (pairs.kinds if kinds > 1 else 0)
    histogram = spread(pairs.distance_angstrom / node_angstrom(config), pairs.weight, row, batch * kinds,
                       matrix.shape[1]).view(batch, kinds, -1)
    if kinds > 1:
        u = atoms.u_iso_angstrom2
        weights = variance_weights((u[:, :, None] + u[:, None]).flatten(1), config)  # [B, K K, V]
        histogram = weights.mT @ histogram
    curve = histogram.flatten(1) @ matrix.flatten(0, 1)
    r = torch.from_numpy(config.r_angstrom()).to(curve)
    mean = 4 * pi * r * torch.from_numpy(damping(config.r_angstrom(), config)).to(curve)
    low = _below_range(atoms, strength, config, r)
    return scale[:, None] * (curve - low) - mean * (number / atoms.volume)[:, None]


def min_max(curves: Float[Tensor, "B L"]) -> Float[Tensor, "B L"]:
    """Curves between 0 and 1, as Liu et al. (2019) give them to networks."""
    least, most = curves.aminmax(dim=1, keepdim=True)
    return (curves - least) / (most - least)


@torch.no_grad()
def render_pdf(crystals: Sequence[Crystal], config: PdfConfig, *,
               dtype: torch.dtype = torch.float32) -> Float[Tensor, "N L"]:
    """G(r) of crystals, in their order; InputError where an element is none that scatters."""
    curves = torch.empty(len(crystals), len(config.r_angstrom()), dtype=dtype)
    for batch in alike([_work(crystal, config) for crystal in crystals], MOST_PAIRS):
        curves[batch] = pdf(scatterers([crystals[k] for k in batch], config.vibration, dtype=dtype), config)
    return curves


def _below_range(atoms: Scatterers, strength: Float[Tensor, "B n"], config: PdfConfig,
                 r: Float[Tensor, " L"]) -> Float[Tensor, "B L"]:
    """What pairs add below q_least, which is not measured, without the beam itself.

    There F(Q) is -Q times what atoms scatter alone, so that nothing is seen between Bragg peaks; few crystals have
    such. A peak adds 4 pi |F|^2 sin(Q r) / (V Q) to G(r), which q_damp makes a Gaussian in Q.
    """
    reciprocal, deviation = 2 * pi * torch.linalg.inv(atoms.lattice).mT, max(config.q_damp, LEAST_RESOLUTION)
    reach = reciprocal.new_full((len(reciprocal),), config.q_least + 4 * deviation)
    points = half_sphere(reciprocal.detach(), reach)
    at = torch.where(points.there[..., None], points.index @ reciprocal, reach[:, None, None]).norm(dim=-1)
    phase = 2 * pi * points.index @ atoms.positions.mT
    u = atoms.of_sites(atoms.u_iso_angstrom2)[:, None]
    still = strength[:, None] * torch.exp(-0.5 * u * at.square()[..., None])
    square = (still * phase.cos()).sum(-1).square() + (still * phase.sin()).sum(-1).square()
    height = torch.where(points.there, 8 * pi * square / (at * atoms.volume[:, None]), 0.0)  # of both of a Friedel pair
    place, weight = (torch.from_numpy(part).to(r) for part in np.polynomial.legendre.leggauss(64))
    q, weight = config.q_least * (place + 1) / 2, weight * config.q_least / 2
    near, mirrored = (torch.exp(-0.5 * ((q + side * at[..., None]) / deviation).square()) for side in (-1, 1))
    bragg = sqrt(2 * pi) / (4 * deviation) * (height[..., None] * (near - mirrored)).sum(1)
    return (bragg - q * strength.square().sum(1, keepdim=True)) @ (2 / pi * weight[:, None] * torch.sin(q[:, None] * r))


def _work(crystal: Crystal, config: PdfConfig) -> float:
    """About how many pairs."""
    lattice, _, numbers = crystal.primitive()
    volume = float(abs(torch.linalg.det(torch.from_numpy(lattice))))
    return len(numbers)**2 * 2.1 * (farthest_angstrom(config) + volume**(1 / 3) / 2)**3 / volume
