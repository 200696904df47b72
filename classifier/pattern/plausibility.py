"""Whether patterns look like those of training: measurements with a physical meaning, and the range of each."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Real

from classifier.pattern.geometry import Detector
from classifier.pattern.grid import Grid
from classifier.pattern.intensity import IntensityTransform, stacks_at_once

# What each measurement is, and what it means when it leaves the range of training.
CHECKS: dict[str, tuple[str, str]] = {
    "total": ("log10 of the total intensity", "another intensity scale"),
    "offset": ("distance of the direct disk's centroid from the middle in pixels", "badly centred"),
    "asymmetry": ("1 - correlation with the half turn", "badly centred, or no pattern of a zone axis"),
    "contrast": ("spread of the compressed intensity", "flat, or exposed in another way"),
    "roughness": ("log10 of the Laplacian's share of the contrast", "blurred or noisy"),
    "plateau": ("share of pixels at the maximum", "saturated or constant"),
    "direct_disk": ("direct disk above the gap beside the first disk", "another scale, aperture or centre"),
    "first_disk": ("first disk on +x above the gap beside it", "not in canonical pose: turned or scaled"),
}
CURVE_CHECKS: dict[str, tuple[str, str]] = {
    "curve_mean": ("mean of the curve", "a background left, or hardly a peak"),
    "curve_median": ("median of the curve", "a background left, or cut off at zero"),
    "curve_contrast": ("spread of the compressed curve", "flat, or normalised in another way"),
    "curve_roughness": ("log10 of the curvature's share of the contrast", "noisier, sharper or broader"),
    "curve_plateau": ("share of points at the maximum", "saturated or constant"),
}
NEVER_TOO_SMALL = ("offset", "asymmetry", "plateau", "curve_plateau")  # zero is best
RANGE_QUANTILES = (0.001, 0.999)  # of the training patterns
MARGIN = 0.1  # of the range's width, added at both ends
COPIES = 16  # of float32 size that measuring holds of the stacks
SMALLEST_WIDTH = 1e-3  # of a range, so that rounding does not leave one that had no width at all


def measure(intensity: Real[np.ndarray, "N P *spatial"], transform: IntensityTransform, grid: Grid, *,
            shift_pixels: int) -> Float[np.ndarray, "N P C"]:
    """Measure every check on stacks of physical intensity, C = len(CHECKS), or on curves, C = len(CURVE_CHECKS).

    The two checks of the pose need lengths in units of the shortest g; elsewhere they are zero. In the canonical pose
    the direct disk and the first one almost touch halfway along +x. Above and below that point lies a gap that no disk
    of the zero-order Laue zone reaches, since none is nearer to these two than the shortest g.

    Parameters
    ----------
    intensity, grid, transform : stacks or other samples, what their values stand over, and the classifier's scale
    shift_pixels : offset along each axis that the classifier bears; all but the offset is measured after the pattern
        was moved, by no more than that, to where it is most like its half turn
    """
    at_once = max(1, stacks_at_once(intensity.shape[1:]) // COPIES)
    blocks = [_measure(intensity[start:start + at_once], transform, grid, shift_pixels)
              if isinstance(grid, Detector) else _measure_curves(intensity[start:start + at_once], transform)
              for start in range(0, len(intensity), at_once)]
    checks = CHECKS if isinstance(grid, Detector) else CURVE_CHECKS
    return np.concatenate(blocks) if blocks else np.zeros((0, grid.shape[0], len(checks)))


def _measure_curves(intensity: np.ndarray, transform: IntensityTransform) -> np.ndarray:
    """Measure samples of other kinds, [N, C, *spatial], each channel as one row of values, which are curves mostly."""
    curves = np.asarray(intensity, dtype=np.float64).reshape(*intensity.shape[:2], -1)
    x = transform.normalise(curves.astype(np.float32)).astype(np.float64)
    contrast = x.std(-1)
    curvature = np.sqrt(np.square(np.diff(x, 2, axis=-1)).mean(-1)) / (contrast + 1e-9)
    return np.stack([curves.mean(-1), np.median(curves, axis=-1), contrast, np.log10(curvature + 1e-9),
                     (curves >= 0.9999 * curves.max(-1, keepdims=True)).mean(-1)], axis=-1)


def _measure(intensity: np.ndarray, transform: IntensityTransform, detector: Detector, shift_pixels: int) -> np.ndarray:
    """Measure stacks that memory has room for, several times over."""
    intensity = np.asarray(intensity, dtype=np.float64)
    canonical = detector.unit == "shortest_g"
    shortest_g = 1 / detector.pixel_size if canonical else detector.size_pixels / 4
    side, radius, _ = _lengths(detector.size_pixels, shortest_g)
    middle = intensity * (radius <= 0.5)
    offset = np.hypot((middle * side).sum((2, 3)), (middle * side[:, None]).sum((2, 3)))
    values = {"total": np.log10(np.maximum(intensity.sum((2, 3)), 1e-30)),
             "offset": offset / np.maximum(middle.sum((2, 3)), 1e-30),
             "plateau": (intensity >= 0.9999 * intensity.max((2, 3), keepdims=True)).mean((2, 3))}

    plain = replace(transform, mean=None, std=None)
    x, values["asymmetry"] = _centred(plain.normalise(intensity.astype(np.float32)).astype(np.float64), shift_pixels)
    values["contrast"] = x.std((2, 3))
    standard = x / (values["contrast"][..., None, None] + 1e-9)
    laplacian = 4 * standard[..., 1:-1, 1:-1] - (standard[..., :-2, 1:-1] + standard[..., 2:, 1:-1]
                                                 + standard[..., 1:-1, :-2] + standard[..., 1:-1, 2:])
    values["roughness"] = np.log10(np.sqrt(np.square(laplacian).mean((2, 3))) + 1e-9)
    side, radius, from_first = _lengths(x.shape[-1], shortest_g)
    gap = (radius > 0.52) & (from_first > 0.52) & (np.abs(side[:, None]) <= 0.36 * shortest_g) & (
        np.abs(side) < shortest_g)
    for name, disk in {"direct_disk": radius < 0.4, "first_disk": from_first < 0.3}.items():
        seen = canonical and gap.any() and disk.any()
        values[name] = x[..., disk].mean(-1) - x[..., gap].mean(-1) if seen else np.zeros(x.shape[:2])
    return np.stack([values[name] for name in CHECKS], axis=-1)


def _lengths(size: int, shortest_g: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places of pixels along one side [size], in pixels; in shortest g, distances [size, size] from the middle and from
    the nearer of the first disks at +-x."""
    side = np.arange(size) - size / 2 + 0.5
    x, y = side[None, :] / shortest_g, side[:, None] / shortest_g
    return side, np.hypot(x, y), np.hypot(np.abs(x) - 1, y)


