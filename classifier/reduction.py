"""One published 512-pixel stack to one small stack: faults by policy, crop, then raw pose or canonical pose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from classifier.config import Config
from classifier.electron import wavelength_angstrom
from classifier.errors import InputError
from classifier.geometry import Detector, Pose, ViewConfig, canonical_detector, to_canonical, view
from classifier.olcf import SampleAttributes
from classifier.pose import explained_share, lit_disks, pose_from_image, pose_from_lattice
from classifier.reciprocal import zero_layer_net

GREATEST = 1e30  # intensity; sums of many more would leave float32

# The four ways in which a plane lattice can lie in an image whose axes may be swapped or reversed.
FRAMES = {"as described": np.eye(2), "mirrored": np.diag([-1.0, 1.0]), "swapped": np.array([[0.0, 1], [1, 0]]),
          "turned": np.array([[0.0, -1], [1, 0]])}


class ReductionConfig(Config):
    """How one stack becomes smaller; lengths in 1/angstrom unless they say otherwise."""

    source_size_pixels: Annotated[int, Field(ge=2)]
    source_pixel_size_inv_angstrom: Annotated[float, Field(gt=0)]
    half_width_inv_angstrom: Annotated[float, Field(gt=0)]  # centre to edge of the square that is used
    pose: Literal["raw", "canonical"]
    size_pixels: Annotated[int, Field(ge=1)]  # of the written patterns
    shortest_g_pixels: Annotated[float, Field(gt=0)]  # canonical: length of the shortest visible g
    visible: Annotated[float, Field(gt=0, lt=1)]  # canonical: of the brightest diffracted disk
    tie: Annotated[float, Field(ge=0)]  # canonical: relative difference of length that counts as none
    least_explained_share: Annotated[float, Field(ge=0, le=1)]  # canonical: below, the predicted net is not believed
    on_partial_nan: Literal["skip", "mask"]
    on_negative: Literal["skip", "clip"]

    @model_validator(mode="after")
    def _window_comes_out(self) -> ReductionConfig:
        """Refuse a window that does not cut whole pixels before any file is read."""
        self.crop(np.zeros((self.source_size_pixels, self.source_size_pixels), np.float32))
        return self

    def crop(self, patterns: np.ndarray) -> tuple[np.ndarray, Detector]:
        """Cut patterns [..., H, W] to the window; in raw pose also sum them over blocks to the written pixels."""
        source = Detector(self.source_size_pixels, self.source_pixel_size_inv_angstrom, "1/angstrom")
        window = max(1, round(2 * self.half_width_inv_angstrom / self.source_pixel_size_inv_angstrom))
        return view(patterns, source, ViewConfig(half_width=self.half_width_inv_angstrom,
                                                 size_pixels=self.size_pixels if self.pose == "raw" else window))

    def detector(self) -> Detector:
        """Detector of the written patterns."""
        if self.pose == "canonical":
            return canonical_detector(self.size_pixels, self.shortest_g_pixels)
        return Detector(self.size_pixels, 2 * self.half_width_inv_angstrom / self.size_pixels, "1/angstrom")


class SkipSample(Exception):
    """A sample that policy or necessity leaves out; the message is the reason."""


@dataclass(frozen=True, eq=False)
class ReducedStack:
    """stack float32 [3, S, S]; per orientation, float64 [3]: pixel size, |g| (NaN in raw pose), azimuth; remarks."""

    stack: np.ndarray
    pixel_size_inv_angstrom: np.ndarray
    shortest_g_inv_angstrom: np.ndarray
    azimuth_rad: np.ndarray
    pose_from: list[str]  # canonical: "net (<frame>)" or "image"
    remarks: list[str]


def reduce_stack(stack: np.ndarray, sample: SampleAttributes, config: ReductionConfig) -> ReducedStack:
    """Reduce a stack [3, H, W]; raises SkipSample with the reason when it must be left out."""
    stack, remarks = _mend(stack, config)
    stack, field = config.crop(stack)
    if config.pose == "raw":
        return ReducedStack(_filled(stack), np.full(3, field.pixel_size), np.full(3, np.nan), np.zeros(3), [], remarks)
    poses, ways = zip(*(_pose(stack[k], field, sample, k, config) for k in range(3)), strict=True)
    pose = Pose.stack(list(poses))
    half_diagonal = config.size_pixels / np.sqrt(2) / config.shortest_g_pixels * pose.length
    if (half_diagonal > config.half_width_inv_angstrom).any():
        remarks.append("the canonical frame reaches beyond the field")
    stack = to_canonical(stack, field, pose, size_pixels=config.size_pixels,
                         shortest_g_pixels=config.shortest_g_pixels)
    return ReducedStack(_filled(stack), pose.length / config.shortest_g_pixels, pose.length, pose.azimuth_rad,
                        list(ways), remarks)


def _mend(stack: np.ndarray, config: ReductionConfig) -> tuple[np.ndarray, list[str]]:
    """Apply the policies to what is no intensity; float32 [3, H, W], finite and >= 0."""
    size = config.source_size_pixels
    if stack.shape != (3, size, size) or stack.dtype.kind != "f":
        raise SkipSample(f"cbed_stack is {stack.dtype} {list(stack.shape)}, not float [3, {size}, {size}]")
    stack, remarks = np.asarray(stack, dtype=np.float32), []
    finite = np.isfinite(stack)
    if not finite.any(axis=(1, 2)).all():
        raise SkipSample("a pattern is all NaN")
    if not finite.all():
        if config.on_partial_nan == "skip":
            raise SkipSample("a pattern is partly NaN")
        remarks.append(f"{int((~finite).sum())} NaN pixels set to zero")
        stack = np.where(finite, stack, np.float32(0))
    if (stack < 0).any():
        if config.on_negative == "skip":
            raise SkipSample("a pattern is partly negative")
        remarks.append(f"{int((stack < 0).sum())} negative pixels set to zero")
        stack = np.maximum(stack, 0)
    if stack.max() > GREATEST:
        raise SkipSample(f"an intensity is {stack.max():.3g}")
    if not stack.any(axis=(1, 2)).all():
        raise SkipSample("a pattern is all zero")
    return stack, remarks


def _filled(stack: np.ndarray) -> np.ndarray:
    if not stack.any(axis=(1, 2)).all():
        raise SkipSample("a pattern is all zero inside the field")
    return np.ascontiguousarray(stack, dtype=np.float32)


def _pose(pattern: np.ndarray, field: Detector, sample: SampleAttributes, orientation: int,
          config: ReductionConfig) -> tuple[Pose, str]:
    """Find the pose by the predicted net where one explains the pattern, else by the image alone."""
    rule = {"visible": config.visible, "tie": config.tie}
    semi_angle_mrad, known_radius = sample.convergence_semi_angle_mrad[orientation], None
    if np.isfinite([semi_angle_mrad, sample.beam_energy_kev]).all():
        known_radius = float(semi_angle_mrad * 1e-3 / wavelength_angstrom(sample.beam_energy_kev))
    net = _predicted_net(sample, orientation)
    if net is not None and known_radius is not None:
        shares = {name: round(_explained(pattern, field, net @ turn.T, known_radius), 6)
                  for name, turn in FRAMES.items()}
        frame = max(shares, key=shares.__getitem__)  # of equal ones the first
        if shares[frame] >= config.least_explained_share:
            return pose_from_lattice(pattern, field, net=net @ FRAMES[frame].T, disk_radius=known_radius,
                                     **rule), f"net ({frame})"
    try:
        return pose_from_image(pattern, field, disk_radius=known_radius, **rule), "image"
    except InputError as error:
        raise SkipSample(f"no pose found for orientation {orientation} ({error.value})") from error


def _predicted_net(sample: SampleAttributes, orientation: int) -> np.ndarray | None:
    axis, y_direction = sample.zone_axis_uvw[orientation], sample.y_directions[orientation]
    if not axis.any() or not np.isfinite([sample.cell_lengths_angstrom, sample.cell_angles_degree]).all():
        return None
    try:
        return zero_layer_net(sample.cell_lengths_angstrom, sample.cell_angles_degree, axis,
                              y_direction if np.isfinite(y_direction).all() else None)
    except InputError:  # an in-plane direction along the beam
        return None


def _explained(pattern: np.ndarray, field: Detector, net: np.ndarray, disk_radius: float) -> float:
    try:
        g, _ = lit_disks(pattern, field, net=net, disk_radius=disk_radius)
    except InputError:
        return 0.0
    return explained_share(pattern, field, g=g, disk_radius=disk_radius)
