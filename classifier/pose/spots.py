"""Mean intensities of the disks of a lattice above the smooth background, and how far counting lets them scatter."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from classifier.crystal.reciprocal import Basis
from classifier.pose.background import background_between

LEAST_IN_FRAME = 0.5  # of a disk
LEAST_OWN = 0.12  # of a disk that brighter disks leave uncovered; less tells nothing
MARGIN = 1.5  # pixels around a disk that its blurred edge lights
LIT_DEVIATIONS, LIT_SHARE = 4.0, 0.01  # of the brightest: from which on a disk covers others


class Spots(NamedTuple):
    """Disks with at least half in the frame. index: from the lattice's origin; place: (x, y) in pixels from the middle.

    intensity: mean above the background a pixel, where brighter disks leave a place for it; deviation: by counting,
    infinite where they do not; background, and dark: where no disk that is lit, or cut by the frame, covers it.
    """

    index: Int[np.ndarray, "M 2"]
    place: Float[np.ndarray, "M 2"]
    intensity: Float[np.ndarray, " M"]
    deviation: Float[np.ndarray, " M"]
    background: Float[np.ndarray, "H H"]
    dark: Bool[np.ndarray, "H H"]


def spots(light: Float[np.ndarray, "H H"], counts_per_unit: float, basis: Basis, origin: Float[np.ndarray, " 2"],
          radius: float, *, middle: Float[np.ndarray, " 2"] | None = None) -> Spots:
    """Measure the disks of a lattice in a mended pattern, the brightest first; they may overlap.

    Parameters
    ----------
    light : intensities
    counts_per_unit : electrons a unit of intensity stands for
    basis, origin, radius : in pixels; the basis is reduced
    middle : of the background, which is steepest there, where it is known
    """
    size, one = len(light), 1 / counts_per_unit
    index, place, disks, around, cut = disks_in_frame(size, basis, origin, radius)
    flat = light.ravel()
    first = np.array([flat[pixels].mean() for pixels in disks])
    covered = np.zeros(size * size, dtype=bool)
    lit = np.zeros(len(index), dtype=bool)
    background = np.full(size * size, np.percentile(light, 5))
    intensity, deviation = np.zeros(len(index)), np.full(len(index), np.inf)
    for last in (False, True):
        covered[:] = False
        covered[cut] = True
        brightest = 0.0
        for k in np.argsort(-np.where(lit, first + first.max(), first)):
            own = disks[k][~covered[disks[k]]]
            if len(own) < LEAST_OWN * np.pi * radius**2:
                intensity[k], deviation[k], lit[k] = 0.0, np.inf, False
                continue
            mean, below = flat[own].mean(), background[own].mean()
            intensity[k] = mean - below
            deviation[k] = np.sqrt((mean + one / len(own)) * one / len(own)
                                   + (below + one / len(own)) * one / (0.5 * np.pi * radius**2))
            brightest = max(brightest, intensity[k])
            lit[k] = intensity[k] > max(LIT_DEVIATIONS * deviation[k], LIT_SHARE * brightest)
            if lit[k]:
                covered[around[k]] = True
        if not last:
            background = background_between(light, ~covered.reshape(size, size), radius, middle).ravel()
    return Spots(index, place, intensity, deviation, background.reshape(size, size), ~covered.reshape(size, size))


def disks_in_frame(size: int, basis: np.ndarray, origin: np.ndarray, radius: float
                   ) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Lattice points at least half in the frame: indices, places, and flat pixels of the disks, bare and with margin.

    And those of the disks that the frame cuts more.
    """
    half = size / 2
    corners = (np.array([[-half, -half], [-half, half], [half, -half], [half, half]]) - origin) @ np.linalg.inv(basis)
    low, high = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int)
    index = np.stack(np.meshgrid(np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1)), -1).reshape(-1, 2)
    place = index @ basis + origin
    near = (np.abs(place) < half + radius).all(1)
    index, place = index[near], place[near]
    kept, disks, around, cut = [], [], [], [np.zeros(0, dtype=np.int64)]
    reach = np.arange(-int(radius + MARGIN) - 1, int(radius + MARGIN) + 2)
    for k, (x, y) in enumerate(place + half - 0.5):
        column, row = np.meshgrid(np.round(x).astype(int) + reach, np.round(y).astype(int) + reach)
        inside = (row >= 0) & (row < size) & (column >= 0) & (column < size)
        far = np.hypot(column - x, row - y)
        bare = inside & (far < radius - 0.5)
        if bare.sum() >= LEAST_IN_FRAME * np.pi * max(radius - 0.5, 1) ** 2:
            kept.append(k)
            disks.append((row * size + column)[bare])
            around.append((row * size + column)[inside & (far < radius + MARGIN)])
        else:
            cut.append((row * size + column)[inside & (far < radius + MARGIN)])
    return index[kept], place[kept], disks, around, np.concatenate(cut)


