"""X-ray powder diffraction: intensity over the scattering angle, in shares of the highest peak."""

from typing import Annotated, ClassVar, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator

from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.kind.curves import drawn_curve, share_of_highest
from classifier.pattern.grid import GridAxis, SampleGrid

CU_K_ALPHA_ANGSTROM = 1.54184  # weighted mean of K alpha 1 and 2
UNITS = {"two_theta": "degree", "sin_theta": ""}


class Xrd(Config):
    """Powder patterns over `quantity`, from `first` to `last` in `points` even steps.

    Without keys: 2 theta from 0.5 to 90 degrees in steps of 0.5, Cu K alpha.
    """

    name: ClassVar[str] = "xrd"
    unit: ClassVar[str] = "share of the highest"
    augmentation: ClassVar[str] = "curve"
    kind: Literal["xrd"] = "xrd"
    quantity: Literal["two_theta", "sin_theta"] = "two_theta"
    first: Annotated[float, Field(ge=0, lt=180)] = 0.5
    last: Annotated[float, Field(gt=0, le=180)] = 90.0
    points: Annotated[int, Field(ge=2, le=65536)] = 180
    wavelength_angstrom: Annotated[float, Field(gt=0, le=10)] = CU_K_ALPHA_ANGSTROM

    @model_validator(mode="after")
    def _ordered(self) -> "Xrd":
        most = 180.0 if self.quantity == "two_theta" else 1.0
        if not self.first < self.last <= most:
            raise InputError(source="xrd", rule=f"{self.quantity} must rise from first to last, at most {most:g}",
                             value=f"{self.first:g} to {self.last:g}", remedy="Correct first and last.")
        return self

    def grid(self) -> SampleGrid:
        """[1, points] over the axis."""
        step = (self.last - self.first) / (self.points - 1)
        return SampleGrid(self.name, (GridAxis(self.quantity, UNITS[self.quantity], self.points, self.first, step),),
                          wavelength_angstrom=self.wavelength_angstrom)

    def in_unit(self, values: Float[np.ndarray, "N C P"]) -> Float[np.ndarray, "N C P"]:
        """Shares of the highest value of each pattern."""
        return share_of_highest(values)

    def drawn(self, sample: Float[np.ndarray, "C P"]) -> bytes:
        """A pattern over its axis."""
        return drawn_curve(sample, self.grid().axes[0])