def _centred(x: np.ndarray, shift_pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut shift_pixels off every edge of x [N, 3, H, W], about the centre that makes it most like its half turn.

    Also how unlike they remain: 1 - correlation, [N, 3].
    """
    size, span = x.shape[-1] - 2 * shift_pixels, range(2 * shift_pixels + 1)
    best, least = np.full((*x.shape[:2], size, size), np.nan), np.full(x.shape[:2], np.inf)
    for row in span:
        for column in span:
            cut = x[..., row:row + size, column:column + size]
            standard = cut - cut.mean((2, 3), keepdims=True)
            variance = np.square(standard).mean((2, 3))
            unlike = 1 - (standard * standard[..., ::-1, ::-1]).mean((2, 3)) / (variance + 1e-9)
            better = unlike < least
            least[better], best[better] = unlike[better], cut[better]
    return best, least


@dataclass(frozen=True, eq=False)
class Plausibility:
    """The range of each check over training: low, high, float64 [C]; shift_pixels: as they were measured."""

    low: np.ndarray
    high: np.ndarray
    shift_pixels: int

    @property
    def checks(self) -> dict[str, tuple[str, str]]:
        """Those that were measured: of patterns or of curves, told by their number."""
        return CHECKS if len(self.low) == len(CHECKS) else CURVE_CHECKS

    @classmethod
    def fit(cls, measured: Float[np.ndarray, "N P C"], shift_pixels: int) -> "Plausibility":
        """Take the range over training patterns; the offset may be as large as shift_pixels at least."""
        low, high = np.quantile(measured.reshape(-1, measured.shape[-1]), RANGE_QUANTILES, axis=0)
        margin = np.maximum(MARGIN * (high - low), SMALLEST_WIDTH)
        range_ = cls(low - margin, high + margin, shift_pixels)
        for place, name in enumerate(range_.checks):
            if name in NEVER_TOO_SMALL:
                range_.high[place] = max(range_.high[place], shift_pixels) if name == "offset" else range_.high[place]
                range_.low[place] = -range_.high[place]
        return range_

    def excursion(self, measured: Float[np.ndarray, "N P C"]) -> Float[np.ndarray, "N P C"]:
        """Distance from the middle of the range, in halves of its width; above 1, and infinite for NaN, is outside."""
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        return np.nan_to_num(np.abs(measured - middle) / half, nan=np.inf, posinf=np.inf)

    def complaints(self, measured: Float[np.ndarray, "P C"]) -> list[str]:
        """Say what is out of range in one stack: one sentence a check, of its worst pattern."""
        outside = self.excursion(measured[None])[0]
        sentences = []
        for place, (name, meaning) in enumerate(self.checks.values()):
            pattern = int(outside[:, place].argmax())
            if outside[pattern, place] > 1:
                sentences.append(f"{meaning} (pattern {pattern + 1}: {name} {measured[pattern, place]:.3g}, in "
                                 f"training {self.low[place]:.3g} to {self.high[place]:.3g})")
        return sentences

    def state(self) -> dict[str, Any]:
        """Return plain values for a checkpoint."""
        return {"shift_pixels": self.shift_pixels, "ranges": {
            name: [float(self.low[place]), float(self.high[place])] for place, name in enumerate(self.checks)}}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Plausibility":
        """Rebuild it from `state()`."""
        checks = CHECKS if set(CHECKS) <= set(state["ranges"]) else CURVE_CHECKS
        low, high = np.array([state["ranges"][name] for name in checks], dtype=np.float64).T
        return cls(low, high, int(state["shift_pixels"]))
