"""Do a crystal's patterns tell its group? They are set beside those of its images in higher groups.

Structure factors (`supergroup`) compare all of a crystal; three zone axes may still hide what they differ in.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from jaxtyping import Float
from pydantic import Field

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.supergroup import Image, images
from cbedgan.simulate.cbed.detector import DetectorConfig, in_zolz, survey
from cbedgan.simulate.cbed.multislice import MultisliceConfig
from cbedgan.simulate.cbed.zone_axis import Slab, slab
from classifier.foundation.config import Config

SURVEY_G_MAX = 2.0  # 1/angstrom; the disks on a detector are far within


class DistinctConfig(Config):
    """When the patterns of a crystal count as those of a higher group, too."""

    tolerance_angstrom: Annotated[float, Field(gt=0)]  # from the places that the higher group gives the atoms
    least_difference: Annotated[float, Field(gt=0, lt=1)]  # relative L1 of the diffracted disks, greatest of the axes


def least_difference(crystal: Crystal, pieces: list[Slab], detectors: list[DetectorConfig], *,
                     tolerance_angstrom: float, beam_energy_kev: float, thickness_angstrom: Float[np.ndarray, " T"],
                     multislice: MultisliceConfig) -> tuple[float, int]:
    """Return how well the patterns along the axes of `pieces` tell the crystal from that image they tell least.

    For an image that is turned: relative L1 between the diffracted disks of crystal and image, at a few incident
    directions. For one that is only shifted, which changes no intensity: the share of the diffracted light in disks
    that would be systematically absent, were the shift a symmetry. Each the greatest of the axes. Also returns the
    higher group; (inf, the crystal's own group) where there is none within the tolerance.

    Parameters
    ----------
    crystal, pieces : the crystal, and its slab along each axis
    detectors : of each axis
    tolerance_angstrom : from the places that a higher group gives the atoms
    beam_energy_kev, thickness_angstrom, multislice : as for simulate_pattern
    """
    lattice, positions, numbers = crystal.primitive()
    coarse = multislice.model_copy(update={"g_max_inv_angstrom": min(SURVEY_G_MAX, multislice.g_max_inv_angstrom)})

    def disks(piece: Slab, detector: DetectorConfig) -> tuple[np.ndarray, np.ndarray]:
        """Beams g [B, 2] and their intensity [T, D, B], zero for the direct beam and outside the frame."""
        g1, seen = survey(piece, beam_energy_kev=beam_energy_kev, thickness_angstrom=thickness_angstrom,
                          multislice=coarse, detector=detector)
        g = seen.beam @ piece.reciprocal_lattice
        distance = np.linalg.norm(g, axis=1)
        edge = detector.half_width * (np.hypot(*g1) if detector.pose == "canonical" else 1.0)
        return g, np.where((distance > 0) & (distance < edge), seen.intensity, 0)

    def difference(image: Image, piece: Slab, detector: DetectorConfig, g: np.ndarray, before: np.ndarray) -> float:
        if image.only_shifted:
            phase = g @ (piece.frame[:2] @ (image.shift @ lattice))
            absent = in_zolz(g, piece) & (np.abs(phase - np.round(phase)) > 1e-3)
            return float(before[..., absent].sum() / before.sum())
        moved = (positions @ image.rotation.T + image.shift) % 1.0
        _, after = disks(slab(crystal.lattice, (lattice, moved, numbers), piece.zone_axis_uvw), detector)
        return float(np.abs(after - before).sum() / before.sum())

    candidates = list(images(crystal, tolerance_angstrom))
    patterns = [disks(piece, detector) for piece, detector in zip(pieces, detectors, strict=True) if candidates]
    told = [(max(difference(image, piece, detector, *pattern)
                 for piece, detector, pattern in zip(pieces, detectors, patterns, strict=True)), image.space_group)
            for image in candidates]
    return min(told, default=(np.inf, crystal.space_group))
