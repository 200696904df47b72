"""How much the rotations and mirrors of crystals about the beam change their patterns, by either engine.

A turned or mirrored pattern is drawn anew in a turned frame, never interpolated; relative L1.
"""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.electron import wavenumber_inv_angstrom
from cbedgan.render.render import render
from cbedgan.render.scene import Scene, atoms_of
from cbedgan.simulate.cbed.detector import View, draw
from cbedgan.simulate.cbed.detector_config import DetectorConfig, RingDrift
from cbedgan.simulate.cbed.disks import how_many, illuminate
from cbedgan.simulate.cbed.multislice import Exposure, Multislice, band_limit
from cbedgan.simulate.cbed.simulate_config import RenderConfig, SimulateConfig
from cbedgan.simulate.cbed.slab_symmetry import beam_operations
from cbedgan.simulate.cbed.stack import slabs
from cbedgan.simulate.cbed.zone_axis import Slab
from classifier.foundation.run import progress
from classifier.samples.sampletable import SampleTable

SIZE, HALF_WIDTH, APERTURE = 64, 2.0, 0.475  # pixels, and lengths in |g1|
DRIFT = RingDrift(ring_drift_angstrom=2.0)  # few directions do: symmetry does not hang on how many
EXACT = "exact engine"

Draw = Callable[[list[float]], list[Float[np.ndarray, "H W"]]]
"""azimuths -> the raw pattern turned by each."""


def symmetry_residuals(config: SimulateConfig, table: SampleTable, sizes: dict[str, RenderConfig]
                       ) -> dict[str, list[float]]:
    """The largest residual of each pattern whose slab has symmetry about the beam, by engine.

    Parameters
    ----------
    config : of the exact engine
    table : of the simulated stacks
    sizes : {name: of the renderer}
    """
    found: dict[str, list[float]] = {name: [] for name in (EXACT, *sizes)}
    with progress("symmetry", len(table)) as bar:
        for row, provenance in enumerate(table.provenance.tolist()):
            content = json.loads(provenance)
            for axis, piece in enumerate(slabs(Crystal.from_record(content["crystal"]), config)):
                operations = beam_operations(piece)[1:]
                if config.multislice.terraces == "one":
                    operations = [one for one in operations if not one.along_beam]
                if not operations:
                    continue
                exposure = Exposure(content["beam_energy_kev"], float(table.thickness_angstrom[row, axis]),
                                    config.multislice)
                g1 = float(table.shortest_g_inv_angstrom[row, axis])
                turns = [np.linalg.inv(piece.cell[:2, :2]) @ one.matrix @ piece.cell[:2, :2] for one in operations]
                found[EXACT].append(_largest(turns, _exactly(piece, exposure, g1)))
                for name, size in sizes.items():
                    found[name].append(_largest(turns, _rendered(piece, exposure, g1, size)))
            bar.advance()
    return found


def _largest(turns: list[Float[np.ndarray, "2 2"]], drawn: Draw) -> float:
    """The largest change by any of the turns of the slab's frame."""
    angles = [float(np.arctan2(turn[0, 1], turn[0, 0])) for turn in turns]
    mirrors = [np.linalg.det(turn) < 0 for turn in turns]
    upright, *others = drawn([0.0, *(-angle / 2 if mirror else angle
                                     for angle, mirror in zip(angles, mirrors, strict=True))])
    return max(float(np.abs((other[::-1] if mirror else upright) - other).sum() / upright.sum())
               for other, mirror in zip(others, mirrors, strict=True))


def _exactly(piece: Slab, exposure: Exposure, g1: float) -> Draw:
    """Patterns from one propagation by multislice."""
    limit = band_limit(piece, exposure.multislice, beam_energy_kev=exposure.beam_energy_kev, aperture=APERTURE * g1)
    propagation = Multislice(piece, beam_energy_kev=exposure.beam_energy_kev,
                             config=exposure.multislice.model_copy(update={"g_max_inv_angstrom": limit}))
    number = how_many(DRIFT, APERTURE * g1 / propagation.wavenumber, exposure.thickness_angstrom)
    disks = illuminate(propagation, exposure.thickness_angstrom, radius=APERTURE * g1, number=number, on_rings=True)
    return lambda azimuths: [draw(propagation, disks, pixel=2 * HALF_WIDTH * g1 / SIZE, azimuth_rad=azimuth, size=SIZE,
                                  samples_per_pixel=2)[0] for azimuth in azimuths]


def _rendered(piece: Slab, exposure: Exposure, g1: float, config: RenderConfig) -> Draw:
    """Patterns by the renderer, with an aperture that does not follow its own g1."""
    radius_mrad = 1e3 * APERTURE * g1 / wavenumber_inv_angstrom(exposure.beam_energy_kev)
    detector = DetectorConfig(pose="raw", size_pixels=SIZE, half_width=HALF_WIDTH * g1, aperture_unit="mrad",
                              aperture_radius=radius_mrad, directions_across=DRIFT)

    def drawn(azimuths: list[float]) -> list[Float[np.ndarray, "H W"]]:
        turned = [replace(exposure, azimuth_rad=azimuth) for azimuth in azimuths]
        with torch.no_grad():
            return [one.images[0][0].double().numpy() for one in render([
                Scene(piece, atoms_of(piece, one), one, detector, (View(),), config) for one in turned])]

    return drawn
