"""One published stack to one small stack: faults by policy, crop, then raw pose or canonical pose."""

import hashlib
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Shaped
from pydantic import Field, model_validator

from classifier.crystal.electron import wavelength_angstrom
from classifier.crystal.reciprocal import Basis, same_lattice, zolz_lattice
from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.pattern.disk_lattice import DiskLattice, lit_map
from classifier.pattern.geometry import Detector, Pose, ViewConfig, canonical_detector, to_canonical, view
from classifier.pattern.pose import lattice_share, pose_from_image, pose_from_lattice
from classifier.published.olcf import SampleAttributes

GREATEST = 1e30  # intensity; sums of many more would leave float32
ROUNDING = 1e-9  # by which indices of one lattice in another may differ from whole numbers

# The four ways in which a plane lattice can lie in an image whose axes may be swapped or reversed.
FRAMES = {"as described": np.eye(2), "mirrored": np.diag([-1.0, 1.0]), "swapped": np.array([[0.0, 1], [1, 0]]),
          "turned": np.array([[0.0, -1], [1, 0]])}


class ReductionConfig(Config):
    """How one stack becomes smaller; lengths in 1/angstrom unless they say otherwise.

    With source_pixel_size_inv_angstrom = "unknown" the pose stays raw, the whole pattern is used (half_width "all") and
    the written patterns are measured in pixels of the source.
    """

    source_size_pixels: Annotated[int, Field(ge=2)]
    source_pixel_size_inv_angstrom: Annotated[float, Field(gt=0)] | Literal["unknown"]
    half_width_inv_angstrom: Annotated[float, Field(gt=0)] | Literal["all"]  # centre to edge of the square that is used
    pose: Literal["raw", "canonical"]
    size_pixels: Annotated[int, Field(ge=1)]  # of the written patterns
    shortest_g_pixels: Annotated[float, Field(gt=0)]  # canonical: length of the shortest visible g
    visible: Annotated[float, Field(gt=0, lt=1)]  # canonical: of the brightest diffracted disk
    tie: Annotated[float, Field(ge=0)]  # canonical: relative difference of length that counts as none
    least_explained_share: Annotated[float, Field(ge=0, le=1)]  # canonical: below, the prediction is not believed
    on_partial_nan: Literal["skip", "mask"]
    on_negative: Literal["skip", "clip"]

    @model_validator(mode="after")
    def _window_comes_out(self) -> "ReductionConfig":
        """Refuse a window that does not cut whole pixels before any file is read."""
        if not self.calibrated and (self.pose != "raw" or self.half_width_inv_angstrom != "all"):
            raise InputError(source="source_pixel_size_inv_angstrom", value="unknown",
                             rule='must be known for the canonical pose and for a window in 1/angstrom',
                             remedy='Give the pixel size, or set pose = "raw" and half_width_inv_angstrom = "all".')
        self.crop(np.zeros((self.source_size_pixels, self.source_size_pixels), np.float32))
        return self

    @property
    def calibrated(self) -> bool:
        """Whether the pixel size of the source is known."""
        return self.source_pixel_size_inv_angstrom != "unknown"

    @property
    def source(self) -> Detector:
        """Detector of the published patterns."""
        if self.source_pixel_size_inv_angstrom == "unknown":
            return Detector(self.source_size_pixels, 1.0, "pixel")
        return Detector(self.source_size_pixels, self.source_pixel_size_inv_angstrom, "1/angstrom")

    @property
    def half_width(self) -> float:
        """Centre to edge of the square that is used, in the unit of `source`."""
        if self.half_width_inv_angstrom == "all":
            return self.source_size_pixels * self.source.pixel_size / 2
        return self.half_width_inv_angstrom

    def crop(self, patterns: np.ndarray) -> tuple[np.ndarray, Detector]:
        """Cut patterns [..., H, W] to the window; in raw pose also sum them over blocks to the written pixels."""
        window = max(1, round(2 * self.half_width / self.source.pixel_size))
        return view(patterns, self.source, ViewConfig(half_width=self.half_width,
                                                      size_pixels=self.size_pixels if self.pose == "raw" else window))

    def detector(self) -> Detector:
        """Detector of the written patterns."""
        if self.pose == "canonical":
            return canonical_detector(self.size_pixels, self.shortest_g_pixels)
        return Detector(self.size_pixels, 2 * self.half_width / self.size_pixels, self.source.unit)


class PrepareConfig(Config):
    """on_unreadable_file: go on without a file, or a sample of it, that cannot be read ("report"), or "stop".

    thickness_angstrom: one value for all (the data set says 100, nominally), or "unknown"; mantissa_bits: of float32,
    kept in the file; reduction: from published to written patterns.
    """

    on_unreadable_file: Literal["report", "stop"]
    thickness_angstrom: Annotated[float, Field(gt=0)] | Literal["unknown"]
    mantissa_bits: Annotated[int, Field(ge=1, le=23)]
    reduction: ReductionConfig

    def refused(self, path: Path, error: Exception) -> str:
        """Say in one line why a file cannot be read, or raise InputError where that is to stop the stage."""
        reason = " ".join(str(error).split()).encode("utf-8", "backslashreplace").decode() or type(error).__name__
        if self.on_unreadable_file == "stop":
            raise InputError(source=path, rule="every file must be readable", value=reason,
                             remedy='Fetch it again, or set on_unreadable_file = "report".') from error
        return reason


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


