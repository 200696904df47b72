"""What leaves the slabs of scenes, from all over their apertures, and which beam is the shortest visible one."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from cbedgan.render.aperture import Lit, lit
from cbedgan.render.cut import turned_beams
from cbedgan.render.passage import Period, passage, stacked
from cbedgan.render.scene import Scene
from cbedgan.simulate.cbed.detector_config import RingDrift
from cbedgan.simulate.cbed.disks import QUICK_RING, how_many, turn_matrix, unconfirmed_radius
from cbedgan.simulate.cbed.slab_symmetry import nearest_directions
from classifier.pattern.geometry import shortest_visible_g


class Leaving(NamedTuple):
    """What leaves one scene's slab, by terrace V, thickness T, beam M and direction D.

    lit: the directions, in radii of the aperture, whose rings lie at `Scene.rings_rad`; radius: of the aperture,
    1/angstrom; periods [T]; g1: which beam is the shortest visible one.
    """

    amplitude: Complex[Tensor, "V T M D"]
    lit: Lit
    radius: Float[Tensor, ""]
    periods: Int[np.ndarray, " T"]
    g1: int


def leaving(scenes: list[Scene]) -> list[Leaving]:
    """Send waves through scenes of about equally many beams; InputError when one has no visible diffracted disk.

    A few directions guess g1, where apertures follow it; where the disks taken through the guess's aperture say that g1
    has another length, they are taken again through the right one.
    """
    guesses = _guess(scenes) if any(map(_follows, scenes)) else [0] * len(scenes)
    disks = _illuminate(scenes, guesses)
    again = [k for k, (scene, guess) in enumerate(zip(scenes, guesses, strict=True))
             if _another_length(scene, guess, disks[k].g1)]
    for k, found in zip(again, _illuminate([scenes[k] for k in again], [disks[k].g1 for k in again], confirmed=True),
                        strict=True):
        disks[k] = found
    return disks


def _guess(scenes: list[Scene]) -> list[int]:
    """Which beam is the shortest visible one, from one ring of directions in an aperture that may be wrong."""
    count, share = QUICK_RING
    angle = 2 * np.pi * np.arange(count) / count
    ring = share * np.stack([np.cos(angle), np.sin(angle)], -1)
    directions = np.stack([ring * unconfirmed_radius(scene.slab, scene.exposure, scene.detector) for scene in scenes])
    slabs = Period(*(part.detach() for part in stacked([scene.period for scene in scenes])))
    periods = _even([scene.periods() for scene in scenes])
    light = _light(passage(slabs, torch.from_numpy(directions).to(slabs.g), periods)).mean((1, 3))
    return [_shortest(scene, one[:len(scene.g_now)])
            for scene, one in zip(scenes, light.cpu().double().numpy(), strict=True)]


def _illuminate(scenes: list[Scene], g1: list[int], *, confirmed: bool = False) -> list[Leaving]:
    """Send waves from all over the apertures that the beams g1 give; confirmed: g1 is that long."""
    plans = [_plan(scene, beam) for scene, beam in zip(scenes, g1, strict=True)]
    disks = {}
    numbers = np.array([len(plan.lit.mean) for plan in plans])
    for number in np.unique(numbers):
        some = np.flatnonzero(numbers == number).tolist()
        nodes = [plans[k].lit.directions.nodes @ turn_matrix(scenes[k].rings_rad) for k in some]
        units = torch.stack([plans[k].radius for k in some])[:, None, None]
        sent = torch.from_numpy(np.stack(nodes)).to(units) * units
        amplitudes = passage(stacked([scenes[k].period for k in some]), sent, _even([plans[k].periods for k in some]))
        for k, amplitude, directions in zip(some, amplitudes, nodes, strict=True):
            scene, plan = scenes[k], plans[k]
            terraces = _terraces(scene, amplitude[:len(plan.periods), :len(scene.g)], directions)
            seen = torch.from_numpy(np.isin(plan.periods, scene.periods())).to(terraces.device)
            # On the axis alone: what a view shows does not depend on the other views.
            light = _light(terraces.detach()[:, seen]).mean((0, 1)).cpu().double().numpy() @ plan.lit.mean
            least = (1 - scene.detector.tie) * float(np.hypot(*scene.g_now[g1[k]])) if confirmed else 0.0
            disks[k] = Leaving(terraces, plan.lit, plan.radius, plan.periods, _shortest(scene, light, least=least))
    return [disks[k] for k in range(len(scenes))]


def _follows(scene: Scene) -> bool:
    """Whether the aperture's radius is a share of |g1|."""
    return scene.detector.aperture_unit == "shortest_g"


