"""Waves through a slab: one matrix between beams for a whole period, and its powers for each incident direction.

The matrix holds all layers at their heights, for a wave along the axis. What a tilt of the wave adds to free flight is
a phase of each beam, half before and half after every period: within a period of p angstrom a wave tilted by t then
meets atoms at most p t / 2 aside, some hundredths of an angstrom.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from cbedgan.render.cut import Plate

DISPERSION_ROUNDS = 4


class Period(NamedTuple):
    """A period of P slabs, padded to M beams. matrix: between beams, nothing to and from beams that are none.

    g: of the beams, 1/angstrom; slope: of the surface; length: of the period, angstrom; wavenumber: of the electrons,
    1/angstrom. float32.
    """

    matrix: Complex[Tensor, "P M M"]
    g: Float[Tensor, "P M 2"]
    slope: Float[Tensor, "P 2"]
    length: Float[Tensor, " P"]
    wavenumber: Float[Tensor, " P"]


def period(plate: Plate, gratings: Complex[Tensor, "L M M"], g: Float[Tensor, "M 2"], wavenumber: float) -> Period:
    """One slab's period: the product of its layers and of the free flights between them."""
    slope, one = plate.slope.float()[None], g.new_full((1,), wavenumber)
    _, kappa = dispersion(g.new_zeros(1, 1, 2), g[None], slope, one)
    flights = torch.polar(torch.ones((), device=g.device), 2 * torch.pi * plate.gaps.float()[:, None] * kappa[0])
    matrix = flights[0][:, None] * gratings[0]
    for flight, grating in zip(flights[1:], gratings[1:], strict=True):
        matrix = flight[:, None] * (grating @ matrix)
    return Period(matrix[None], g[None], slope, plate.period_angstrom.float()[None], one)


def stacked(periods: list[Period]) -> Period:
    """Slabs as one batch, padded to the most beams of any."""
    most = max(one.g.shape[1] for one in periods)
    padded = []
    for one in periods:
        more = most - one.g.shape[1]
        padded.append(Period(torch.nn.functional.pad(one.matrix, (0, more, 0, more)),
                             torch.nn.functional.pad(one.g, (0, 0, 0, more)), *one[2:]))
    return Period(*(torch.cat(parts) for parts in zip(*padded, strict=True)))


def dispersion(directions: Float[Tensor, "P D 2"], g: Float[Tensor, "P M 2"], slope: Float[Tensor, "P 2"],
               wavenumber: Float[Tensor, " P"]) -> tuple[Float[Tensor, "P D M 2"], Float[Tensor, "P D M"]]:
    """Transverse wave vectors and kappa, 1/angstrom, as `Multislice.dispersion`; without its cancellation, for float32.

    kappa = sqrt(K^2 - k^2) - K = -k^2 / (K + sqrt(K^2 - k^2)).
    """
    def along(transverse: Tensor) -> Tensor:
        squared = transverse.square().sum(-1)
        all_of = wavenumber.reshape(-1, *[1] * (squared.ndim - 1))
        return -squared / (all_of + (all_of**2 - squared).clamp(min=0).sqrt())

    slope = slope[:, None, None]
    tangential = (directions + along(directions)[..., None] * slope[:, 0])[:, :, None] + g[:, None]
    transverse = tangential
    for _ in range(DISPERSION_ROUNDS):
        transverse = tangential - along(transverse)[..., None] * slope
    return transverse, along(transverse)


def passage(slabs: Period, directions: Float[Tensor, "P D 2"], periods: Int[np.ndarray, "P T"]
            ) -> Complex[Tensor, "P T M D"]:
    """Amplitudes that leave, complex64, less the mean flight phase of incident and leaving wave (`BeamAmplitudes`).

    directions: transverse wave vectors of the incident waves, 1/angstrom; periods: how many, for each of T thicknesses.
    """
    _, kappa = dispersion(directions, slabs.g, slabs.slope, slabs.wavenumber)
    _, on_axis = dispersion(torch.zeros_like(directions[:, :1]), slabs.g, slabs.slope, slabs.wavenumber)
    kappa = kappa.transpose(1, 2)  # [P, M, D]
    tilted = kappa - on_axis.transpose(1, 2)
    length = slabs.length[:, None, None]
    one = torch.ones((), device=kappa.device)
    flight = torch.polar(one, 2 * torch.pi * length * tilted)
    # Those that go on longest come first, so that all which still go on are the first few.
    order = np.argsort(-periods.max(axis=1), kind="stable")
    where = torch.from_numpy(order).to(kappa.device)
    matrix, flight_of = slabs.matrix[where], flight[where]
    wave = torch.zeros_like(flight_of)
    wave[:, 0] = 1
    wanted = periods[order]
    leaving, place = [], []
    for step in range(1, int(periods.max()) + 1):
        going = int((wanted.max(axis=1) >= step).sum())
        wave = torch.bmm(matrix[:going], wave[:going]) * flight_of[:going]
        which, thickness = np.nonzero(wanted[:going] == step)
        if len(which):
            leaving.append(wave[torch.from_numpy(which).to(kappa.device)])
            place += list(zip(order[which].tolist(), thickness.tolist(), strict=True))
    rank = np.empty(periods.shape, dtype=np.int64)
    rank[tuple(np.array(place).T)] = np.arange(len(place))
    amplitude = torch.cat(leaving)[torch.from_numpy(rank).to(kappa.device)]
    thickness = torch.from_numpy(periods).to(kappa.device)[:, :, None, None] * length[:, None]
    half = length[:, None] * (tilted - tilted[:, :1])[:, None]  # of the last flight, and of one before the first
    mean = thickness * (kappa + kappa[:, :1])[:, None]
    return amplitude * torch.polar(one, -torch.pi * (half + mean))
