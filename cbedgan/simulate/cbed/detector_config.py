"""What a pattern is drawn on, through which aperture, and from how many incident directions."""

from typing import Annotated, Literal

from pydantic import Field

from classifier.foundation.config import Config

LEAST_ACROSS = 4  # incident directions along the aperture's diameter


class Drift(Config):
    """A square grid of as many incident directions as it takes, and intensities interpolated between them: neighbours
    drift apart by at most this on their way through the slab.

    The wider the aperture and the thicker the slab, the faster intensities change from one direction to the next.
    """

    drift_angstrom: Annotated[float, Field(gt=0)]


class RingDrift(Config):
    """As Drift, with directions on rings, which favour no rotation axis, and with interpolated amplitudes."""

    ring_drift_angstrom: Annotated[float, Field(gt=0)]


class DetectorConfig(Config):
    """Detector, aperture and sampling of one pattern.

    In canonical pose lengths count in units of |g1|, the shortest visible reflection of the ZOLZ, which points to +x.
    aperture_unit "spacing_at_100_kev": wavelength at 100 keV over the spacing of the reflection that names the zone
    axis, whatever the energy; `stack.detectors` puts it in mrad.
    """

    pose: Literal["raw", "canonical"] = "canonical"
    size_pixels: Annotated[int, Field(ge=1)] = 64
    half_width: Annotated[float, Field(gt=0)] = 2.0  # centre to edge: 1/angstrom (raw), |g1| (canonical)
    aperture_unit: Literal["shortest_g", "mrad", "spacing_at_100_kev"] = "shortest_g"
    aperture_radius: Annotated[float, Field(gt=0)] = 0.475  # semi-angle in aperture_unit; below 0.5 |g1| no overlap
    directions_across: Annotated[int, Field(ge=LEAST_ACROSS)] | Drift | RingDrift = 8  # along the diameter
    samples_per_pixel: Annotated[int, Field(ge=1)] = 2  # interpolated samples along one side of a pixel
    visible: Annotated[float, Field(gt=0, lt=1)] = 0.02  # see classifier.pattern.geometry.shortest_visible_g
    tie: Annotated[float, Field(ge=0)] = 0.02
