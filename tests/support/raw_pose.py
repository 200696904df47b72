"""The inverse of `to_canonical`, by which tests make raw patterns whose canonical ones are known."""

import numpy as np

from classifier.pattern.geometry import Detector, Pose, to_canonical


def to_raw(patterns: np.ndarray, detector: Detector, pose: Pose, *, shortest_g_pixels: float) -> np.ndarray:
    """Patterns [..., S, S] in canonical pose as `detector` sees them: by the inverse turn, scale and shift."""
    turn = np.exp(1j * pose.azimuth_rad) * shortest_g_pixels * detector.pixel_size / pose.length
    centre = -(pose.centre @ [1, 1j]) / detector.pixel_size * turn
    inverse = Pose(np.stack([turn.real, turn.imag], -1), np.stack([centre.real, centre.imag], -1))
    return to_canonical(patterns, Detector(patterns.shape[-1], 1.0, "pixel"), inverse,
                        size_pixels=detector.size_pixels, shortest_g_pixels=1.0)