def reduce_stack(stack: Shaped[np.ndarray, "..."], sample: SampleAttributes | None, config: ReductionConfig
                 ) -> ReducedStack:
    """Reduce a stack; SkipSample with the reason when it must be left out. Only the canonical pose needs the sample."""
    stack, remarks = _mend(stack, config)
    stack, field = config.crop(stack)
    if sample is None or config.pose == "raw":
        pixel_size = field.pixel_size if config.calibrated else np.nan
        return ReducedStack(_filled(stack), np.full(3, pixel_size), np.full(3, np.nan), np.zeros(3), [], remarks)
    poses, ways = zip(*(_pose(stack[k], field, sample, k, config) for k in range(3)), strict=True)
    pose = Pose.stack(list(poses))
    half_diagonal = config.size_pixels / np.sqrt(2) / config.shortest_g_pixels * pose.length
    if (half_diagonal > config.half_width).any():
        remarks.append("the canonical frame reaches beyond the field")
    stack = to_canonical(stack, field, pose, size_pixels=config.size_pixels, shortest_g_pixels=config.shortest_g_pixels)
    return ReducedStack(_filled(stack), pose.length / config.shortest_g_pixels, pose.length, pose.azimuth_rad,
                        list(ways), remarks)


def require_stack(array: Any, size: int, name: str) -> None:
    """Skip (SkipSample) what is no float [3, size, size]; `array` need only have shape and dtype, and may be unread."""
    if array.shape != (3, size, size) or array.dtype.kind != "f":
        raise SkipSample(f"{name} is {array.dtype} {list(array.shape)}, not float [3, {size}, {size}]")


def fingerprint(stack: np.ndarray) -> str:
    """Hexadecimal text by which equal published stacks [3, H, W] are found: sha256 over sums of every 16th row's bits.

    The sums read a stack at the speed of memory, and neither a mirror image nor another order of patterns keeps them.
    """
    rows = gcd(stack.shape[1], 16)
    bits = np.ascontiguousarray(stack, dtype="<f4").view("<u4").reshape(3, -1, rows, stack.shape[2])
    return hashlib.sha256(np.add.reduce(bits, axis=1, dtype="<u4").tobytes()).hexdigest()[:32]


def _mend(stack: np.ndarray, config: ReductionConfig) -> tuple[np.ndarray, list[str]]:
    """Apply the policies to what is no intensity; float32 [3, H, W], finite and >= 0."""
    require_stack(stack, config.source_size_pixels, "the stack")
    stack, remarks = np.asarray(stack, dtype=np.float32), []
    least, greatest = stack.min(axis=(1, 2)), stack.max(axis=(1, 2))
    # Almost every stack is sound, and two passes say so; a NaN comes out of min and max and is below nothing.
    if (least >= 0).all() and (greatest > 0).all() and (greatest <= GREATEST).all():
        return stack, remarks
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
    """Find the pose by the predicted lattice where one explains the pattern, else by the image alone."""
    rule = {"visible": config.visible, "tie": config.tie}
    semi_angle_mrad, radius = sample.convergence_semi_angle_mrad[orientation], None
    if np.isfinite([semi_angle_mrad, sample.beam_energy_kev]).all():
        radius = float(semi_angle_mrad * 1e-3 / wavelength_angstrom(sample.beam_energy_kev))
    basis = _predicted_basis(sample, orientation)
    if basis is not None and radius is not None:
        lit = lit_map(pattern)
        shares: dict[str, float] = {}
        for name, turn in FRAMES.items():
            # A rectangular lattice is its own mirror image: what equals an earlier frame is not tried again.
            if not any(same_lattice(basis @ turn.T, basis @ FRAMES[earlier].T, ROUNDING) for earlier in shares):
                shares[name] = round(lattice_share(pattern, lit, field, DiskLattice(basis @ turn.T, radius)), 6)
        frame = max(shares, key=shares.__getitem__)  # of equal ones the first
        if shares[frame] >= config.least_explained_share:
            predicted = DiskLattice(basis @ FRAMES[frame].T, radius)
            return pose_from_lattice(pattern, field, predicted, **rule), f"net ({frame})"
    try:
        return pose_from_image(pattern, field, disk_radius=radius, **rule), "image"
    except InputError as error:
        raise SkipSample(f"no pose found for orientation {orientation} ({error.value})") from error


def _predicted_basis(sample: SampleAttributes, orientation: int) -> Basis | None:
    axis, y_direction = sample.zone_axis_uvw[orientation], sample.y_directions[orientation]
    if not axis.any() or not np.isfinite([sample.cell_lengths_angstrom, sample.cell_angles_degree]).all():
        return None
    try:
        return zolz_lattice(sample.cell_lengths_angstrom, sample.cell_angles_degree, axis,
                              y_direction if np.isfinite(y_direction).all() else None)
    except InputError:  # an in-plane direction along the beam
        return None
