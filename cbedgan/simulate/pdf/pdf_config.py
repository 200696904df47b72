"""Everything that decides a pair distribution function of a crystal."""

from math import pi
from typing import Annotated

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator

from cbedgan.simulate.powder.scatterers import Vibration
from classifier.foundation.config import Config

LIU_ANGSTROM2 = 0.008


class PdfConfig(Config):
    """G(r) in 1/angstrom^2, as total scattering of X-rays gives it. The defaults are those of Liu et al. (2019).

    least_angstrom, most_angstrom: of r, which advances by step_angstrom, pi / q_most where that is None; the last point
    is at or below most_angstrom.
    q_least, q_most: of the scattering vector, 1/angstrom.
    q_damp, q_broad: of the instrument, 1/angstrom: G falls as exp(-(q_damp r)^2 / 2), a peak's variance grows by
    (q_broad r)^2 of itself.
    delta_1_angstrom, delta_2_angstrom2: atoms near each other move together, so that variances are less by a share
    of delta_1 / r + delta_2 / r^2.
    vibration: mean square displacement in angstrom^2 of all atoms, or "by_element" at 300 K.
    """

    least_angstrom: Annotated[float, Field(gt=0)] = 1.5
    most_angstrom: Annotated[float, Field(gt=0, le=60)] = 30.0
    step_angstrom: Annotated[float, Field(gt=0)] | None = None
    q_least: Annotated[float, Field(ge=0)] = 0.5
    q_most: Annotated[float, Field(gt=0, le=50)] = 23.0
    q_damp: Annotated[float, Field(ge=0)] = 0.04
    q_broad: Annotated[float, Field(ge=0)] = 0.01
    delta_1_angstrom: Annotated[float, Field(ge=0)] = 0.0
    delta_2_angstrom2: Annotated[float, Field(ge=0)] = 0.0
    vibration: Vibration = LIU_ANGSTROM2

    @model_validator(mode="after")
    def _bounds_ascend(self) -> "PdfConfig":
        if self.least_angstrom >= self.most_angstrom or self.q_least >= self.q_most:
            raise ValueError("least_angstrom must lie below most_angstrom, and q_least below q_most")
        return self

    def __hash__(self) -> int:
        """Tables are kept by configuration."""
        return hash(self.model_dump_json())

    def r_angstrom(self) -> Float[np.ndarray, " L"]:
        """The axis."""
        step = pi / self.q_most if self.step_angstrom is None else self.step_angstrom
        points = int((self.most_angstrom - self.least_angstrom) / step + 1e-9) + 1
        return self.least_angstrom + step * np.arange(points)

    def variance_share(self, r: Float[np.ndarray, " R"]) -> Float[np.ndarray, " R"]:
        """A pair's variance in that without correlation and resolution, by distance in angstrom."""
        left = 1 - self.delta_1_angstrom / r - self.delta_2_angstrom2 / r**2
        return np.maximum(left, 0.1) + (self.q_broad * r)**2
