"""Do a crystal's patterns tell its group? They are set beside those of its images in higher groups.

Structure factors (`supergroup`) compare all of a crystal; three zone axes may still hide what they differ in.
"""

from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.supergroup import Image, images
from cbedgan.simulate.cbed.detector import DetectorConfig, in_zolz, survey
from cbedgan.simulate.cbed.multislice import Exposure
from cbedgan.simulate.cbed.zone_axis import Slab, slab
from classifier.foundation.config import Config

SURVEY_G_MAX = 2.0  # 1/angstrom; the disks on a detector are far within


class DistinctConfig(Config):
    """When the patterns of a crystal count as those of a higher group, too."""

    tolerance_angstrom: Annotated[float, Field(gt=0)]  # from the places that the higher group gives the atoms
    least_difference: Annotated[float, Field(gt=0, lt=1)]  # relative L1 of the diffracted disks, greatest of the axes


def least_difference(crystal: Crystal, axes: list[tuple[Slab, DetectorConfig]], exposure: Exposure,
                     tolerance_angstrom: float) -> tuple[float, int]:
    """Return how well the patterns along the axes tell the crystal from the image that they tell least.

    For an image that is turned: relative L1 between the diffracted disks of crystal and image, at a few incident
    directions. For one that is only shifted, which changes no intensity: the share of the diffracted light in disks
    that would be systematically absent, were the shift a symmetry. Each the greatest of the axes. Also returns the
    higher group; (inf, the crystal's own group) where there is none within the tolerance.

    Parameters
    ----------
    crystal, axes : the crystal, and its slab and detector along each axis
    exposure : of all of them
    tolerance_angstrom : from the places that a higher group gives the atoms
    """
    lattice, positions, numbers = crystal.primitive()
    g_max = min(SURVEY_G_MAX, exposure.multislice.g_max_inv_angstrom)
    coarse = replace(exposure, multislice=exposure.multislice.model_copy(update={"g_max_inv_angstrom": g_max}))

    def disks(piece: Slab, detector: DetectorConfig) -> tuple[np.ndarray, np.ndarray]:
        """Beams g [B, 2] and their intensity [T, D, B], zero for the direct beam and outside the frame."""
        g1, seen = survey(piece, coarse, detector)
        g = seen.beam @ piece.reciprocal_lattice
        distance = np.linalg.norm(g, axis=1)
        edge = detector.half_width * (np.hypot(*g1) if detector.pose == "canonical" else 1.0)
        return g, np.where((distance > 0) & (distance < edge), seen.intensity, 0)

    def difference(image: Image, piece: Slab, detector: DetectorConfig, g: np.ndarray, before: np.ndarray) -> float:
        """Of the image from the crystal, whose beams g have the intensity `before`, along one axis."""
        if image.only_shifted:
            phase = g @ (piece.frame[:2] @ (image.shift @ lattice))
            absent = in_zolz(g, piece) & (np.abs(phase - np.round(phase)) > 1e-3)
            return float(before[..., absent].sum() / before.sum())
        moved = (positions @ image.rotation.T + image.shift) % 1.0
        _, after = disks(slab(crystal.lattice, (lattice, moved, numbers), piece.zone_axis_uvw), detector)
        return float(np.abs(after - before).sum() / before.sum())

    candidates = list(images(crystal, tolerance_angstrom))
    patterns = [disks(*axis) for axis in axes if candidates]
    told = [(max(difference(image, *axis, *pattern) for axis, pattern in zip(axes, patterns, strict=True)),
             image.space_group) for image in candidates]
    return min(told, default=(np.inf, crystal.space_group))
