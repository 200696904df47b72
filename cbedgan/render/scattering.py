"""Dynamical diffraction by a projected potential: every beam for many incident directions at once, differentiable.

Multislice in reciprocal space (Cowley and Moodie 1957, Acta Cryst. 10, 609): a crystal's plate is cut into slices, each
a phase grating, as a matrix between beams that all directions share, and free flight, a phase of its own for each beam
and direction.
"""

import math

import torch
from torch import Tensor

SQUARINGS = 3  # of a part of a slice's matrix, small enough for Cayley's form to be near the exponential


def beam_intensities(potential: Tensor, g: Tensor, curvature: Tensor, direction: Tensor, slices: int) -> Tensor:
    """Intensities [n, M, K] of M beams behind n plates for K incident directions, in shares of the incident beam.

    potential: complex [L, n, M, M], phase in rad that the whole plate gives between two beams, in slices of L kinds
    that follow each other in turn, with positive imaginary parts on the diagonal where light is absorbed; g: [n, M, 2]
    in |g1|, the direct beam first; curvature: [n], wavelength * thickness * |g1|^2; direction: [n, K, 2], the incident
    beam's place in the aperture in |g1|.
    """
    grating = _exponential(1j * potential / slices)
    excess = 2 * (g @ direction.mT) + g.square().sum(-1, keepdim=True)  # |g + k|^2 - |k|^2
    phase = (math.pi / slices) * curvature[:, None, None] * excess
    flight = torch.complex(phase.cos(), -phase.sin())
    wave = grating[0, :, :, :1].expand(-1, -1, direction.shape[1])
    for k in range(1, slices):
        wave = grating[k % len(grating)] @ (flight * wave)
    return wave.real.square() + wave.imag.square()


def _exponential(a: Tensor) -> Tensor:
    """exp(a) of [..., M, M], nearly: Cayley's form of a small part, squared; light is kept however large a is."""
    half = a / 2 ** (SQUARINGS + 1)
    one = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    found, _ = torch.linalg.solve_ex(one - half, one + half)  # without waiting for a GPU to say that it could
    for _ in range(SQUARINGS):
        found = found @ found
    return found
