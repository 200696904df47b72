"""Scenes to patterns, batched and differentiable: what the exact engine draws, from fewer beams and directions.

Surfaces, terraces, apertures, poses and specimens are those of `simulate.cbed`. A gradient of the images passes to the
lattice, the sites and the scattering of the atoms.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from cbedgan.render.aperture import Lit, lit
from cbedgan.render.cut import turned_beams
from cbedgan.render.passage import dispersion, passage, stacked
from cbedgan.render.picture import lay
from cbedgan.render.scene import Scene, atoms_of
from cbedgan.simulate.cbed.aperture import aperture_samples
from cbedgan.simulate.cbed.detector import PatternResult, View
from cbedgan.simulate.cbed.detector_config import RingDrift
from cbedgan.simulate.cbed.disks import QUICK_RING, how_many, turn_matrix
from cbedgan.simulate.cbed.simulate_config import RenderConfig
from cbedgan.simulate.cbed.slab_symmetry import nearest_directions
from cbedgan.simulate.cbed.stack import Axis
from classifier.pattern.geometry import Detector, shortest_visible_g

CACHE_BYTES = 2**19  # of the matrices of slabs that a processor computes together: they stay in its cache


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

    def mean(self) -> Float[np.ndarray, " M"]:
        """Intensity of each beam, the mean over all that was computed."""
        light = torch.view_as_real(self.amplitude.detach()).square().sum(-1).mean((0, 1))
        return light.cpu().double().numpy() @ self.lit.mean


class Rendered(NamedTuple):
    """One scene. images: of each view, one for each thickness wanted, fractions of the incident beam per pixel.

    thickness_angstrom: real; g1: index of the shortest visible beam in `Scene.g`; radius_inv_angstrom: of the aperture;
    pixel_inv_angstrom: of each view; azimuth_rad: turn from the slab's frame to the drawn one.
    """

    images: list[Float[Tensor, "T S S"]]
    thickness_angstrom: Float[np.ndarray, " T"]
    g1: int
    radius_inv_angstrom: float
    pixel_inv_angstrom: list[float]
    azimuth_rad: float


def render(scenes: list[Scene]) -> list[Rendered]:
    """Render patterns; InputError when one has no visible diffracted disk."""
    rendered: dict[int, Rendered] = {}
    for some in _groups(scenes):
        together = [scenes[k] for k in some]
        guesses = _guess(together)
        disks = _illuminate(together, guesses)
        again = [k for k, (scene, guess, found) in enumerate(zip(together, guesses, disks, strict=True))
                 if _another_length(scene, guess, found.g1)]
        for k, found in zip(again, _illuminate([together[k] for k in again], [disks[k].g1 for k in again],
                                               confirmed=True), strict=True):
            disks[k] = found
        rendered |= {k: _draw(scene, found) for k, scene, found in zip(some, together, disks, strict=True)}
    return [rendered[k] for k in range(len(scenes))]


def render_axes(axes: list[Axis], widest_tilt_mrad: float, *, config: RenderConfig) -> list[list[PatternResult]]:
    """Patterns as the exact engine returns them (`simulate.cbed.stack.Engine`), without gradients."""
    with torch.no_grad():
        scenes = [Scene(slab, atoms_of(slab, exposure), exposure, detector, tuple(views), config, widest_tilt_mrad)
                  for slab, exposure, detector, views in axes]
        return [_results(scene, rendered) for scene, rendered in zip(scenes, render(scenes), strict=True)]


def _results(scene: Scene, rendered: Rendered) -> list[PatternResult]:
    """One result for each view."""
    canonical, half = scene.detector.pose == "canonical", 2 * scene.detector.half_width
    sizes = [view.size_pixels or scene.detector.size_pixels for view in scene.views]
    return [PatternResult(
        image.cpu().numpy(), rendered.thickness_angstrom, 1e3 * rendered.radius_inv_angstrom / scene.wavenumber,
        scene.g_now[rendered.g1], pixel, rendered.azimuth_rad,
        Detector(size, half / size, "shortest_g" if canonical else "1/angstrom"),
        float(np.linalg.norm(scene.slab.slope)), scene.cut.reach)
        for image, pixel, size in zip(rendered.images, rendered.pixel_inv_angstrom, sizes, strict=True)]


def _groups(scenes: list[Scene]) -> Iterator[list[int]]:
    """Scenes of about equally many beams, as many together as the device likes."""
    beams = np.array([len(scene.cut.beam) for scene in scenes])
    group: list[int] = []
    for k in np.argsort(-beams, kind="stable").tolist():
        on_processor = scenes[k].atoms.lattice.device.type == "cpu"
        if group and (beams[k] < 0.7 * beams[group[0]]
                      or (on_processor and (len(group) + 1) * 8 * beams[group[0]]**2 > CACHE_BYTES)):
            yield group
            group = []
        group.append(k)
    if group:
        yield group


def _guess(scenes: list[Scene]) -> list[int]:
    """Which beam is the shortest visible one, from one ring of directions in an aperture that may be wrong."""
    count, share = QUICK_RING
    angle = 2 * np.pi * np.arange(count) / count
    ring = share * np.stack([np.cos(angle), np.sin(angle)], -1)
    directions = np.stack([ring * scene.unconfirmed_radius() for scene in scenes])
    slabs = stacked([scene.period for scene in scenes])
    slabs = type(slabs)(*(part.detach() for part in slabs))
    periods = np.stack([scene.periods(np.atleast_1d(scene.exposure.thickness_angstrom)) for scene in scenes])
    leaving = passage(slabs, torch.from_numpy(directions).to(slabs.g), periods)
    light = torch.view_as_real(leaving).square().sum(-1).mean((1, 3)).cpu().double().numpy()
    return [_shortest(scene, one[:len(scene.g_now)]) for scene, one in zip(scenes, light, strict=True)]


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
    return scene.detector.aperture_unit == "shortest_g" and abs(lengths[1] / lengths[0] - 1) > scene.detector.tie


def _illuminate(scenes: list[Scene], g1: list[int], *, confirmed: bool = False) -> list[Leaving]:
    """Send waves from all over the apertures that the beams g1 give; confirmed: g1 is that long."""
    disks: dict[int, Leaving] = {}
    plans = []
    for scene, beam in zip(scenes, g1, strict=True):
        unit = scene.g[beam].norm() if scene.detector.aperture_unit == "shortest_g" else scene.g.new_tensor(
            1e-3 * scene.wavenumber)
        radius = scene.detector.aperture_radius * unit
        now, margin = float(radius), 1e-3 * scene.wavenumber * scene.widest_tilt_mrad
        wanted = np.atleast_1d(np.asarray(scene.exposure.thickness_angstrom, dtype=np.float64))
        number = how_many(RingDrift(ring_drift_angstrom=scene.config.ring_drift_angstrom),
                          (now + margin) / scene.wavenumber, wanted)
        reached = [np.add.outer(view.specimen.points()[0], wanted).ravel() for view in scene.views]
        plans.append((radius, lit(number, (now + margin) / now), np.unique(scene.periods(np.concatenate(reached)))))
    numbers = np.array([len(plan[1].mean) for plan in plans])
    for number in np.unique(numbers):
        some = np.flatnonzero(numbers == number).tolist()
        most = max(len(plans[k][2]) for k in some)
        periods = np.stack([np.pad(plans[k][2], (0, most - len(plans[k][2])), mode="edge") for k in some])
        directions = [_slab_frame(scenes[k], plans[k][1]) for k in some]
        units = torch.stack([plans[k][0] for k in some])[:, None, None]
        sent = torch.from_numpy(np.stack(directions)).to(units) * units
        leaving = passage(stacked([scenes[k].period for k in some]), sent, periods)
        for k, amplitude, nodes in zip(some, leaving, directions, strict=True):
            scene, (radius, over, reached) = scenes[k], plans[k]
            terraces = _terraces(scene, amplitude[:len(reached), :len(scene.g)], nodes)
            found = Leaving(terraces, over, radius, reached, g1[k])
            length = float(np.hypot(*scene.g_now[g1[k]]))
            least = (1 - scene.detector.tie) * length if confirmed else 0.0
            disks[k] = found._replace(g1=_shortest(scene, found.mean(), least=least))
    return [disks[k] for k in range(len(scenes))]


def _slab_frame(scene: Scene, over: Lit) -> Float[np.ndarray, "D 2"]:
    """The lit directions in the slab's frame, in radii of the aperture."""
    return over.directions.nodes @ turn_matrix(scene.rings_rad)


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


