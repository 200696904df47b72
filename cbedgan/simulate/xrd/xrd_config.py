"""Everything that decides a powder pattern of crystals: radiation, axis, profile; and the presets."""

from collections.abc import Mapping
from math import log, sqrt
from types import MappingProxyType
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import BeforeValidator, Field, model_validator

from cbedgan.simulate.powder.scatterers import Vibration
from cbedgan.simulate.xrd.orientation import OrientationConfig
from classifier.foundation.config import Config, with_preset

COPPER = 1.54184  # angstrom, K alpha, both lines together
COPPER_1, COPPER_2 = 1.54056, 1.54439
FWHM_OF_GAUSSIAN = 2 * sqrt(2 * log(2))  # in standard deviations


class ProfileConfig(Config):
    """The pseudo-Voigt profile of a peak, as the instrument makes it.

    Its full width at half maximum in degrees of two theta is sqrt(U tan^2 theta + V tan theta + W) (G. Caglioti,
    A. Paoletti and F. P. Ricci, Nucl. Instrum. 3, 223, 1958), at least `least_degree`.
    """

    u_degree2: float = 0.0
    v_degree2: float = 0.0
    w_degree2: Annotated[float, Field(ge=0)] = 0.0
    least_degree: Annotated[float, Field(gt=0)] = 0.02
    lorentz_share: Annotated[float, Field(ge=0, le=1)] = 0.0

    def width_degree(self, two_theta_degree: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
        """Full width at half maximum at angles in degrees of two theta."""
        tangent = np.tan(np.radians(two_theta_degree) / 2)
        square = self.u_degree2 * tangent**2 + self.v_degree2 * tangent + self.w_degree2
        return np.sqrt(np.maximum(square, self.least_degree**2))


class Line(Config):
    """A line of the radiation, and its share of the light."""

    wavelength_angstrom: Annotated[float, Field(gt=0)]
    share: Annotated[float, Field(gt=0, le=1)]


def _tuple(lines: Any) -> Any:
    """A file's list as the tuple that it stands for."""
    return tuple(lines) if isinstance(lines, list) else lines


class XrdConfig(Config):
    """A powder pattern. A file may say preset = "modern" and whatever shall differ from it.

    lines: of the radiation, the first decides where a peak is said to lie.
    spacing: points are even in two theta, or in sin theta, so that a larger cell is the same pattern, stretched.
    least_degree, most_degree, points: of the axis, in two theta, both ends included.
    vibration: mean square displacement in angstrom^2 of all atoms, or "by_element" at 300 K.
    orientation: preferred, of crystallites; None: they lie at random.
    """

    lines: Annotated[tuple[Line, ...], BeforeValidator(_tuple), Field(min_length=1)]
    spacing: Literal["two_theta", "sin_theta"]
    least_degree: Annotated[float, Field(gt=0, lt=180)]
    most_degree: Annotated[float, Field(gt=0, lt=180)]
    points: Annotated[int, Field(ge=2)]
    profile: ProfileConfig
    vibration: Vibration = 0.0
    orientation: OrientationConfig | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_preset(cls, content: Any) -> Any:
        return with_preset(content, PRESETS)

    @model_validator(mode="after")
    def _axis_ascends(self) -> "XrdConfig":
        if self.least_degree >= self.most_degree:
            raise ValueError("least_degree must lie below most_degree")
        return self

    def __hash__(self) -> int:
        """Tables are kept by configuration."""
        return hash(self.model_dump_json())

    def two_theta_degree(self) -> Float[np.ndarray, " points"]:
        """The axis."""
        if self.spacing == "two_theta":
            return np.linspace(self.least_degree, self.most_degree, self.points)
        least, most = (float(np.sin(np.radians(end) / 2)) for end in (self.least_degree, self.most_degree))
        return np.degrees(2 * np.arcsin(np.linspace(least, most, self.points)))


# nanox81: Gaussians of a standard deviation of 0.2 degree, atoms at rest, one wavelength.
# modern: a laboratory diffractometer with both lines of copper; instrument alone, crystallites only broaden it.
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    "nanox81": {
        "lines": (Line(wavelength_angstrom=COPPER, share=1.0),), "spacing": "two_theta", "least_degree": 0.5,
        "most_degree": 90.0, "points": 180, "profile": ProfileConfig(w_degree2=(0.2 * FWHM_OF_GAUSSIAN)**2)},
    "modern": {
        "lines": (Line(wavelength_angstrom=COPPER_1, share=2 / 3), Line(wavelength_angstrom=COPPER_2, share=1 / 3)),
        "spacing": "sin_theta", "least_degree": 5.0, "most_degree": 90.0, "points": 2048, "vibration": "by_element",
        "profile": ProfileConfig(u_degree2=0.012, v_degree2=-0.006, w_degree2=0.0125, lorentz_share=0.4)}})
