"""From beam intensities to pixels: a round aperture of incident directions, every disk laid where its electrons land.

Disks add in intensity. Each pattern is drawn once, straight into its final frame, raw or canonical, so that nothing
is resampled. Intensity unit: fraction of the incident beam per pixel; an unlimited detector sums to one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from cbedgan.simulate.multislice import Multislice, MultisliceConfig
from cbedgan.simulate.zone_axis import Slab
from classifier.config import Config
from classifier.errors import InputError
from classifier.geometry import Detector, Pose, shortest_visible_g

SURVEY_DIRECTIONS = 12  # equally spaced, so that no rotation axis of the crystal is favoured
SURVEY_RADIUS = np.sqrt(0.5)  # of the aperture's: half of a disk's area lies inside this circle


class DetectorConfig(Config):
    """Detector, aperture and sampling of one pattern.

    In canonical pose lengths count in units of |g1|, the shortest visible zero-layer reflection, which points along +x.
    """

    pose: Literal["raw", "canonical"]
    size_pixels: Annotated[int, Field(ge=1)]
    half_width: Annotated[float, Field(gt=0)]  # centre to edge: 1/angstrom (raw), |g1| (canonical)
    aperture_unit: Literal["shortest_g", "mrad"]
    aperture_radius: Annotated[float, Field(gt=0)]  # convergence semi-angle in aperture_unit; below 0.5 |g1| no overlap
    directions_across: Annotated[int, Field(ge=4)]  # incident directions along the aperture's diameter
    samples_per_pixel: Annotated[int, Field(ge=1)]  # interpolated samples along one side of a pixel
    visible: Annotated[float, Field(gt=0, lt=1)]  # see classifier.geometry.shortest_visible_g
    tie: Annotated[float, Field(ge=0)]


@dataclass(frozen=True, eq=False)
class PatternResult:
    """One zone axis at T thicknesses.

    image: float32 [T, H, W], fraction of the incident beam per pixel; thickness_angstrom: float64 [T], real;
    shortest_g: float64 [2], (k_x, k_y) in 1/angstrom in the slab's own frame; pixel_size_inv_angstrom: of the drawn
    frame; azimuth_rad: counter-clockwise turn from the slab's frame to the drawn one; detector: of the drawn frame;
    slope: of the entry surface, dz over in-plane length.
    """

    image: NDArray[np.float32]
    thickness_angstrom: NDArray[np.float64]
    semi_angle_mrad: float
    shortest_g: NDArray[np.float64]
    pixel_size_inv_angstrom: float
    azimuth_rad: float
    detector: Detector
    slope: float


def simulate_pattern(slab: Slab, *, beam_energy_kev: float, thickness_angstrom: ArrayLike, multislice: MultisliceConfig,
                     detector: DetectorConfig, azimuth_rad: float = 0.0) -> PatternResult:
    """Simulate the CBED patterns of one slab at thicknesses [T] (angstrom, rounded to whole periods).

    azimuth_rad turns the pattern counter-clockwise from the slab's frame in raw pose; canonical pose sets its own turn.
    Raises InputError for a faulty energy, thickness or aperture and when no diffracted disk is visible.
    """
    propagation = Multislice(slab, beam_energy_kev=beam_energy_kev, config=multislice)
    shortest = survey(propagation, thickness_angstrom, detector)
    pose = Pose(shortest)
    unit_length = float(pose.length) if detector.aperture_unit == "shortest_g" else propagation.wavenumber * 1e-3
    radius = _checked_radius(propagation, detector.aperture_radius * unit_length)
    canonical = detector.pose == "canonical"
    frame = Detector(detector.size_pixels, 2 * detector.half_width / detector.size_pixels,
                     "shortest_g" if canonical else "1/angstrom")
    scale = float(pose.length) if canonical else 1.0
    turn = float(pose.azimuth_rad) if canonical else azimuth_rad
    pixel = frame.pixel_size * scale
    image, thickness = draw(propagation, thickness_angstrom, radius=radius, pixel=pixel, azimuth_rad=turn,
                            config=detector)
    return PatternResult(image, thickness, 1e3 * radius / propagation.wavenumber, shortest, pixel, turn, frame,
                         float(np.linalg.norm(slab.slope)))


def survey(propagation: Multislice, thickness_angstrom: ArrayLike, config: DetectorConfig) -> NDArray[np.float64]:
    """Return the shortest visible zero-layer reflection, float64 [2] in 1/angstrom, from a few incident directions.

    The directions lie on a circle inside the aperture; where the aperture itself waits for the answer, the shortest
    vector of the zero-layer net stands in for it. Intensities are means over directions and thicknesses.
    """
    slab = propagation.slab
    zolz_length = np.linalg.norm(np.linalg.inv(slab.projected_net), axis=0).min()
    radius = config.aperture_radius * (zolz_length if config.aperture_unit == "shortest_g"
                                       else propagation.wavenumber * 1e-3)
    angle = 2 * np.pi * np.arange(SURVEY_DIRECTIONS) / SURVEY_DIRECTIONS
    circle = np.stack([np.cos(angle), np.sin(angle)], -1)
    beam = propagation.index[propagation.inside].astype(np.int64)
    g = beam @ slab.reciprocal_net
    order = g @ slab.projected_net.T  # whole numbers in the zero-order Laue zone only
    zero_layer = np.abs(order - np.round(order)).max(-1) < 1e-6
    leaving = propagation.intensities(SURVEY_RADIUS * _checked_radius(propagation, radius) * circle, thickness_angstrom,
                                      beam[zero_layer])
    return shortest_visible_g(g[zero_layer], leaving.intensity.mean((0, 1)), visible=config.visible, tie=config.tie)


def draw(propagation: Multislice, thickness_angstrom: ArrayLike, *, radius: float, pixel: float, azimuth_rad: float,
         config: DetectorConfig) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return patterns float32 [T, H, W] and real thicknesses [T]; radius of the aperture and pixel in 1/angstrom."""
    turn = np.array([[np.cos(azimuth_rad), np.sin(azimuth_rad)], [-np.sin(azimuth_rad), np.cos(azimuth_rad)]])
    nodes = incident_directions(config.directions_across) * radius  # in the drawn frame, as the samples below
    side = pixel / config.samples_per_pixel
    samples, weight = aperture_samples(radius / side)
    samples = samples * side
    beam = propagation.index[propagation.inside].astype(np.int64)
    g = beam @ propagation.slab.reciprocal_net
    on_axis = propagation.dispersion(np.zeros((1, 2)), g)[0][0] @ turn
    blur = 1 + np.linalg.norm(propagation.slab.slope) * propagation.config.g_max_inv_angstrom / propagation.wavenumber
    landing = np.abs(on_axis).max(-1) < config.size_pixels * pixel / 2 + blur * radius + side
    leaving = propagation.intensities(nodes @ turn.T, thickness_angstrom, beam[landing])
    weights = interpolation(nodes / radius, samples / radius) * weight[:, None]
    landed = np.maximum(weights @ leaving.intensity, 0)  # [T, samples, B]; a spline may undershoot
    place = propagation.dispersion(samples @ turn.T, g[landing])[0] @ turn  # [samples, B, 2]
    return splat(landed, place / pixel, 1 / config.samples_per_pixel, config.size_pixels), leaving.thickness_angstrom