def _draw(scene: Scene, disks: Leaving) -> Rendered:
    """Lay the disks of every view."""
    detector, device, g1 = scene.detector, scene.g.device, scene.g[disks.g1]
    canonical = detector.pose == "canonical"
    x, y = scene.g_now[disks.g1]
    azimuth = float(-np.arctan2(y, x)) if canonical else scene.exposure.azimuth_rad
    turn = torch.from_numpy(turn_matrix(azimuth)).to(scene.g)
    if canonical:
        cosine, sine = g1 / g1.norm()
        turn = torch.stack((torch.stack((cosine, -sine)), torch.stack((sine, cosine))))
    wanted = np.atleast_1d(np.asarray(scene.exposure.thickness_angstrom, dtype=np.float64))
    images, pixels = [], []
    for view in scene.views:
        size = view.size_pixels or detector.size_pixels
        pixel = 2 * detector.half_width / size * (g1.norm() if canonical else torch.ones((), device=device))
        images.append(_picture(scene, disks, view, turn, azimuth, pixel, wanted, size))
        pixels.append(float(pixel))
    return Rendered(images, scene.periods(wanted) * scene.slab.period_angstrom, disks.g1, float(disks.radius), pixels,
                    azimuth)


def _picture(scene: Scene, disks: Leaving, view: View, turn: Float[Tensor, "2 2"], azimuth: float,
             pixel: Float[Tensor, ""], wanted: Float[np.ndarray, " T"], size: int) -> Float[Tensor, "T S S"]:
    """One view's images, turned by `turn`, whose angle is `azimuth`."""
    per_pixel, radius = scene.config.samples_per_pixel, float(disks.radius)
    side = float(pixel) / per_pixel
    samples, share = aperture_samples(radius / side)
    thicker, tilts, weights = view.specimen.points()
    tilts = 1e-3 * scene.wavenumber * tilts
    tilt = torch.from_numpy(weights @ tilts).to(turn)
    landing, _ = dispersion(tilt[None, None], scene.g[None], scene.period.slope, scene.period.wavenumber)
    place = (landing[0, 0] - tilt) @ turn / pixel
    seen = torch.nonzero(place.detach().abs().amax(1) < size / 2 + 1.05 * radius / float(pixel)).flatten()
    across = int(np.ceil(np.abs(samples).max() + 0.5))
    flat = torch.from_numpy((np.floor(samples + across) @ [1, 2 * across]).astype(np.int64)).to(turn.device)
    in_slab = samples * side @ turn_matrix(azimuth).T
    lights = []
    for more, off, weight in zip(thicker, tilts, weights, strict=True):
        points = (in_slab + off) @ turn_matrix(-scene.rings_rad) / radius
        spline = torch.from_numpy(weight**0.5 * disks.lit.weights(points)).to(turn)
        thickness = np.searchsorted(disks.periods, scene.periods(wanted + more))
        leaving = disks.amplitude[:, torch.from_numpy(thickness).to(turn.device)][:, :, seen]  # [V, T, B, D]
        parts = torch.view_as_real(leaving).movedim(-1, 0)
        lights.append((parts @ spline.T).square().sum(0).mean(0))  # [T, B, samples]
    light = torch.stack(lights).sum(0)
    square = light.new_zeros(*light.shape[:2], (2 * across)**2)
    square = square.index_copy(2, flat, light * torch.from_numpy(share).to(light))
    square = square.unflatten(2, (2 * across, 2 * across))
    return torch.stack([lay(one, place[seen], 1 / per_pixel, size) for one in square])
