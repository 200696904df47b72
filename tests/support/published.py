"""What the published sets hold: the one sample that the documentation prints, and a complete way to prepare it."""

from typing import Any

import numpy as np

EXAMPLE: dict[str, Any] = {
    "space_group": np.bytes_("2"), "material": np.bytes_("mp-763064"), "energy_keV": 100, "formula": "Fe8 O14 F2",
    "z_dirs": np.array([[[1, 1, 0], [1, -1, 1], [-1, 1, 3]]]),
    "y_dirs": np.array([[[-1.33333333, 1, -1], [0.66666667, 0, 1], [-0.66666667, 0, -1]]]),
    "semi_angles_rad": np.array([0.00276776, 0.0028678, 0.00367309]),
    "d_hkls_angstrom": np.array([3.34336566, 3.22673953, 2.51930512]),
    "abc_angstrom": np.array([4.6456035, 7.54737513, 7.59231027]),
    "angles_degree": np.array([75.75270737, 91.58467769, 89.08634999])}


def preparation(source_size: int, size: int, *, calibrated: bool = True, policies: dict[str, Any] | None = None,
                **reduction: Any) -> dict[str, Any]:
    """Content of a configuration; calibrated: the inner half of patterns of 0.01 1/angstrom a pixel, or else all."""
    window = {"source_pixel_size_inv_angstrom": 0.01, "half_width_inv_angstrom": source_size / 400} if calibrated else {
        "source_pixel_size_inv_angstrom": "unknown", "half_width_inv_angstrom": "all"}
    return {"on_unreadable_file": "report", "thickness_angstrom": "unknown", "mantissa_bits": 23, **(policies or {}),
            "reduction": {"source_size_pixels": source_size, **window, "pose": "raw", "size_pixels": size,
                          "shortest_g_pixels": 8.0, "visible": 0.02, "tie": 0.02, "least_explained_share": 0.5,
                          "on_partial_nan": "skip", "on_negative": "skip", **reduction}}
