"""What decides the light of a drawn crystal, apart from the crystal; a generator's checkpoint holds it."""

from typing import Annotated

from pydantic import Field

from classifier.foundation.config import Config


class RenderConstants(Config):
    """Each with the section of analysis/LOG.md that chose it. Numerical guards are constants of their modules."""

    # "A generator of crystals": beams of a pattern, whose work grows with their square, the shortest.
    most_beams: Annotated[int, Field(ge=1, le=4096)] = 160
    # The same: half widths of the frame, whose corners lie at 1.41, within which beams take part.
    beam_reach: Annotated[float, Field(gt=0, le=8)] = 1.75
    # The same: |g1|, at least so far, because beams outside a narrow frame take part in what it shows.
    least_beam_reach: Annotated[float, Field(gt=0, le=16)] = 3.5
    # The same, "Bright field": of the crystal's repeat along the beam; three tell one way along it from the other.
    layers: Annotated[int, Field(ge=1, le=64)] = 3
    # "Half turns as the form says, rims as simulators lay them": squares across a pixel that tile a disk.
    samples_a_pixel: Annotated[int, Field(ge=1, le=16)] = 2
    # The same: pixels from a rim to the middles of those that hold some of its light.
    rim_reach_pixels: Annotated[float, Field(gt=0, le=8)] = 1.35
