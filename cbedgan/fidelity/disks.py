"""Disk positions: do the disks of generated patterns lie on a lattice, where real ones have theirs, dark between?"""

import numpy as np
from jaxtyping import Float

from classifier.foundation.errors import InputError
from classifier.pattern.disk_lattice import find_disk_lattice, nearest_lattice_point, pixel_vectors
from classifier.pattern.geometry import Detector


def disk_figures(patterns: Float[np.ndarray, "N H W"], detector: Detector) -> dict[str, float]:
    """Fit a disk lattice to each of the patterns of physical intensity and sum up what is found.

    found: share in which a lattice is found; of these, as medians: shortest |g| and disk radius in detector units, and
    the share of the light that falls between the disks.
    """
    fits = []
    for pattern in patterns:  # each is a fit of its own; some hundredths of a second
        try:
            basis, radius, centre = find_disk_lattice(pattern, detector)
        except InputError:
            continue
        _, distance = nearest_lattice_point(pixel_vectors(len(pattern)) - centre / detector.pixel_size,
                                        basis / detector.pixel_size)
        outside = distance > radius / detector.pixel_size + 1  # a pixel that a disk cuts belongs to it
        fits.append((np.linalg.norm(basis, axis=1).min(), radius, pattern[outside].sum() / max(pattern.sum(), 1e-30)))
    figures = {"found": len(fits) / max(len(patterns), 1)}
    if fits:
        figures |= dict(zip(("shortest_g", "disk_radius", "light_between"), map(float, np.median(fits, axis=0)),
                          strict=True))
    return figures
