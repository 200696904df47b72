"""Faint disks between those of a lattice: whether a finer lattice is there, by the light of all its new places."""

import numpy as np
from jaxtyping import Float

from classifier.crystal.reciprocal import Basis, reduced_basis
from classifier.pose.spots import LEAST_OWN, Spots, disks_in_frame, spots

FINER = [np.linalg.inv(np.array(rows, dtype=np.float64)) for rows in (
    [[2, 0], [0, 1]], [[1, 0], [0, 2]], [[1, 1], [0, 2]],
    [[3, 0], [0, 1]], [[1, 0], [0, 3]], [[1, 1], [0, 3]], [[1, 2], [0, 3]])]
SURE = 5.0  # deviations of all new places together, or of a pair of opposite ones
EACH = 5.0  # deviations with which one of them counts at most
LEAST_SHARE = 0.01  # of the brightest diffracted disk: mean of the brightest third of the new places
CLOSEST = 1.9  # lattice points, in radii: what overlaps more cannot be told from what disks spread around them


def finer_basis(light: Float[np.ndarray, "H H"], counts_per_unit: float, basis: Basis, origin: Float[np.ndarray, " 2"],
                radius: float) -> Basis:
    """The basis, or that of a lattice two or three times (and again) as fine of which faint disks are seen.

    Parameters
    ----------
    light, counts_per_unit : mended pattern, and electrons a unit of it stands for
    basis, origin, radius : of the lattice of the clear disks, in pixels
    """
    for _ in range(3):
        found = spots(light, counts_per_unit, basis, origin, radius, middle=origin)
        best, most = None, SURE
        for finer in FINER:
            tried = reduced_basis(finer @ basis)
            if np.hypot(*tried[0]) >= CLOSEST * radius:
                value = _evidence(light, counts_per_unit, found, tried, basis, origin, radius)
                if value > most:
                    best, most = tried, value
        if best is None:
            return basis
        basis = best
    return basis


def _evidence(light: np.ndarray, counts_per_unit: float, found: Spots, finer: Basis, basis: Basis, origin: np.ndarray,
              radius: float) -> float:
    """Deviations by which the new places of a finer lattice are lit, all together; 0 where they are fainter than asked.

    The background was fitted as if there were none: it takes some of their light.
    """
    finer_index, place, disks, _, _ = disks_in_frame(len(light), finer, origin, radius)
    index = (place - origin) @ np.linalg.inv(basis)
    new = np.flatnonzero(np.abs(index - np.round(index)).max(1) > 0.1)
    lit = np.sort(found.intensity[(found.index != 0).any(1)])[-2:]
    dark, more, below = found.dark.ravel(), (light - found.background).ravel(), found.background.ravel()
    intensity, deviation, key = [], [], []
    for k in new:
        own = disks[k][dark[disks[k]]]
        if len(own) >= LEAST_OWN * np.pi * radius**2:
            key.append(tuple(finer_index[k]))
            intensity.append(more[own].mean())
            deviation.append(np.sqrt((below[own].mean() + 1 / (counts_per_unit * len(own)))
                                     / (counts_per_unit * len(own))))
    if len(intensity) < 2 or len(lit) < 2:
        return 0.0
    few = np.sort(intensity)[-max(2, len(intensity) // 3):].mean()
    if few < LEAST_SHARE * lit[0]:
        return 0.0
    each = np.array(intensity) / deviation
    of = dict(zip(key, each.tolist(), strict=True))
    opposite = max((min(value, of[-h, -k]) for (h, k), value in of.items() if (-h, -k) in of), default=0.0)
    return max(float(np.clip(each, -EACH, EACH).sum() / np.sqrt(len(each))), float(np.sqrt(2) * opposite))
