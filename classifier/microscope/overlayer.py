"""An amorphous overlayer (contamination, a damaged surface, a carbon film): a share of the light goes into a halo.

The halo has a middle and two broad rings, of amorphous carbon's (near 2.1 and 1.2 angstrom) ratio of radii and widths
of a seventh. A round halo about every beam keeps each rotation and mirror of a pattern: the label stays.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from classifier.foundation.config import Config
from classifier.microscope.ranges import Range, ShareRange

RINGS = ((0.45, 1.0), (0.2, 1.75))  # share of the halo, and radius in those of the first ring
RING_WIDTH = 1 / 7  # standard deviation, in the ring's radius
MIDDLE = (0.35, 0.5)  # share, and width in the radius of the first ring


class Overlayer(Config):
    """share: of the light that it scatters; ring_half_frames: radius of the first ring, in half widths of the frame.

    With half a frame of two |g1|, a ring at 2.1 angstrom lies at 0.7 to 2.8 half widths for |g1| of 0.34 to 0.085 per
    angstrom; those beyond the corners, at 1.4, are not seen.
    """

    share: ShareRange
    ring_half_frames: Range


def halo(ring: Float[Tensor, "N C"], frequency: Float[Tensor, " U"]) -> Float[Tensor, "N C U"]:
    """Fourier transform of a halo with its first ring at radius `ring`, 1 at frequency 0; both in the same length."""
    x = 2 * torch.pi * frequency * ring[..., None]
    light = MIDDLE[0] * torch.exp(-MIDDLE[1] * x)
    for share, radius in RINGS:
        light = light + share * torch.special.bessel_j0(radius * x) * torch.exp(-0.5 * (RING_WIDTH * radius * x) ** 2)
    return light
