"""What a camera does to the electrons that it counts: uneven gain, dark current, readout, a full well, dead pixels.

All of it is independent of the crystal, pixel by pixel, and so says nothing of its group: the label stays. An electron
that is counted in a pixel is counted there alone: blur comes before the counts, as in a counting detector.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from classifier.foundation.config import Config
from classifier.microscope.ranges import Drawn, Range, ShareRange

Counter = Callable[[Tensor, Sequence[torch.Generator]], Tensor]
"""Expected counts and a generator for each sample, to counts."""
SUMMED_BELOW = 32  # expected counts: there the probabilities of numbers are added one by one


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


def steady_counts(rate: Float[Tensor, "N C H W"], generators: Sequence[torch.Generator]) -> Float[Tensor, "N C H W"]:
    """The same, but each pixel's count is the quantile of one even number: it never falls where the rate rises.

    So copies of patterns that differ a little differ a little, which `counts` does not give: how many numbers it draws
    for a pixel depends on the rate. Where few are expected their probabilities are added up; elsewhere the quantile is
    that of Cornish and Fisher (1938, doi:10.2307/1400905), with Sheppard's correction for whole numbers: one count in
    1,400 is one too many or too few at the least such rate, and fewer above.
    """
    even = torch.stack([torch.rand(one.shape, generator=generator, dtype=torch.float64)
                        for one, generator in zip(rate, generators, strict=True)])
    mean = rate.double()
    z, root = torch.special.ndtri(even.clamp(1e-16, 1 - 1e-16)), mean.clamp(min=SUMMED_BELOW).sqrt()
    many = (mean + root * z + (z.square() - 1) / 6 - (2 * z + z**3) / (72 * root) - 0.5).ceil().clamp(min=0)
    few = mean < SUMMED_BELOW
    rows, left = mean[few], even[few].clone()
    probability, number = torch.exp(-rows), torch.zeros_like(rows)
    for k in range(1, 4 * SUMMED_BELOW):  # beyond that none is to be expected in 1e30 pixels
        left -= probability
        number += left > 0
        probability = probability * rows / k
    many[few] = number
    return many.to(rate.dtype)


def read_out(rate: Float[Tensor, "N C H W"], values: Drawn, generators: Sequence[torch.Generator],
             other: Sequence[torch.Generator], count: Counter = counts) -> Float[Tensor, "N C H W"]:
    """What a camera reads where `rate` electrons are expected, in electrons, on the CPU.

    Negative readings become zero, as in a file of unsigned numbers.

    Parameters
    ----------
    rate, values : expected electrons; drawn for the patterns
    generators, other : of the counts; of the camera's own noise
    count : how electrons are counted
    """
    gain, dark, readout, full_well, dead = (
        values[f"camera.{name}"][..., None, None]
        for name in ("gain", "dark_electrons", "readout_electrons", "full_well", "dead_share"))
    read = count(rate + dark, generators) - dark
    shape = rate.shape[1:]
    # Gain and readout are independent and normal: one number a pixel stands for both.
    noise = torch.stack([torch.randn(shape, generator=generator) for generator in other])
    read = read + noise * ((gain * read).square() + readout.square()).sqrt()
    read = torch.minimum(read, full_well * rate.amax((-2, -1), keepdim=True)).clamp(min=0)
    alive = torch.stack([torch.rand(shape, generator=generator) for generator in other]) >= dead
    return read * alive
