"""The lattice of a measured pattern from the image alone: every likely radius is tried, the best edges win."""

import numpy as np
from jaxtyping import Float

from classifier.pose.disks import disk_places
from classifier.pose.edges import EdgeFit, fit_edges
from classifier.pose.hypotheses import hypotheses

SMALLEST_RADIUS, LARGEST_RADIUS = 3.0, 0.2  # pixels; sides of the frame
STEP = 1.25  # from one radius that is tried to the next
SEEN, FULLY = 4.0, 30.0  # deviations from which on a disk counts, and counts fully
EMPTY = 2.0  # what a lattice point without a disk costs


def find_fit(level: Float[np.ndarray, "H H"], radius: float | None) -> EdgeFit | None:
    """The lattice, fitted, in pixels; None where there is none.

    Parameters
    ----------
    level : the pattern, stabilised
    radius : of the disks in pixels, if it is known
    """
    size = len(level)
    if radius is not None:
        radii = [radius]
    else:
        steps = int(np.log(LARGEST_RADIUS * size / SMALLEST_RADIUS) / np.log(STEP)) + 1
        radii = [SMALLEST_RADIUS * STEP**k for k in range(steps)]
    best, most = None, 0.0
    for tried in radii:
        for one in hypotheses(disk_places(level, tried), tried, size, most=1 if radius is None else 2):
            fit = fit_edges(level, one.basis, one.origin, tried)
            if fit is None:
                continue
            value = worth(fit)
            if value > most:
                best, most = fit, value
    return best


def worth(fit: EdgeFit) -> float:
    """How much speaks for a fit: its disks, each by its contrast, less its empty places."""
    seen = fit.contrast > SEEN
    return float(np.minimum(fit.contrast[seen], FULLY).sum() - EMPTY * (~seen).sum())
