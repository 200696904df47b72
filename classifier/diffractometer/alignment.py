"""A goniometer whose zero is a little wrong, and a specimen a little above or below its axis, move peaks.

A displacement of s in a circle of radius R moves two theta by -2 (s / R) cos theta rad (A. J. C. Wilson, Mathematical
Theory of X-Ray Powder Diffractometry, 1963). Peaks move together, as those of no other group would: the label stays.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from classifier.diffractometer.powder_axis import PowderAxis, sampled
from classifier.foundation.config import Config
from classifier.microscope.ranges import SignedRange


class Alignment(Config):
    """zero_degree: by which all of two theta reads too high; displacement: of the specimen, in radii of the circle."""

    zero_degree: SignedRange
    displacement: SignedRange


def misaligned(patterns: Float[Tensor, "N C L"], axis: PowderAxis, zero_degree: Float[Tensor, "N C"],
               displacement: Float[Tensor, "N C"]) -> Float[Tensor, "N C L"]:
    """Patterns whose peaks have moved.

    Parameters
    ----------
    patterns, axis : and where their points lie
    zero_degree, displacement : see `Alignment`, a value each pattern
    """
    theta = axis.two_theta_degree.to(patterns).deg2rad() / 2
    moved = zero_degree[..., None] - (2 * displacement[..., None] * theta.cos()).rad2deg()
    place = torch.arange(len(theta), device=patterns.device) - moved / axis.step_degree.to(patterns)
    return sampled(patterns, place).clamp(min=0)
