"""Ranges from which the values of an effect are drawn, and the draws: evenly between two bounds, by a sample's seed."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from jaxtyping import Float
from pydantic import AfterValidator, BeforeValidator, Field
from torch import Tensor

from classifier.foundation.config import Config

# Each sample has two streams: pose and counts follow its seed itself, as they did before there were effects.
OTHER_STREAM = 0x2545F4914F6CDD1D
# Conditions share these numbers and differ in ranges alone: what is much of one is much of the other.
# New names go to the end, so that older draws stay.
DRAWN = (
    "overlayer.share", "overlayer.ring_half_frames", "diffuse.share", "diffuse.width_half_frames",
    "plasmons.losses", "plasmons.angle_half_frames", "plasmons.cutoff_half_frames",
    "distortion.ellipticity", "distortion.axis_degree", "blur.pixels", "blur.tail_share", "blur.tail_pixels",
    "camera.gain", "camera.dark_electrons", "camera.readout_electrons", "camera.full_well", "camera.dead_share")


def _pair(bounds: Any) -> Any:
    """A file's list as the tuple that it stands for."""
    return tuple(bounds) if isinstance(bounds, list) else bounds


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("the first bound must not lie above the second")
    return bounds


Bound = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Range = Annotated[tuple[Bound, Bound], BeforeValidator(_pair), AfterValidator(_ordered)]
ShareRange = Annotated[tuple[Share, Share], BeforeValidator(_pair), AfterValidator(_ordered)]
SignedRange = Annotated[tuple[float, float], BeforeValidator(_pair), AfterValidator(_ordered)]
Drawn = dict[str, Float[Tensor, "N C"]]  # by name, a value for each pattern


def streams(seeds: Sequence[int]) -> list[torch.Generator]:
    """A generator for each sample's effects; a sample's numbers depend on its own seed alone."""
    return [torch.Generator().manual_seed(seed ^ OTHER_STREAM) for seed in seeds]


def draw_values(effects: Mapping[str, Config], generators: Sequence[torch.Generator], patterns: int,
                names: Sequence[str] = DRAWN) -> Drawn:
    """{"effect.value": [N, C]}: each value of each effect that is there, evenly within its range, a pattern.

    Parameters
    ----------
    effects : {name: its ranges} of the effects that are there
    generators : one a sample, N; each gives as many numbers whichever effects are there
    patterns : of a sample, C
    names : of all values that there may be, which share the numbers
    """
    even = torch.stack([torch.rand(len(names), patterns, generator=generator) for generator in generators], 1)
    values = {}
    for name, numbers in zip(names, even, strict=True):
        effect, _, value = name.partition(".")
        if (ranges := effects.get(effect)) is not None:
            low, high = getattr(ranges, value)
            values[name] = low + (high - low) * numbers
    return values
