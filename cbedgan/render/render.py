"""Scenes to patterns, batched and differentiable: what the exact engine draws, from fewer beams and directions.

Surfaces, terraces, apertures, poses and specimens are those of `simulate.cbed`. A gradient of the images passes to the
lattice, the sites and the scattering of the atoms; which beams, samples and pixels there are counts as given.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cbedgan.render.leaving import Leaving, leaving
from cbedgan.render.passage import dispersion
from cbedgan.render.picture import lay
from cbedgan.render.scene import Points, Scene, atoms_of
from cbedgan.simulate.cbed.aperture import aperture_samples
from cbedgan.simulate.cbed.detector import PatternResult
from cbedgan.simulate.cbed.disks import turn_matrix
from cbedgan.simulate.cbed.simulate_config import RenderConfig
from cbedgan.simulate.cbed.stack import Axis
from classifier.pattern.geometry import Detector

LEAST_BEAMS = 0.7  # of the most of any scene that is computed together with it: the others are padded
CACHE_BYTES = 2**19  # of the matrices of slabs that a processor computes together: they stay in its cache


class Rendered(NamedTuple):
    """One scene. images: of each view, one for each thickness wanted, fractions of the incident beam per pixel.

    thickness_angstrom: real; g1: index of the shortest visible beam in `Scene.g`; radius_inv_angstrom: of the aperture;
    pixel_inv_angstrom: of each view; azimuth_rad: turn from the slab's frame to the drawn one of a view that
    is not turned.
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
        rendered |= {k: _draw(scene, disks) for k, scene, disks in zip(some, together, leaving(together), strict=True)}
    return [rendered[k] for k in range(len(scenes))]


def render_axes(axes: list[Axis], widest_tilt_mrad: float, *, config: RenderConfig) -> list[list[PatternResult]]:
    """Patterns as the exact engine returns them (`simulate.cbed.stack.Engine`), without gradients."""
    with torch.no_grad():
        scenes = scenes_of(axes, widest_tilt_mrad, config)
        return [results_of(scene, rendered) for scene, rendered in zip(scenes, render(scenes), strict=True)]


def scenes_of(axes: list[Axis], widest_tilt_mrad: float, config: RenderConfig) -> list[Scene]:
    """The scenes of what an engine is asked for."""
    return [Scene(slab, atoms_of(slab, exposure), exposure, detector, tuple(views), config, widest_tilt_mrad)
            for slab, exposure, detector, views in axes]


def results_of(scene: Scene, rendered: Rendered) -> list[PatternResult]:
    """One result for each view, as engines return them."""
    canonical, half = scene.detector.pose == "canonical", 2 * scene.detector.half_width
    sizes = [view.size_pixels or scene.detector.size_pixels for view in scene.views]
    return [PatternResult(
        image.detach().cpu().numpy(), rendered.thickness_angstrom,
        1e3 * rendered.radius_inv_angstrom / scene.wavenumber, scene.g_now[rendered.g1], pixel,
        rendered.azimuth_rad + view.turned_rad,
        Detector(size, half / size, "shortest_g" if canonical else "1/angstrom"),
        float(np.linalg.norm(scene.slab.slope)), scene.cut.reach)
        for image, pixel, size, view in zip(rendered.images, rendered.pixel_inv_angstrom, sizes, scene.views,
                                            strict=True)]


def _groups(scenes: list[Scene]) -> Iterator[list[int]]:
    """Scenes of about equally many beams, as many together as the device likes."""
    beams = np.array([len(scene.cut.beam) for scene in scenes])
    group: list[int] = []
    for k in np.argsort(-beams, kind="stable").tolist():
        on_processor = scenes[k].atoms.lattice.device.type == "cpu"
        if group and (beams[k] < LEAST_BEAMS * beams[group[0]]
                      or (on_processor and (len(group) + 1) * 8 * beams[group[0]]**2 > CACHE_BYTES)):
            yield group
            group = []
        group.append(k)
    if group:
        yield group


