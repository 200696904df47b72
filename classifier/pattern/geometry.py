"""Detector geometry: where each pixel lies, centre crops, and the canonical pose (scale and azimuth of one pattern).

The rule of the canonical pose: of the zero-order Laue zone reflections g whose disk is visible, the shortest takes a
fixed number of pixels and points along +x. Scale and azimuth say nothing about symmetry; both are recorded.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Float32, Real

from classifier.foundation.config import Config, added
from classifier.foundation.errors import InputError

CBED = "cbed"  # the kind of measurement whose grid a detector is
UNITS = ("1/angstrom", "mrad", "shortest_g", "pixel")
EQUAL_INTENSITY = 1e-3  # relative difference below which two disks are called equally bright


@dataclass(frozen=True)
class Detector:
    """A square detector: pattern[row, col] = [k_y, k_x], origin at the middle, size in pixels, pixel size in `unit`."""

    kind: ClassVar[str] = CBED
    size_pixels: int
    pixel_size: float
    unit: str

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise InputError(source="detector unit", rule=f"must be one of {', '.join(UNITS)}", value=self.unit,
                             remedy="Give the unit in which pixel_size is measured.")
        if self.size_pixels < 1 or not (np.isfinite(self.pixel_size) and self.pixel_size > 0):
            raise InputError(source="detector", rule="size_pixels must be >= 1 and pixel_size positive and finite",
                             value=f"{self.size_pixels}, {self.pixel_size}", remedy="Correct the detector.")

    def coordinates(self) -> Float[np.ndarray, " size_pixels"]:
        """Centres of the pixels along one side, in `unit`; zero is the middle of the side."""
        return (np.arange(self.size_pixels) - self.size_pixels / 2 + 0.5) * self.pixel_size

    @property
    def shape(self) -> tuple[int, ...]:
        """[C, H, W] of a stack: three zone axes."""
        return (3, self.size_pixels, self.size_pixels)

    def described_axes(self) -> list[tuple[str, np.ndarray, str, bool]]:
        """Axes of a stack as files name them: (name, coordinates, unit, is navigation)."""
        side = self.coordinates()
        return [("direction", np.arange(3.0), "", True), ("k_y", side, self.unit, False),
                ("k_x", side, self.unit, False)]

    def attributes(self) -> dict[str, int | float | str]:
        """What a file keeps of it."""
        return {"size_pixels": self.size_pixels, "pixel_size": self.pixel_size, "unit": self.unit}


class ViewConfig(Config):
    """The part of a pattern that a network sees: the square |k_x|, |k_y| <= half_width in size_pixels^2 pixels.

    half_width: in the detector's unit. Without both keys samples are seen whole, as they are, whatever their kind.
    """

    half_width: float = added(0.0)
    size_pixels: int = added(0)


def view(stacks: np.ndarray, detector: Detector, config: ViewConfig) -> tuple[np.ndarray, Detector]:
    """Crop patterns [..., H, W] (array or tensor) about the centre and sum blocks of pixels; also the new detector.

    Sums, not means: intensity is conserved. A window that does not fall on whole pixels is an InputError.
    """
    width = 2 * config.half_width / detector.pixel_size
    pixels = round(width)
    whole = abs(width - pixels) < 1e-6 * max(pixels, 1) and (detector.size_pixels - pixels) % 2 == 0
    if not whole or not 0 < pixels <= detector.size_pixels or config.size_pixels < 1 or pixels % config.size_pixels:
        raise InputError(
            source=f"view (half_width {config.half_width:g}, size_pixels {config.size_pixels})",
            rule=f"the window must cut whole blocks of pixels, symmetrically, out of {detector.size_pixels} pixels of "
                 f"{detector.pixel_size:g} {detector.unit}", value=f"a window of {width:g} pixels",
            remedy="Take half_width = block * size_pixels * pixel_size / 2 with a whole block, not wider than the "
                   "detector, and as many pixels as the detector modulo 2.")
    start, block = (detector.size_pixels - pixels) // 2, pixels // config.size_pixels
    stacks = stacks[..., start:start + pixels, start:start + pixels]
    if block > 1:
        # Whole rows first, then every block-th column: several times faster than one sum over both axes.
        rows = stacks.reshape(*stacks.shape[:-2], config.size_pixels, block, pixels).sum(-2)
        stacks = rows[..., ::block]
        for column in range(1, block):
            stacks = stacks + rows[..., column::block]
    return stacks, Detector(config.size_pixels, detector.pixel_size * block, detector.unit)


@dataclass(frozen=True, eq=False)
class Pose:
    """Scale, azimuth and centre of patterns: the shortest visible g, float64 [..., 2] as (k_x, k_y), detector units.

    centre: position of the direct beam, float64 [..., 2], detector units.
    """

    shortest_g: np.ndarray
    centre: np.ndarray = field(default_factory=lambda: np.zeros(2))

    @property
    def length(self) -> np.ndarray:
        """|g| in detector units, float64 [...]."""
        return np.hypot(self.shortest_g[..., 0], self.shortest_g[..., 1])

    @property
    def azimuth_rad(self) -> np.ndarray:
        """Counter-clockwise turn (row 0 drawn at the bottom) that brings g onto +x, float64 [...], in [-pi, pi]."""
        return -np.arctan2(self.shortest_g[..., 1], self.shortest_g[..., 0])

    @classmethod
    def stack(cls, poses: "list[Pose]") -> "Pose":
        """Put single poses into one batch along a new first axis."""
        return cls(np.stack([pose.shortest_g for pose in poses]), np.stack([pose.centre for pose in poses]))


def shortest_visible_g(g: Real[np.ndarray, "M 2"], intensity: Real[np.ndarray, " M"], *, visible: float, tie: float
                       ) -> Float[np.ndarray, " 2"]:
    """The g that defines the canonical pose, whatever the label; InputError when no disk has a positive intensity.

    Of the visible disks with (nearly) the shortest g the brightest wins, which fixes the sign as well. Disks equally
    bright to 1e-3 are symmetry mates (or mirror images): then the first one counter-clockwise from +x is taken, so that
    rounding does not decide. A row g = 0 (direct beam) is ignored.

    Parameters
    ----------
    g, intensity : of the disks, g and -g included
    visible : a disk is visible from this share of the brightest diffracted one on; 0.02 is a good value
    tie : lengths up to (1 + tie) times the shortest visible one count as equal; 0.02
    """
    g, intensity = np.asarray(g, dtype=np.float64), np.asarray(intensity, dtype=np.float64)
    length = np.hypot(g[:, 0], g[:, 1])
    usable = (length > 0) & np.isfinite(intensity) & (intensity > 0)
    if not usable.any():
        raise InputError(source="canonical pose", rule="at least one diffracted disk must have a positive intensity",
                         value=f"{len(g)} reflections, none usable", remedy="Skip the pattern, or keep it in raw pose.")
    g, intensity, length = g[usable], intensity[usable], length[usable]
    seen = intensity >= visible * intensity.max()
    shortest = seen & (length <= (1 + tie) * length[seen].min())
    brightest = shortest & (intensity >= (1 - EQUAL_INTENSITY) * intensity[shortest].max())
    # The small offset keeps a direction that rounding puts just below +x from being counted as a full turn.
    turn = np.mod(np.arctan2(g[:, 1], g[:, 0]) + 1e-6, 2 * np.pi)
    return g[brightest][np.argmin(turn[brightest])]


def canonical_detector(size_pixels: int, shortest_g_pixels: float) -> Detector:
    """Return the detector of the canonical pose: lengths in units of the shortest visible |g|."""
    return Detector(size_pixels, 1 / shortest_g_pixels, "shortest_g")


def to_canonical(patterns: Real[np.ndarray, "*batch H W"], detector: Detector, pose: Pose, *, size_pixels: int,
                 shortest_g_pixels: float) -> Float32[np.ndarray, "*batch {size_pixels} {size_pixels}"]:
    """Resample raw patterns into the canonical pose.

    Intensity per area is integrated over each new pixel: sums inside the frame are conserved at every scale.
    What lies outside the raw frame is zero.

    Parameters
    ----------
    patterns, detector : raw intensities and what their pixels mean
    pose : a single one, or one each
    size_pixels, shortest_g_pixels : side of the new patterns, and length of the shortest visible g in them
    """
    scale = pose.length / detector.pixel_size / shortest_g_pixels  # raw pixels a canonical pixel
    return _resample(patterns, pose.azimuth_rad, scale, pose.centre / detector.pixel_size, size_pixels)


def _resample(patterns: np.ndarray, azimuth: np.ndarray, scale: np.ndarray, centre: np.ndarray, size: int
              ) -> np.ndarray:
    """Turn, scale and shift patterns [..., H, W]; raw = centre + scale * turn(-azimuth) canonical, in pixels.

    Each new pixel is the mean of the bilinearly interpolated intensity per area over sub-points at most a third of an
    old pixel apart (finer than the interpolation's own ripple), times the ratio of the pixel areas.
    """
    import torch  # here: most of what reads stacks resamples none, and starts a second earlier, 180 MiB lighter

    patterns = np.asarray(patterns, dtype=np.float32)
    lead, old = patterns.shape[:-2], patterns.shape[-1]
    azimuth, scale = (np.broadcast_to(value, lead).reshape(-1) for value in (azimuth, scale))
    centre = np.broadcast_to(centre, (*lead, 2)).reshape(-1, 2)
    turn = np.stack([np.cos(azimuth), np.sin(azimuth), -np.sin(azimuth), np.cos(azimuth)], -1).reshape(-1, 2, 2)
    output = np.empty((len(scale), size, size), dtype=np.float32)
    source = torch.from_numpy(patterns.reshape(-1, 1, old, old))
    for subdivision in np.unique(fine := np.maximum(3, np.ceil(3 * scale)).astype(int)):
        rows = np.flatnonzero(fine == subdivision)
        points = size * int(subdivision)
        # affine_grid and grid_sample measure places in half frames: new frame [-1, 1] to old frame [-1, 1].
        affine = np.concatenate([(turn * scale[:, None, None])[rows] * (size / old), centre[rows, :, None] * (2 / old)],
                                axis=2)
        grid = torch.nn.functional.affine_grid(torch.from_numpy(affine.astype(np.float32)),
                                               [len(rows), 1, points, points], align_corners=False)
        fine_patterns = torch.nn.functional.grid_sample(source[rows], grid, mode="bilinear", padding_mode="zeros",
                                                        align_corners=False)
        mean = torch.nn.functional.avg_pool2d(fine_patterns, int(subdivision))[:, 0].numpy()
        output[rows] = mean * (scale[rows] ** 2).astype(np.float32)[:, None, None]
    return output.reshape(*lead, size, size)
