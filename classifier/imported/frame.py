"""One pattern of a user's own, as a detector gave it, to the frame of a classifier: mend, orient, scale, place."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.imported.source import Axis, PatternArray
from classifier.imported.units import is_unit, to_inverse_angstrom
from classifier.pattern.geometry import Detector, Pose, canonical_detector, to_canonical
from classifier.pattern.measurement import BEAM_SHARE

FRACTION = BEAM_SHARE
GREATEST = 1e30
Positive = Annotated[float, Field(gt=0)]


class DeclaredPixel(Config):
    """Size of a pixel of the detector in a unit such as "1/angstrom", "1/nm", "mrad" or "rad"."""

    value: Positive
    unit: str


class GeometryConfig(Config):
    """How a pattern lies on the detector; transpose is applied first, flips then, so that pattern[k_y, k_x] results.

    centre: of the direct beam: "middle" of the pattern, "find" (for the canonical pose the direct disk by the lattice
    of all disks, else the brightest one), "from file" (where both axes are zero), or [column, row] in stored pixels
    from 0; square: around the centre, "crop" what one side has more, or "pad".
    """

    transpose: bool
    flip_rows: bool
    flip_columns: bool
    pixel_size: DeclaredPixel | Literal["from file"]
    centre: Literal["middle", "find", "from file"] | tuple[float, float]
    square: Literal["crop", "pad"]


class CountsConfig(Config):
    """What the numbers of a file mean; saturated pixels are counted first, then the offset is subtracted.

    incident: electrons of the incident beam in the file's own unit; "total": the pattern's sum over detected_share;
    "unknown": numbers stay as they are, in `unit`.
    """

    offset: float
    on_nan: Literal["refuse", "zero"]
    on_negative: Literal["refuse", "clip"]
    saturation: float | Literal["none"]
    on_saturated: Literal["refuse", "keep"]
    incident: Positive | Literal["total", "unknown"]
    detected_share: Annotated[float, Field(gt=0, le=1)]
    unit: str

    def written_unit(self) -> str:
        """Unit of the written intensities."""
        return self.unit if self.incident == "unknown" else FRACTION


@dataclass(frozen=True)
class Target:
    """Detector and pose of the written patterns."""

    detector: Detector
    pose: str


class CanonicalFrame(Config):
    """Canonical pose: size of the written patterns and length of the shortest visible g in pixels."""

    pose: Literal["canonical"]
    size_pixels: Annotated[int, Field(ge=1)]
    shortest_g_pixels: Positive

    def target(self) -> Target:
        """Detector and pose that this frame describes."""
        return Target(canonical_detector(self.size_pixels, self.shortest_g_pixels), "canonical")


class RawFrame(Config):
    """Raw pose: size of the written patterns and of their pixels."""

    pose: Literal["raw"]
    size_pixels: Annotated[int, Field(ge=1)]
    pixel_size_inv_angstrom: Positive

    def target(self) -> Target:
        """Detector and pose that this frame describes."""
        return Target(Detector(self.size_pixels, self.pixel_size_inv_angstrom, "1/angstrom"), "raw")


def mended(pattern: np.ndarray, dark: np.ndarray | None, config: CountsConfig,
           source: str) -> tuple[np.ndarray, list[str]]:
    """Intensities [H, W], finite and >= 0, in the written unit, of what a detector gave; and remarks.

    Parameters
    ----------
    pattern, dark : [H, W], as stored, and what to subtract
    config, source : what the numbers mean, and what is done with faults; named in errors
    """
    remarks = []

    def faults(faulty: np.ndarray, what: str, policy: str, key: str) -> bool:
        if faulty.any() and policy == "refuse":
            raise InputError(source=source, rule=f"a pattern may hold no {what} pixels", value=int(faulty.sum()),
                             remedy=f"Leave it out, or set intensity.{key}.")
        if faulty.any():
            remarks.append(f"{int(faulty.sum())} {what} pixels")
        return bool(faulty.any())

    if config.saturation != "none":
        faults(pattern >= config.saturation, "saturated", config.on_saturated, 'on_saturated = "keep"')
    if dark is not None and dark.shape != pattern.shape:
        raise InputError(source=source, rule="the dark pattern must have the pattern's shape",
                         value=f"{list(dark.shape)} for {list(pattern.shape)}", remedy="Give the right dark pattern.")
    pattern = pattern - config.offset - (0 if dark is None else dark)
    if faults(~np.isfinite(pattern), "non-finite", config.on_nan, 'on_nan = "zero"'):
        pattern = np.where(np.isfinite(pattern), pattern, 0)
    if faults(pattern < 0, "negative", config.on_negative, 'on_negative = "clip", or the offset'):
        pattern = np.maximum(pattern, 0)
    if not 0 < pattern.max() <= GREATEST:
        raise InputError(source=source, rule="a pattern must hold light (and no intensity beyond 1e30)",
                         value=f"maximum {pattern.max():g}", remedy="Check the file and intensity.offset.")
    if config.incident == "total":
        return pattern * (config.detected_share / pattern.sum()), remarks
    return (pattern if config.incident == "unknown" else pattern / config.incident), remarks


def pixel_size_inv_angstrom(array: PatternArray, config: GeometryConfig, beam_energy_kev: float) -> float:
    """Size of a pixel in 1/angstrom, declared or by the file's axes (which must be calibrated and alike)."""
    declared = {"beam_energy_kev": beam_energy_kev, "source": f"{array.source}, geometry.pixel_size"}
    if isinstance(config.pixel_size, DeclaredPixel):
        return to_inverse_angstrom(config.pixel_size.value, config.pixel_size.unit, **declared)
    rows, columns = _calibrated(array)
    sizes = [abs(to_inverse_angstrom(axis.scale, axis.unit, **declared)) for axis in (rows, columns)]
    if abs(sizes[0] / sizes[1] - 1) > 1e-3:
        raise InputError(source=array.source, rule="pixels must be square", value=f"{sizes[0]:g} x {sizes[1]:g} "
                         "1/angstrom", remedy="Resample the patterns, or declare geometry.pixel_size.")
    return float(np.mean(sizes))


