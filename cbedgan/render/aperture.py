"""The lit directions of an aperture, on rings that favour no symmetry, and the spline between them.

As `simulate.cbed.aperture`, with what does not depend on the crystal computed once.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from cbedgan.simulate.cbed.aperture import Directions, rings, spline_system, weights_of_mean

WIDTH_STEP = 0.05  # of what is lit, in radii of the aperture: so few widths that their splines are kept


class Lit(NamedTuple):
    """Directions, in radii of the aperture; spline: from its terms to weights of the directions [D + terms, D];
    mean: weights of the mean over the aperture [D]."""

    directions: Directions
    spline: Float[np.ndarray, "terms D"]
    mean: Float[np.ndarray, " D"]

    def weights(self, points: Float[np.ndarray, "S 2"]) -> Float[np.ndarray, "S D"]:
        """Weights of interpolation from the directions to points, in radii of the aperture."""
        count = len(self.directions.nodes)
        squared = ((points[:, None] - self.directions.nodes) ** 2).sum(-1)
        power = self.directions.power // 2  # it is odd: whole powers and a square root take less time
        x, y = points.T
        polynomial = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y][:len(self.spline) - count], 1)
        return squared**power * np.sqrt(squared) @ self.spline[:count] + polynomial @ self.spline[count:]


def lit(number: int, width: float) -> Lit:
    """So many rings over a disk of `width` radii of the aperture or a little more."""
    return _lit(number, int(np.ceil(width / WIDTH_STEP - 1e-6)))


@lru_cache(maxsize=256)
def _lit(number: int, steps: int) -> Lit:
    unit = rings(number)
    directions = unit._replace(nodes=unit.nodes * steps * WIDTH_STEP)
    spline = np.linalg.inv(spline_system(directions))[:, :len(directions.nodes)]
    return Lit(directions, spline, weights_of_mean(directions))
