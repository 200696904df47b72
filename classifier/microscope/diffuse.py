"""Diffuse light of thermal and other scattering: a share of every beam is spread broadly about it.

The kernel (1 + (angle / width)^2)^(-3/2), half of it within sqrt(3) widths, has the transform exp(-2 pi q width). It
stands for an atom's own spread of scattering; the Kikuchi bands of diffuse light, which have the symmetry too, are left
out. A round kernel keeps each rotation and mirror of a pattern: the label stays.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from classifier.foundation.config import Config
from classifier.microscope.ranges import Range, ShareRange


class Diffuse(Config):
    """share: of the light; width_half_frames: of the kernel, in half widths of the frame."""

    share: ShareRange
    width_half_frames: Range


def spread(width: Float[Tensor, "N C"], frequency: Float[Tensor, " U"]) -> Float[Tensor, "N C U"]:
    """Fourier transform of the kernel, 1 at frequency 0."""
    return torch.exp(-2 * torch.pi * frequency * width[..., None])
