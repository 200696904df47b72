"""Where the points of a powder pattern lie."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class PowderAxis:
    """two_theta_degree: of each point, ascending, of any step; wavelength_angstrom: of the radiation."""

    two_theta_degree: Float[Tensor, " L"]
    wavelength_angstrom: float

    @cached_property
    def step_degree(self) -> Float[Tensor, " L"]:
        """Between points, there."""
        return torch.gradient(self.two_theta_degree.double())[0]


def sampled(curves: Float[Tensor, "N C L"], place: Float[Tensor, "N C L"]) -> Float[Tensor, "N C L"]:
    """Curves between their points, by Lagrange's cubic; beyond an end, the value there.

    Parameters
    ----------
    curves : of L points
    place : where they are wanted, in points from the first
    """
    last = curves.shape[-1] - 1
    place = place.clamp(0, last)
    low = place.floor().clamp(1, last - 2)
    t = place - low
    before, after, beyond = t + 1, t - 1, t - 2
    value = torch.zeros_like(curves)
    for shift, weight in ((-1, -t * after * beyond / 6), (0, before * after * beyond / 2),
                          (1, -before * t * beyond / 2), (2, before * t * after / 6)):
        value = value + weight * curves.gather(-1, (low + shift).long())
    return value