class _Plan(NamedTuple):
    """What is sent through one scene's slab, as in `Leaving`."""

    lit: Lit
    radius: Float[Tensor, ""]
    periods: Int[np.ndarray, " T"]


def _plan(scene: Scene, g1: int) -> _Plan:
    """Directions in the aperture that the beam g1 gives and as far beyond it as a view may be tilted."""
    unit = scene.g[g1].norm() if _follows(scene) else scene.g.new_tensor(1e-3 * scene.wavenumber)
    radius = scene.detector.aperture_radius * unit
    now, margin = float(radius.detach()), 1e-3 * scene.wavenumber * scene.widest_tilt_mrad
    number = how_many(RingDrift(ring_drift_angstrom=scene.config.ring_drift_angstrom),
                      (now + margin) / scene.wavenumber, scene.wanted)
    periods = np.concatenate([scene.periods(thicker).ravel() for thicker, _, _ in scene.lit_points])
    return _Plan(lit(number, (now + margin) / now), radius, np.unique(periods))


def _even(periods: list[Int[np.ndarray, " _"]]) -> Int[np.ndarray, "P T"]:
    """Numbers of periods of P slabs, the last repeated where another slab has more."""
    most = max(len(one) for one in periods)
    return np.stack([np.pad(one, (0, most - len(one)), mode="edge") for one in periods])


def _light(amplitude: Complex[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    return torch.view_as_real(amplitude).square().sum(-1)


def _shortest(scene: Scene, light: Float[np.ndarray, " M"], *, least: float = 0.0) -> int:
    """Which beam is the shortest visible one, at least so long (1/angstrom; then any light is enough)."""
    g, detector = scene.g_now, scene.detector
    rows = np.flatnonzero(np.hypot(*g.T) >= least)
    found = shortest_visible_g(g[rows], light[rows], visible=0.0 if least else detector.visible,
                               tie=2 * detector.tie if least else detector.tie)
    return int(np.abs(g - found).sum(1).argmin())


def _another_length(scene: Scene, guess: int, found: int) -> bool:
    """Whether the aperture, which follows g1, has to be another one."""
    lengths = np.hypot(*scene.g_now[[guess, found]].T)
    return _follows(scene) and abs(lengths[1] / lengths[0] - 1) > scene.detector.tie


def _terraces(scene: Scene, amplitude: Complex[Tensor, "T M D"], nodes: Float[np.ndarray, "D 2"]
              ) -> Complex[Tensor, "V T M D"]:
    """The slab, and what its screws and glides along the beam make of it; up to a phase of each beam."""
    plane = scene.slab.cell[:2, :2]
    exact = [one for one in scene.operations if not one.along_beam]
    terraces, seen = [amplitude], {one.matrix.tobytes() for one in exact}
    for operation in scene.operations:
        if operation.matrix.tobytes() not in seen:
            seen |= {(one.matrix @ operation.matrix).tobytes() for one in exact}
            turn = np.linalg.inv(plane) @ operation.matrix @ plane
            whence = torch.from_numpy(nearest_directions(nodes, nodes @ np.linalg.inv(turn))).to(amplitude.device)
            origin, there = (torch.from_numpy(part).to(amplitude.device) for part in turned_beams(scene.cut, operation))
            terraces.append(amplitude[:, origin][..., whence] * there.float()[:, None])
    return torch.stack(terraces)
