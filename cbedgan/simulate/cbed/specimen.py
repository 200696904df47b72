"""What a specimen does to a pattern beside its thickness: it is tilted off the axis, wedged and bent under the beam.

The lit area of a wedge holds a range of thicknesses, that of a bent foil a range of tilts: the pattern is the mean over
the area's points (intensities add: a point that is lit is a wave of its own). None of it changes the crystal, so none
changes the label; a tilt hides symmetry of the pattern, as it does in a microscope.
"""

from typing import Annotated, NamedTuple

import numpy as np
from jaxtyping import Float
from pydantic import Field

from classifier.foundation.config import Config

# Points of the lit disk and weights that give the mean of any polynomial of degree 5 (Abramowitz & Stegun 25.4.61):
# the middle, and six at sqrt(2/3) of the radius.
AREA_WEIGHTS = np.array([1 / 4] + [1 / 8] * 6)
_ANGLE = np.pi / 3 * np.arange(6)
AREA_POINTS = np.sqrt(2 / 3) * np.array([[0.0, 0.0], *np.stack([np.cos(_ANGLE), np.sin(_ANGLE)], -1)])


class SpecimenConfig(Config):
    """Largest departures of a specimen from a flat one on its zone axis; each pattern draws its own, evenly."""

    tilt_mrad: Annotated[float, Field(ge=0)] = 0.0  # of the zone axis off the beam; evenly over a disk
    probe_angstrom: Annotated[float, Field(ge=0)] = 0.0  # diameter of the lit area, with what the beam spreads
    wedge_degree: Annotated[float, Field(ge=0, lt=45)] = 0.0
    bending_mrad_per_micrometre: Annotated[float, Field(ge=0)] = 0.0

    def draw(self, generator: np.random.Generator) -> "Specimen":
        """Draw one specimen; always as many numbers, whatever the settings."""
        size, angle, probe, wedge, bending = generator.random(5)
        directions = 2 * np.pi * generator.random(2)
        tilt = self.tilt_mrad * np.sqrt(size) * np.array([np.cos(2 * np.pi * angle), np.sin(2 * np.pi * angle)])
        return Specimen(tuple(np.round(tilt, 6).tolist()), round(self.probe_angstrom * probe, 3),
                        round(self.wedge_degree * wedge, 5), round(self.bending_mrad_per_micrometre * bending, 5),
                        tuple(np.round(directions, 5).tolist()))

    @property
    def widest_tilt_mrad(self) -> float:
        """Of any lit point."""
        return self.tilt_mrad + self.bending_mrad_per_micrometre * self.probe_angstrom / 2e4


class Specimen(NamedTuple):
    """One pattern's specimen.

    tilt_mrad: (x, y) of the incident beam from the zone axis, slab frame; probe_angstrom: diameter of the lit area;
    directions_rad: of the wedge and of the bending, in the plane of the foil.
    """

    tilt_mrad: tuple[float, float] = (0.0, 0.0)
    probe_angstrom: float = 0.0
    wedge_degree: float = 0.0
    bending_mrad_per_micrometre: float = 0.0
    directions_rad: tuple[float, float] = (0.0, 0.0)

    def points(self) -> tuple[Float[np.ndarray, " P"], Float[np.ndarray, "P 2"], Float[np.ndarray, " P"]]:
        """Of points of the lit area: thickness less that in the middle (angstrom), tilt (mrad), weight."""
        wedge, bending = (np.array([np.cos(angle), np.sin(angle)]) for angle in self.directions_rad)
        place = AREA_POINTS * self.probe_angstrom / 2
        thicker = place @ wedge * np.tan(np.radians(self.wedge_degree))
        tilt = np.array(self.tilt_mrad) + np.outer(place @ bending * 1e-4 * self.bending_mrad_per_micrometre, bending)
        if not (thicker.any() or np.ptp(tilt, axis=0).any()):
            return thicker[:1], tilt[:1], np.ones(1)
        return thicker, tilt, AREA_WEIGHTS
