"""Waves through a slab: one matrix between beams for a whole period, and its powers for each incident direction.

The matrix holds all layers at their heights, for a wave along the axis. What a tilt of the wave adds to free flight is
a phase of each beam, half before and half after every period: within a period of p angstrom a wave tilted by t then
meets atoms at most p t / 2 aside, some hundredths of an angstrom. So short periods are taken several at a time.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from cbedgan.render.cut import Plate

LEAP_ANGSTROM = 12.0  # as many periods as this holds are taken at a time
DISPERSION_ROUNDS = 2  # each takes two digits and more


class Period(NamedTuple):
    """A period of P slabs, padded to M beams. matrix: between beams, nothing to and from beams that are none.

    leap: its power `periods_a_leap`; g: of the beams, 1/angstrom; slope: of the surface; length: of the period,
    angstrom; wavenumber: of the electrons, 1/angstrom. float32.
    """

    matrix: Complex[Tensor, "P M M"]
    leap: Complex[Tensor, "P M M"]
    g: Float[Tensor, "P M 2"]
    slope: Float[Tensor, "P 2"]
    length: Float[Tensor, " P"]
    wavenumber: Float[Tensor, " P"]
    periods_a_leap: Int[Tensor, " P"]


def period(plate: Plate, gratings: Complex[Tensor, "L M M"], g: Float[Tensor, "M 2"], wavenumber: float) -> Period:
    """One slab's period: the product of its layers and of the free flights between them."""
    slope, one = plate.slope.float()[None], g.new_full((1,), wavenumber)
    _, kappa = dispersion(g.new_zeros(1, 1, 2), g[None], slope, one)
    flights = torch.polar(torch.ones((), device=g.device), 2 * torch.pi * plate.gaps.float()[:, None] * kappa[0])
    matrix = flights[0][:, None] * gratings[0]
    for flight, grating in zip(flights[1:], gratings[1:], strict=True):
        matrix = flight[:, None] * (grating @ matrix)
    length = plate.period_angstrom.float()
    times, leap = max(1, int(LEAP_ANGSTROM / float(length.detach()))), matrix
    for _ in range(times - 1):
        leap = matrix @ leap
    return Period(matrix[None], leap[None], g[None], slope, length[None], one, torch.tensor([times]))


def stacked(periods: list[Period]) -> Period:
    """Slabs as one batch, padded to the most beams of any."""
    most = max(one.g.shape[1] for one in periods)
    padded = []
    for one in periods:
        more = most - one.g.shape[1]
        padded.append(Period(pad(one.matrix, (0, more, 0, more)), pad(one.leap, (0, more, 0, more)),
                             pad(one.g, (0, 0, 0, more)), *one[3:]))
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
    for _ in range(DISPERSION_ROUNDS if slope.any() else 0):
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
    one, length = torch.ones((), device=kappa.device), slabs.length[:, None, None]
    times = slabs.periods_a_leap.numpy()
    leaps, rest = periods // times[:, None], periods % times[:, None]
    flight, leap_flight = (torch.polar(one, 2 * torch.pi * span * tilted)
                           for span in (length, length * slabs.periods_a_leap.to(length)[:, None, None]))
    half = length * (tilted - tilted[:, :1])  # of a last flight behind the slab, and of the first before it
    start = torch.zeros_like(flight)
    start[:, 0] = 1
    wave = _leaps(slabs.leap, leap_flight, start, leaps)
    half_leap = half * (slabs.periods_a_leap.to(length) - 1)[:, None, None] / 2
    # Whole leaps began and ended with half a leap's flight; single periods go on with half a period's.
    wave = wave * torch.polar(one, -2 * torch.pi * half_leap)[:, None]
    wave, thicknesses = wave.flatten(0, 1), rest.shape[1]
    for step in range(1, int(rest.max()) + 1):
        going = torch.from_numpy(np.flatnonzero(rest >= step)).to(wave.device)
        slab = going // thicknesses
        wave = wave.index_copy(0, going, slabs.matrix[slab] @ wave[going] * flight[slab])
    wave = wave.unflatten(0, (-1, thicknesses))
    thickness = torch.from_numpy(periods).to(kappa.device)[:, :, None, None] * length[:, None]
    mean = thickness * (kappa + kappa[:, :1])[:, None]
    return wave * torch.polar(one, -torch.pi * (half[:, None] + mean))


def _leaps(matrix: Complex[Tensor, "P M M"], flight: Complex[Tensor, "P M D"], wave: Complex[Tensor, "P M D"],
           wanted: Int[np.ndarray, "P T"]) -> Complex[Tensor, "P T M D"]:
    """Waves after so many steps, each through the matrix and its flight."""
    # Those that go on longest come first, so that all which still go on are the first few.
    order = np.argsort(-wanted.max(axis=1), kind="stable")
    where = torch.from_numpy(order).to(wave.device)
    matrix, flight, wave, count = matrix[where], flight[where], wave[where], wanted[order]
    leaving, place = [], []
    for step in range(int(wanted.max()) + 1):
        going = int((count.max(axis=1) >= step).sum())
        if step:
            wave = torch.bmm(matrix[:going], wave[:going]) * flight[:going]
        which, thickness = np.nonzero(count[:going] == step)
        if len(which):
            leaving.append(wave[torch.from_numpy(which).to(wave.device)])
            place += list(zip(order[which].tolist(), thickness.tolist(), strict=True))
    rank = np.empty(wanted.shape, dtype=np.int64)
    rank[tuple(np.array(place).T)] = np.arange(len(place))
    return torch.cat(leaving)[torch.from_numpy(rank).to(wave.device)]
