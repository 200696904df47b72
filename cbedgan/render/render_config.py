"""How fine the renderer computes."""

from typing import Annotated

from pydantic import Field

from classifier.foundation.config import Config


class RenderConfig(Config):
    """Between fast and exact; `FAST` and `EXACT` are two points on the way, see "The renderer" in analysis/LOG.md."""

    reach_inv_angstrom: Annotated[float, Field(gt=0, le=2)] = 1.0  # of the beams that interact, at most most_beams
    most_beams: Annotated[int, Field(ge=9, le=2000)] = 320
    merge_angstrom: Annotated[float, Field(ge=0)] = 0.4  # atoms within this height along the beam form one layer
    # Neighbouring rings of incident directions drift apart by at most this on their way through the slab.
    ring_drift_angstrom: Annotated[float, Field(gt=0)] = 1.0
    samples_per_pixel: Annotated[int, Field(ge=1, le=4)] = 1  # along one side


FAST = RenderConfig()
EXACT = RenderConfig(reach_inv_angstrom=1.6, most_beams=1000, ring_drift_angstrom=0.7, samples_per_pixel=2)
