"""Whether patterns look as those of training did: measurements with a physical meaning, and the range of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from classifier.geometry import Detector
from classifier.intensity import IntensityTransform

# What each measurement is, and what it means when it leaves the range of training.
CHECKS: dict[str, tuple[str, str]] = {
    "total": ("log10 of the total intensity", "another intensity scale"),
    "offset": ("distance of the direct disk's centroid from the middle in pixels", "badly centred"),
    "half_turn": ("correlation with the half turn", "badly centred, or no pattern of a zone axis"),
    "contrast": ("spread of the compressed intensity", "flat, or exposed in another way"),
    "roughness": ("log10 of the Laplacian's share of the contrast", "blurred or noisy"),
    "plateau": ("share of pixels at the maximum", "saturated or constant"),
    "direct_disk": ("direct disk above the gap beside the first disk", "another scale, aperture or centre"),
    "first_disk": ("first disk on +x above the gap beside it", "not in canonical pose: turned or scaled"),
}
RANGE_QUANTILES = (0.001, 0.999)  # of the training patterns
MARGIN = 0.1  # of the range's width, added at both ends
SMALLEST_WIDTH = 1e-3  # of a range, so that rounding does not leave one that had no width at all


def measure(intensity: np.ndarray, transform: IntensityTransform, detector: Detector) -> np.ndarray:
    """Measure every check on stacks [N, 3, H, W] of physical intensity, float64 [N, 3, len(CHECKS)].

    The two checks of the pose need lengths in units of the shortest g; elsewhere they are zero. The direct disk and the
    first one touch almost, in the canonical pose, halfway along +x: above and below that point lies a gap that no disk
    of the zero layer reaches, since none is nearer to these two than the shortest g.
    """
    x = replace(transform, mean=None, std=None).normalise(np.ascontiguousarray(intensity)).astype(np.float64)
    intensity = np.asarray(intensity, dtype=np.float64)
    side = np.arange(detector.size_pixels) - detector.size_pixels / 2 + 0.5
    canonical = detector.unit == "shortest_g"
    shortest_g = 1 / detector.pixel_size if canonical else detector.size_pixels / 4
    kx, ky = side[None, :] / shortest_g, side[:, None] / shortest_g
    radius, from_first = np.hypot(kx, ky), np.hypot(np.abs(kx) - 1, ky)

    total = np.maximum(intensity.sum((2, 3)), 1e-30)
    middle = intensity * (radius <= 0.5)
    centroid = np.hypot((middle * side).sum((2, 3)), (middle * side[:, None]).sum((2, 3)))
    offset = centroid / np.maximum(middle.sum((2, 3)), 1e-30)
    spread = x.std((2, 3))
    standard = (x - x.mean((2, 3), keepdims=True)) / (spread[..., None, None] + 1e-9)
    inner = standard[..., 1:-1, 1:-1]
    laplacian = 4 * inner - (standard[..., :-2, 1:-1] + standard[..., 2:, 1:-1]
                             + standard[..., 1:-1, :-2] + standard[..., 1:-1, 2:])
    found = {"total": np.log10(total), "offset": offset,
             "half_turn": (standard * standard[..., ::-1, ::-1]).mean((2, 3)), "contrast": spread,
             "roughness": np.log10(np.sqrt(np.square(laplacian).mean((2, 3))) + 1e-9),
             "plateau": (intensity >= 0.9999 * intensity.max((2, 3), keepdims=True)).mean((2, 3))}
    gap = (radius > 0.52) & (from_first > 0.52) & (np.abs(ky) <= 0.36) & (np.abs(kx) < 1)
    bright = {"direct_disk": radius < 0.4, "first_disk": from_first < 0.3}
    for name, disk in bright.items():
        seen = canonical and gap.any() and disk.any()
        found[name] = x[..., disk].mean(-1) - x[..., gap].mean(-1) if seen else np.zeros(x.shape[:2])
    return np.stack([found[name] for name in CHECKS], axis=-1)


@dataclass(frozen=True, eq=False)
class Plausibility:
    """The range of each check over training: low, high, float64 [len(CHECKS)]."""

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def fit(cls, measured: np.ndarray, *, shift_pixels: float) -> Plausibility:
        """Take the range over training patterns [N, 3, C]; shift_pixels: offset that the network learnt to bear."""
        low, high = np.quantile(measured.reshape(-1, measured.shape[-1]), RANGE_QUANTILES, axis=0)
        margin = np.maximum(MARGIN * (high - low), SMALLEST_WIDTH)
        low, high = low - margin, high + margin
        place = list(CHECKS).index("offset")
        low[place], high[place] = -high[place], max(high[place], shift_pixels)
        return cls(low, high)

    def excursion(self, measured: np.ndarray) -> np.ndarray:
        """Distance from the middle of the range, in halves of its width, float64 [N, 3, C]; above 1 is outside.

        What is not a number counts as infinitely far.
        """
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        return np.nan_to_num(np.abs(measured - middle) / half, nan=np.inf, posinf=np.inf)

    def complaints(self, measured: np.ndarray) -> list[str]:
        """Say what is out of range in one stack, measured [3, C]: one sentence a check, of its worst pattern."""
        outside = self.excursion(measured[None])[0]
        found = []
        for place, (name, meaning) in enumerate(CHECKS.values()):
            pattern = int(outside[:, place].argmax())
            if outside[pattern, place] > 1:
                found.append(f"{meaning} (pattern {pattern + 1}: {name} {measured[pattern, place]:.3g}, in training "
                             f"{self.low[place]:.3g} to {self.high[place]:.3g})")
        return found

    def state(self) -> dict[str, Any]:
        """Return {check: [low, high]} for a checkpoint."""
        return {name: [float(self.low[place]), float(self.high[place])] for place, name in enumerate(CHECKS)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Plausibility:
        """Rebuild it from `state()`."""
        low, high = np.array([state[name] for name in CHECKS], dtype=np.float64).T
        return cls(low, high)
