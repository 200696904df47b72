"""Convergent-beam electron diffraction: stacks of three patterns at three zone axes."""

import io
from typing import Annotated, ClassVar, Literal

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.image import imsave
from pydantic import Field

from classifier.foundation.config import Config
from classifier.pattern.geometry import CBED, Detector
from classifier.pattern.measurement import BEAM_SHARE

LARGEST_PICTURE = 96  # pixels a side; larger patterns are averaged over blocks
DECADES = 5  # of the grey scale, below the brightest pixel of a stack
GAP = 2  # pixels between patterns


class Cbed(Config):
    """Stacks on a square detector; without keys in the canonical pose, the shortest g at a quarter of the side."""

    name: ClassVar[str] = CBED
    unit: ClassVar[str] = BEAM_SHARE
    augmentation: ClassVar[str] = "pattern"
    kind: Literal["cbed"] = "cbed"
    size_pixels: Annotated[int, Field(ge=1, le=8192)] = 64
    pixel_size: Annotated[float, Field(gt=0)] = 0.0625
    pixel_unit: Literal["1/angstrom", "mrad", "shortest_g", "pixel"] = "shortest_g"

    def grid(self) -> Detector:
        """[3, size_pixels, size_pixels]."""
        return Detector(self.size_pixels, self.pixel_size, self.pixel_unit)

    def in_unit(self, values: Float[np.ndarray, "N C H W"]) -> Float[np.ndarray, "N C H W"]:
        """The values themselves: shares of the incident beam from the start."""
        return values.astype(np.float32)

    def drawn(self, sample: Float[np.ndarray, "C H W"]) -> bytes:
        """The patterns side by side."""
        return self.picture(sample)

    @staticmethod
    def picture(stack: Float[np.ndarray, "C H W"]) -> bytes:
        """The patterns of a stack side by side, log scale, k_y upwards, as PNG."""
        patterns, blocks = len(stack), -(-stack.shape[-1] // LARGEST_PICTURE)
        size = stack.shape[-1] // blocks
        cut = stack[:, :size * blocks, :size * blocks].astype(np.float64)
        small = cut.reshape(patterns, size, blocks, size, blocks).mean(axis=(2, 4))
        top = max(small.max(), np.finfo(np.float32).tiny)
        shade = np.log10(np.maximum(small / top, 10.0**-DECADES)) / DECADES + 1
        colours = matplotlib.colormaps["inferno"](shade[:, ::-1])
        canvas = np.zeros((size, patterns * size + (patterns - 1) * GAP, 4))
        for k in range(patterns):
            canvas[:, k * (size + GAP):k * (size + GAP) + size] = colours[k]
        stream = io.BytesIO()
        imsave(stream, canvas, format="png")
        return stream.getvalue()
