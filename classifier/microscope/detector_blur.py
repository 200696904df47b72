"""What a camera blurs: neighbouring pixels share an electron's signal, and a scintillator's light reaches far.

Modulation transfer = (1 - tail share) Gaussian + tail share exp(-2 pi q tail): narrow for counting detectors, with a
tail for scintillators on fibre optics (both measured by McMullan et al., Ultramicroscopy 109, 1126, 2009). A
diffraction plane that is not quite in focus blurs by a Gaussian too, and is meant with it. A source of finite size has
no effect of its own: where disks do not overlap, the light of a direction is the same at every place of a perfect
crystal. The kernel is round: the label stays.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from classifier.foundation.config import Config
from classifier.microscope.ranges import Range, ShareRange


class DetectorBlur(Config):
    """pixels: standard deviation of the Gaussian; tail_share, tail_pixels: the tail's share of the light, its width."""

    pixels: Range
    tail_share: ShareRange
    tail_pixels: Range


def modulation(pixels: Float[Tensor, "N C"], tail_share: Float[Tensor, "N C"], tail_pixels: Float[Tensor, "N C"],
               frequency: Float[Tensor, " U"]) -> Float[Tensor, "N C U"]:
    """The modulation transfer at frequencies in cycles per pixel, 1 at 0.

    Parameters
    ----------
    pixels, tail_share, tail_pixels : see `DetectorBlur`, a value each pattern
    frequency : in cycles per pixel
    """
    x, share = 2 * torch.pi * frequency, tail_share[..., None]
    return (1 - share) * torch.exp(-0.5 * (x * pixels[..., None]) ** 2) + share * torch.exp(-x * tail_pixels[..., None])
