"""Do a crystal's patterns tell its group? They are set beside those of its images in higher groups.

Structure factors (`supergroup`) compare all of a crystal; three zone axes may still hide what they differ in.
"""

from dataclasses import replace
from typing import Annotated

import numpy as np
from jaxtyping import Float
from pydantic import Field

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.supergroup import Image, images
from cbedgan.simulate.cbed.detector_config import DetectorConfig, RingDrift
from cbedgan.simulate.cbed.disks import (
    QUICK_G_MAX,
    SURVEY_MERGE_ANGSTROM,
    Disks,
    illuminate,
    in_zolz,
    shortest,
    survey,
    unconfirmed_radius,
)
from cbedgan.simulate.cbed.multislice import Exposure, Multislice, band_limit
from cbedgan.simulate.cbed.zone_axis import Slab, cut_alike
from classifier.foundation.config import Config

RINGS = 1  # of incident directions round the axis, where the patterns themselves are taken on rings


class DistinctConfig(Config):
    """When the patterns of a crystal count as those of a higher group, too."""

    tolerance_angstrom: Annotated[float, Field(gt=0)]  # from the places that the higher group gives the atoms
    least_difference: Annotated[float, Field(gt=0, lt=1)]  # relative L1 of the diffracted disks, greatest of the axes


def least_difference(crystal: Crystal, axes: list[tuple[Slab, DetectorConfig]], exposure: Exposure,
                     tolerance_angstrom: float, *, enough: float = np.inf) -> tuple[float, int]:
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
    enough : a difference above which it need not be known better
    """
    lattice, positions, numbers = crystal.primitive()
    candidates = list(images(crystal, tolerance_angstrom))

    def difference(image: Image, piece: Slab, detector: DetectorConfig, seen: tuple[np.ndarray, np.ndarray],
                   fine: bool) -> float:
        """Of the image from the crystal, whose beams and their intensities were `seen`, along one axis."""
        g, before = seen
        if image.only_shifted:
            phase = g @ (piece.frame[:2] @ (image.shift @ lattice))
            absent = in_zolz(g, piece) & (np.abs(phase - np.round(phase)) > 1e-3)
            return float(before[..., absent].sum() / before.sum())
        moved = (positions @ image.rotation.T + image.shift) % 1.0
        _, after = _diffracted(cut_alike(piece, (lattice, moved, numbers)), exposure, detector, fine=fine)
        return float(np.abs(after - before).sum() / before.sum())

    def told(some: list[Image], fine: bool) -> list[float]:
        """How well each image is told, at coarse or at the patterns' own settings."""
        patterns = [_diffracted(piece, exposure, detector, fine=fine) for piece, detector in axes if some]
        return [max(difference(image, *axis, pattern, fine) for axis, pattern in zip(axes, patterns, strict=True))
                for image in some]

    coarsely = told(candidates, fine=False)
    # What coarse settings tell is told. Upper Laue zones, which they cut, may tell more.
    doubtful = [k for k, value in enumerate(coarsely) if value < enough and exposure.multislice.upper_zone == "first"]
    for k, value in zip(doubtful, told([candidates[k] for k in doubtful], fine=True), strict=True):
        coarsely[k] = max(coarsely[k], value)
    return min(((value, image.space_group) for value, image in zip(coarsely, candidates, strict=True)),
               default=(np.inf, crystal.space_group))


def _diffracted(piece: Slab, exposure: Exposure, detector: DetectorConfig, *, fine: bool
                ) -> tuple[Float[np.ndarray, "B 2"], Float[np.ndarray, "T D B"]]:
    """Beams g and their intensity at a few directions, zero for the direct beam and outside the frame."""
    config = exposure.multislice
    if fine:
        limit = band_limit(piece, config, beam_energy_kev=exposure.beam_energy_kev,
                           aperture=unconfirmed_radius(piece, exposure, detector))
        config = config.model_copy(update={"g_max_inv_angstrom": limit})
    else:
        config = config.model_copy(update={"g_max_inv_angstrom": min(QUICK_G_MAX, config.g_max_inv_angstrom)})
    if not isinstance(detector.directions_across, RingDrift):
        g1, disks = survey(piece, replace(exposure, multislice=config), detector)
    else:
        disks = _on_rings(piece, replace(exposure, multislice=config), detector, fine)
        g1 = shortest(disks, piece, visible=detector.visible, tie=detector.tie)
    g = disks.beam @ piece.reciprocal_lattice
    distance = np.linalg.norm(g, axis=1)
    edge = detector.half_width * (np.hypot(*g1) if detector.pose == "canonical" else 1.0)
    return g, np.where((distance > 0) & (distance < edge), disks.intensity, 0)


def _on_rings(piece: Slab, exposure: Exposure, detector: DetectorConfig, fine: bool) -> Disks:
    """The mean over terraces from a few directions; coarse: through merged layers."""
    config = exposure.multislice
    if not fine:
        merged = max(config.merge_angstrom, SURVEY_MERGE_ANGSTROM)
        config = config.model_copy(update={"merge_angstrom": merged})
    propagation = Multislice(piece, beam_energy_kev=exposure.beam_energy_kev, config=config, device=exposure.device)
    return illuminate(propagation, exposure.thickness_angstrom, number=RINGS, on_rings=True,
                      radius=unconfirmed_radius(piece, exposure, detector))
