"""Scenes for tests: small crystals of known structure and what they are exposed to."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest

from cbedgan.crystal.crystals import Crystal, standard_crystal
from cbedgan.render.scene import Scene, atoms_of
from cbedgan.simulate.cbed.detector import View
from cbedgan.simulate.cbed.detector_config import DetectorConfig, RingDrift
from cbedgan.simulate.cbed.multislice import Exposure, MultisliceConfig
from cbedgan.simulate.cbed.simulate_config import RenderConfig
from cbedgan.simulate.cbed.zone_axis import Slab, rotations, slab

MULTISLICE = MultisliceConfig(g_max_inv_angstrom=3.0, merge_angstrom=0.4, absorption="thermal_diffuse",
                              debye_waller_angstrom2="by_element", entry_surface="symmetric", terraces="equivalent")
DETECTOR = DetectorConfig(size_pixels=32, directions_across=RingDrift(ring_drift_angstrom=0.7))
FAST = RenderConfig()


def hexagonal(a: float, c: float) -> np.ndarray:
    return np.array([[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, c]])


@pytest.fixture(scope="session")
def crystals() -> dict[str, Crystal]:
    """Of different systems, centred cells and a screw axis among them."""
    third = [1 / 3, 2 / 3]
    face = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    a = 0.305
    return {name: standard_crystal(lattice, np.array(places) % 1, np.array(numbers), source=name)
            for name, lattice, places, numbers in (
        ("gaas", 5.653 * np.eye(3), [*face, *(face + 0.25)], [31] * 4 + [33] * 4),
        ("zincite", hexagonal(3.25, 5.21), [[*third, 0], [2 / 3, 1 / 3, 0.5], [*third, 0.382], [2 / 3, 1 / 3, 0.882]],
         [30, 30, 8, 8]),
        ("rutile", np.diag([4.594, 4.594, 2.959]), [[0, 0, 0], [0.5, 0.5, 0.5], [a, a, 0], [-a, -a, 0],
                                                    [0.5 + a, 0.5 - a, 0.5], [0.5 - a, 0.5 + a, 0.5]],
         [22, 22, 8, 8, 8, 8]),
        ("monoclinic", np.array([[4.1, 0, 0], [0, 5.2, 0], [-1.1, 0, 5.9]]),
         [[0.1, 0, 0.2], [0.6, 0.5, 0.21], [0.35, 0.0, 0.7]], [40, 14, 8]))}


@pytest.fixture(scope="session")
def cut_along(crystals: dict[str, Crystal]) -> Callable[[str, list[int]], Slab]:
    """cut_along(name, [u, v, w])"""
    def made(name: str, uvw: list[int]) -> Slab:
        cell = crystals[name].primitive()
        return slab(crystals[name].lattice, cell, uvw, kept=rotations(cell))
    return made


@pytest.fixture(scope="session")
def scene() -> Callable[..., Scene]:
    """scene(slab, ...): what is not told is the usual."""
    def made(piece: Slab, *, energy: float = 100.0, thickness: Any = 150.0, detector: DetectorConfig = DETECTOR,
             views: tuple[View, ...] = (View(),), config: RenderConfig = FAST, azimuth: float = 0.0,
             widest: float = 0.0, device: str = "cpu",
             absorption: float | Literal["thermal_diffuse"] = "thermal_diffuse",
             terraces: Literal["one", "equivalent"] = "equivalent") -> Scene:
        multislice = MULTISLICE.model_copy(update={"absorption": absorption, "terraces": terraces})
        exposure = Exposure(energy, thickness, multislice, azimuth_rad=azimuth, device=device)
        return Scene(piece, atoms_of(piece, exposure), exposure, detector, views, config, widest)
    return made


@pytest.fixture(scope="session")
def difference() -> Callable[[Any, Any], float]:
    """Relative L1: sum |P - Q| / sum P."""
    return lambda p, q: float(np.abs(np.asarray(p, np.float64) - np.asarray(q)).sum() / np.asarray(p, np.float64).sum())
