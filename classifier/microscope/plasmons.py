"""Plasmon losses, as without an energy filter: each time that an electron loses energy it is deflected a little.

A loss deflects by a Lorentzian of the characteristic angle, about E / (2 E0), cut off smoothly. The number of losses is
Poisson with the mean thickness / mean free path, so that 1 - exp(-t / lambda) of the light lost energy (R. F. Egerton,
Electron Energy-Loss Spectroscopy in the Electron Microscope, chapter 3). A round kernel keeps each rotation and mirror
of a pattern: the label stays.
"""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from classifier.foundation.config import Config
from classifier.microscope.ranges import Range

LEAST, MOST, STEPS = 1e-8, 40.0, 4096  # of the argument of K0 in its table


class Plasmons(Config):
    """losses: thickness over the mean free path; angle_half_frames, cutoff_half_frames: of a loss, in half widths of
    the frame.

    20 eV at 100 keV is 0.11 mrad, and half a frame of two |g1| some 6 to 25 mrad. Plasmons end at some 5 mrad.
    """

    losses: Range
    angle_half_frames: Range
    cutoff_half_frames: Range


def passed(losses: Float[Tensor, "N C"], angle: Float[Tensor, "N C"], cutoff: Float[Tensor, "N C"],
           frequency: Float[Tensor, " U"]) -> Float[Tensor, "N C U"]:
    """Fourier transform of the light with any number of losses: exp(losses (L - 1)), 1 at frequency 0.

    L, of one loss, belongs to 1 / (theta^2 + angle^2) - 1 / (theta^2 + cutoff^2).

    Parameters
    ----------
    losses, angle, cutoff : mean number; smaller and larger angle, in a length
    frequency : cycles per that length
    """
    x = 2 * torch.pi * frequency
    ratio = (cutoff / angle).clamp(min=1 + 1e-3)
    narrow = x * angle[..., None]
    one = (_k0(narrow) - _k0(narrow * ratio[..., None])) / ratio.log()[..., None]
    return torch.exp(losses[..., None] * (torch.where(frequency > 0, one, 1.0) - 1))


def _k0(x: Tensor) -> Tensor:
    """The modified Bessel function K0, interpolated in the logarithm of x: torch's own takes 100 ns a value."""
    table = _table().to(x)
    place = (x.clamp(LEAST, MOST).log() - float(torch.tensor(LEAST).log())) * ((STEPS - 1) / _span())
    low = place.long().clamp(max=STEPS - 2)
    return torch.lerp(table[low], table[low + 1], place - low)


@lru_cache(maxsize=1)
@torch.inference_mode(False)
def _table() -> Tensor:
    return torch.special.modified_bessel_k0(torch.logspace(
        float(torch.tensor(LEAST).log10()), float(torch.tensor(MOST).log10()), STEPS, dtype=torch.float64)).float()


def _span() -> float:
    return float(torch.tensor(MOST / LEAST, dtype=torch.float64).log())