def incident_directions(across: int) -> NDArray[np.float64]:
    """Square grid over the unit disk, `across` to its diameter, with a rim just outside it, float64 [D, 2]."""
    line = (np.arange(-1, across + 1) - (across - 1) / 2) * 2 / across
    grid = np.stack(np.meshgrid(line, line, indexing="xy"), -1).reshape(-1, 2)
    return grid[np.hypot(grid[:, 0], grid[:, 1]) < 1 + 1.2 / across]


def aperture_samples(radius: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit squares that tile a disk of `radius`: centres float64 [S, 2] and their shares [S] of the disk, summing to 1.

    A square on the rim counts by the part of it that lies inside.
    """
    half = int(np.ceil(radius + 0.5))
    line = np.arange(-half, half) + 0.5
    centres = np.stack(np.meshgrid(line, line, indexing="xy"), -1).reshape(-1, 2)
    share = np.clip(radius - np.hypot(centres[:, 0], centres[:, 1]) + 0.5, 0, 1)
    return centres[share > 0], share[share > 0] / share.sum()


def interpolation(nodes: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights float64 [S, D] of cubic interpolation from nodes [D, 2] to points [S, 2].

    Polyharmonic spline r^3 with a linear polynomial: cubic along lines, exact at the nodes, and at home in a disk,
    where a product of one-dimensional splines would need the corners of the square as well.
    """
    def distance_cubed(first: NDArray[np.float64]) -> NDArray[np.float64]:
        apart = first[:, None] - nodes[None]
        return (apart**2).sum(-1) ** 1.5

    def linear(first: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([np.ones((len(first), 1)), first], axis=1)

    system = np.block([[distance_cubed(nodes), linear(nodes)], [linear(nodes).T, np.zeros((3, 3))]])
    wanted = np.concatenate([distance_cubed(points), linear(points)], axis=1)
    return np.linalg.solve(system, wanted.T)[:len(nodes)].T


def splat(intensity: NDArray[np.float64], place: NDArray[np.float64], side: float, size: int) -> NDArray[np.float32]:
    """Lay samples intensity [T, S, B] at place [S, B, 2] (x, y in pixels from the centre) on patterns [T, size, size].

    A sample is a square of `side` pixels (at most 1); each pixel gets its share by area.
    """
    lower = place + size / 2 - side / 2
    pixel = np.floor(lower).astype(np.int64)
    beyond = np.clip((lower + side - pixel - 1) / side, 0, 1)  # share that falls to the next pixel
    pixel = np.clip(pixel, -2, size)
    patterns = np.zeros((len(intensity), (size + 4) ** 2))
    for down in (0, 1):
        for right in (0, 1):
            share = np.abs(1 - right - beyond[..., 0]) * np.abs(1 - down - beyond[..., 1])
            index = ((pixel[..., 1] + 2 + down) * (size + 4) + pixel[..., 0] + 2 + right).ravel()
            for pattern, values in zip(patterns, intensity, strict=True):
                pattern += np.bincount(index, (values * share).ravel(), len(pattern))
    return patterns.reshape(-1, size + 4, size + 4)[:, 2:-2, 2:-2].astype(np.float32)


def _checked_radius(propagation: Multislice, radius: float) -> float:
    """Return the aperture's radius in 1/angstrom, or refuse one that the band limit cannot hold."""
    if radius >= propagation.config.g_max_inv_angstrom / 2:
        raise InputError(source="aperture_radius", rule="must stay below half of g_max_inv_angstrom",
                         value=f"{radius:.3g} 1/angstrom", remedy="Take a smaller aperture or a larger g_max.")
    return radius
