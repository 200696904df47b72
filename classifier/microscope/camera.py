"""What a camera does to the electrons that it counts: uneven gain, dark current, readout, a full well, dead pixels.

All of it is independent of the crystal, pixel by pixel, and so says nothing of its group: the label stays. An electron
that is counted in a pixel is counted there alone: blur comes before the counts, as in a counting detector.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from classifier.foundation.config import Config
from classifier.microscope.ranges import Drawn, Range, ShareRange


class Camera(Config):
    """gain: standard deviation of the pixels' gains that a flat field left, as a share.

    dark_electrons: mean dark current a pixel, in beam electrons; its mean is subtracted, its noise stays.
    readout_electrons: standard deviation of the readout, in beam electrons.
    full_well: where a pixel saturates, in the brightest expected count of its pattern; above 1: hardly one does.
    dead_share: share of the pixels that read nothing.
    """

    gain: Range
    dark_electrons: Range
    readout_electrons: Range
    full_well: Range
    dead_share: ShareRange


def counts(rate: Float[Tensor, "N C H W"], generators: Sequence[torch.Generator]) -> Float[Tensor, "N C H W"]:
    """Poisson counts of expected ones on the CPU, each sample by its own generator."""
    return torch.stack([torch.poisson(one, generator=generator) for one, generator in
                        zip(rate, generators, strict=True)])


def read_out(rate: Float[Tensor, "N C H W"], values: Drawn, generators: Sequence[torch.Generator],
             other: Sequence[torch.Generator]) -> Float[Tensor, "N C H W"]:
    """What a camera reads where `rate` electrons are expected, in electrons, on the CPU.

    Negative readings become zero, as in a file of unsigned numbers.

    Parameters
    ----------
    rate, values : expected electrons; drawn for the patterns
    generators, other : of the counts; of the camera's own noise
    """
    gain, dark, readout, full_well, dead = (
        values[f"camera.{name}"][..., None, None]
        for name in ("gain", "dark_electrons", "readout_electrons", "full_well", "dead_share"))
    read = counts(rate + dark, generators) - dark
    shape = rate.shape[1:]
    # Gain and readout are independent and normal: one number a pixel stands for both.
    noise = torch.stack([torch.randn(shape, generator=generator) for generator in other])
    read = read + noise * ((gain * read).square() + readout.square()).sqrt()
    read = torch.minimum(read, full_well * rate.amax((-2, -1), keepdim=True)).clamp(min=0)
    alive = torch.stack([torch.rand(shape, generator=generator) for generator in other]) >= dead
    return read * alive
