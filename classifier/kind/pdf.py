"""Pair distribution functions: G(r) over distance, from the lowest value of each to the highest."""

import math
from typing import Annotated, ClassVar, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from classifier.foundation.config import Config
from classifier.kind.curves import drawn_curve, share_of_range
from classifier.pattern.grid import GridAxis, SampleGrid


class Pdf(Config):
    """G(r) at `points` places from `first_angstrom` on, `step_angstrom` apart.

    Without keys: 209 points from 1.5 to 29.9 angstrom, pi / Q_max = pi / 23 apart (Liu et al. 2019, Table 2).
    """

    name: ClassVar[str] = "pdf"
    unit: ClassVar[str] = "share of the range"
    augmentation: ClassVar[str] = "curve"
    kind: Literal["pdf"] = "pdf"
    first_angstrom: Annotated[float, Field(ge=0, le=1000)] = 1.5
    step_angstrom: Annotated[float, Field(gt=0, le=10)] = math.pi / 23
    points: Annotated[int, Field(ge=2, le=65536)] = 209

    def grid(self) -> SampleGrid:
        """[1, points] over r."""
        return SampleGrid(self.name, (GridAxis("r", "angstrom", self.points, self.first_angstrom, self.step_angstrom),))

    def in_unit(self, values: Float[np.ndarray, "N C P"]) -> Float[np.ndarray, "N C P"]:
        """Shares of the range of each function."""
        return share_of_range(values)

    def drawn(self, sample: Float[np.ndarray, "C P"]) -> bytes:
        """A function over its axis."""
        return drawn_curve(sample, self.grid().axes[0])
