"""What lies under the peaks: air and fluorescence, an amorphous part, and peaks of another substance.

All of it is independent of the crystal, and so says nothing of its group: the label stays. Heights are in that of the
pattern's highest point.
"""

from collections.abc import Sequence
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from classifier.diffractometer.broadening import FWHM_OF_GAUSSIAN
from classifier.diffractometer.powder_axis import PowderAxis
from classifier.foundation.config import Config
from classifier.microscope.ranges import Range, ShareRange


class PowderBackground(Config):
    """level: height at the first point; falling: share of it that falls with the angle; decay_degree: how fast."""

    level: Range
    falling: ShareRange
    decay_degree: Range


class AmorphousHump(Config):
    """height; centre_degree, width_degree: of a Gaussian, its full width at half maximum."""

    height: Range
    centre_degree: Range
    width_degree: Range


class Impurities(Config):
    """peaks: how many; height: of the highest that there can be; width_degree: full width at half maximum of all."""

    peaks: Annotated[int, Field(ge=1, le=50)]
    height: Range
    width_degree: Range


def background(axis: PowderAxis, level: Float[Tensor, "N C"], falling: Float[Tensor, "N C"],
               decay_degree: Float[Tensor, "N C"]) -> Float[Tensor, "N C L"]:
    """The height of `PowderBackground` at every point, a value each pattern."""
    angle = axis.two_theta_degree.to(level)
    fall = torch.exp(-(angle - angle[0]) / decay_degree[..., None].clamp(min=1e-3))
    return level[..., None] * (1 - falling[..., None] * (1 - fall))


def hump(axis: PowderAxis, height: Float[Tensor, "N C"], centre_degree: Float[Tensor, "N C"],
         width_degree: Float[Tensor, "N C"]) -> Float[Tensor, "N C L"]:
    """The height of `AmorphousHump` at every point, a value each pattern."""
    angle, deviation = axis.two_theta_degree.to(height), width_degree[..., None] / FWHM_OF_GAUSSIAN
    return height[..., None] * torch.exp(-0.5 * ((angle - centre_degree[..., None]) / deviation.clamp(min=1e-3))**2)


def impurities(axis: PowderAxis, peaks: int, height: Float[Tensor, "N C"], width_degree: Float[Tensor, "N C"],
               generators: Sequence[torch.Generator]) -> Float[Tensor, "N C L"]:
    """Peaks anywhere, most of them low: heights are squares of even numbers.

    Parameters
    ----------
    axis : of the patterns
    peaks, height, width_degree : see `Impurities`, a value each pattern
    generators : one a sample
    """
    even = torch.stack([torch.rand(height.shape[1], 2, peaks, generator=one) for one in generators]).to(height)
    angle = axis.two_theta_degree.to(height)
    place = angle[0] + (angle[-1] - angle[0]) * even[:, :, 0]
    deviation = (width_degree / FWHM_OF_GAUSSIAN).clamp(min=1e-3)[..., None]
    total = torch.zeros(*height.shape, len(angle)).to(height)
    for k in range(peaks):
        total += (height * even[:, :, 1, k]**2)[..., None] * torch.exp(
            -0.5 * ((angle - place[:, :, k, None]) / deviation)**2)
    return total