def _draw(scene: Scene, disks: Leaving) -> Rendered:
    """Lay the disks of every view."""
    detector, g1 = scene.detector, scene.g[disks.g1]
    canonical = detector.pose == "canonical"
    x, y = scene.g_now[disks.g1]
    azimuth = float(-np.arctan2(y, x)) if canonical else scene.exposure.azimuth_rad
    unit, turn = g1.new_ones(()), torch.from_numpy(turn_matrix(azimuth)).to(g1)
    if canonical:  # the same turn, with a gradient
        unit = g1.norm()
        cosine, sine = g1 / unit
        turn = torch.stack((torch.stack((cosine, -sine)), torch.stack((sine, cosine))))
    sizes = [view.size_pixels or detector.size_pixels for view in scene.views]
    turns = [(turn @ torch.from_numpy(turn_matrix(view.turned_rad)).to(turn) if view.turned_rad else turn,
              azimuth + view.turned_rad) for view in scene.views]
    images = [_picture(scene, disks, points, *turned, 2 * detector.half_width / size * unit, size)
              for points, turned, size in zip(scene.lit_points, turns, sizes, strict=True)]
    pixels = [2 * detector.half_width / size * (float(np.hypot(x, y)) if canonical else 1.0) for size in sizes]
    return Rendered(images, scene.periods() * scene.slab.period_angstrom, disks.g1, float(disks.radius.detach()),
                    pixels, azimuth)


def _picture(scene: Scene, disks: Leaving, points: Points, turn: Float[Tensor, "2 2"], azimuth: float,
             pixel: Float[Tensor, ""], size: int) -> Float[Tensor, "T S S"]:
    """One view's images.

    Parameters
    ----------
    scene, disks : what is drawn
    points : of the specimen
    turn, azimuth : of the frame, as a matrix and in rad
    pixel, size : its side in 1/angstrom, and how many along a side
    """
    thicker, tilts, weights = points
    tilts = 1e-3 * scene.wavenumber * tilts
    per_pixel, radius = scene.config.samples_per_pixel, float(disks.radius.detach())
    side = float(pixel.detach()) / per_pixel
    samples, share = aperture_samples(radius / side)
    in_slab = samples * side @ turn_matrix(azimuth).T + tilts[:, None]  # [P, samples, 2]
    spline = disks.lit.weights((in_slab @ turn_matrix(-scene.rings_rad) / radius).reshape(-1, 2))
    spline = spline.reshape(*in_slab.shape[:2], -1) * np.sqrt(weights)[:, None, None]
    # Where a disk lands hardly depends on which point of the specimen it comes from.
    tilt = torch.from_numpy(weights @ tilts).to(turn)
    landing, _ = dispersion(tilt[None, None], scene.g[None], scene.period.slope, scene.period.wavenumber)
    place = (landing[0, 0] - tilt) @ turn / pixel
    seen = torch.nonzero(place.detach().abs().amax(1) < size / 2 + 1.05 * radius / (per_pixel * side)).flatten()
    thickness = torch.from_numpy(np.searchsorted(disks.periods, scene.periods(thicker))).to(turn.device)  # [P, T]
    parts = torch.view_as_real(disks.amplitude[:, :, seen][:, thickness])  # [V, P, T, B, D, 2]
    parts = parts.movedim((1, 5), (0, 1)).flatten(1, 4) @ torch.from_numpy(spline).to(turn).mT
    light = parts.unflatten(1, (2, len(disks.amplitude), thickness.shape[1], len(seen))).square().sum((0, 1)).mean(0)
    across = int(np.ceil(np.abs(samples).max() + 0.5))
    flat = torch.from_numpy((np.floor(samples + across) @ [1, 2 * across]).astype(np.int64)).to(turn.device)
    square = light.new_zeros(*light.shape[:2], (2 * across)**2)
    square = square.index_copy(2, flat, light * torch.from_numpy(share).to(light))
    square = square.unflatten(2, (2 * across, 2 * across))
    return torch.stack([lay(one, place[seen], 1 / per_pixel, size) for one in square])