def _calibrated(array: PatternArray) -> tuple[Axis, Axis]:
    rows, columns = array.rows, array.columns
    if rows is None or columns is None or not (is_unit(rows.unit) and is_unit(columns.unit)):
        raise InputError(source=array.source, rule='"from file" needs calibrated axes of the pattern',
                         value="no axis" if rows is None or columns is None else
                         f"unit {(columns if is_unit(rows.unit) else rows).unit!r}",
                         remedy='Declare pixel_size = { value = ..., unit = "1/angstrom" } and centre.')
    return rows, columns


def stored_centre(pattern: np.ndarray, array: PatternArray, config: GeometryConfig,
                  find: Callable[[np.ndarray], tuple[float, float]]) -> tuple[float, float]:
    """Column and row of the direct beam in the stored pattern, in pixels.

    Parameters
    ----------
    pattern, array : [H, W], and the array that it comes from, with its axes
    config, find : where to look; finds it in the pattern, where the config says "find"
    """
    height, width = pattern.shape
    if config.centre == "middle":
        return (width - 1) / 2, (height - 1) / 2
    if config.centre == "find":
        return find(pattern)
    column, row = _zero_of_axes(array) if config.centre == "from file" else config.centre
    if not (0 <= column <= width - 1 and 0 <= row <= height - 1):
        raise InputError(source=array.source, rule="the centre must lie in the pattern", remedy="Correct it.",
                         value=f"geometry.centre: column {column:g} of {width}, row {row:g} of {height}")
    return column, row


def _zero_of_axes(array: PatternArray) -> tuple[float, float]:
    rows, columns = _calibrated(array)
    if rows.offset == columns.offset == 0:  # py4DSTEM and others count from the first pixel
        raise InputError(source=array.source, rule='centre "from file" needs axes with their zero at the centre',
                         value="axes that start with 0", remedy='Take geometry.centre = "middle" or "find".')
    return -columns.offset / columns.scale, -rows.offset / rows.scale


def oriented(pattern: np.ndarray, config: GeometryConfig) -> np.ndarray:
    """A stored pattern [H, W] as [k_y, k_x]."""
    pattern = pattern.T if config.transpose else pattern
    return pattern[::-1 if config.flip_rows else 1, ::-1 if config.flip_columns else 1]


def oriented_place(place: tuple[float, float], shape: tuple[int, ...], config: GeometryConfig) -> tuple[float, float]:
    """Where a stored (column, row) of a pattern of that stored shape lies once the pattern is oriented."""
    (column, row), (height, width) = place, shape
    if config.transpose:
        column, row, height, width = row, column, width, height
    return width - 1 - column if config.flip_columns else column, height - 1 - row if config.flip_rows else row


def squared(pattern: np.ndarray, centre: tuple[float, float], how: str) -> tuple[np.ndarray, np.ndarray]:
    """A square [S, S] about the centre (column, row), and how far from its middle the centre lies, [2], in pixels."""
    sides = [(place, length - 1 - place) for place, length in zip(centre, pattern.shape[::-1], strict=True)]
    if how == "crop":
        size = int(np.floor(2 * min(min(side) for side in sides) + 1 + 1e-9))
    else:
        size = int(np.ceil(2 * max(max(side) for side in sides) + 1 - 1e-9))
        size += size != 2 * max(max(side) for side in sides) + 1  # the middle then lies up to half a pixel aside
    return cut(pattern, centre, size)


def cut(pattern: np.ndarray, centre: tuple[float, float], size: int) -> tuple[np.ndarray, np.ndarray]:
    """The size x size pixels nearest about the centre (column, row), zero outside the pattern; the rest as above."""
    square, first = np.zeros((size, size)), [round(place - (size - 1) / 2) for place in centre]
    (column, row), (height, width) = first, pattern.shape
    rows, columns = (slice(max(start, 0), max(min(start + size, end), 0))
                     for start, end in ((row, height), (column, width)))
    part = pattern[rows, columns]
    square[rows.start - row:rows.start - row + part.shape[0],
           columns.start - column:columns.start - column + part.shape[1]] = part
    return square, np.array(centre) - np.array(first) - (size - 1) / 2


def placed(square: np.ndarray, centre: np.ndarray, field: Detector, target: Detector, target_pixel: float,
           pose: Pose | None) -> np.ndarray:
    """A square pattern on the target detector, float32 [S, S].

    Parameters
    ----------
    square, field, centre : pattern [H, H], what its pixels mean, and [2] its direct beam in pixels from the middle
    target, target_pixel : detector, and the size of its pixels in 1/angstrom
    pose : for the canonical pose. Without one the pattern stays raw: it is cut in whole pixels where the pixel sizes
        agree, and resampled where they do not.
    """
    if pose is not None:
        return to_canonical(square, field, pose, size_pixels=target.size_pixels,
                            shortest_g_pixels=1 / target.pixel_size)
    if abs(field.pixel_size / target_pixel - 1) < 1e-6:
        middle = tuple(centre + (field.size_pixels - 1) / 2)
        return cut(square, middle, target.size_pixels)[0].astype(np.float32)
    unturned = Pose(np.array([target_pixel, 0.0]), centre * field.pixel_size)
    return to_canonical(square, field, unturned, size_pixels=target.size_pixels, shortest_g_pixels=1)
