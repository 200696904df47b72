"""The shape of a cell: axial ratios and angles like those of a known crystal of the lattice type."""

import numpy as np
from jaxtyping import Float

from cbedgan.crystal.natural.nature import nature

SPREAD = 0.12  # of the logarithm of an axial ratio round a known one, and of the cosine of an angle times two
BROAD = 0.35  # of the logarithm of a free ratio where no crystal of the lattice type is known
LIKE = {"oF": "oI", "oI": "oP", "oC": "oP", "mP": "mC", "tI": "tP"}  # looked at too, where fewer than FEW are known
FEW = 8


def draw_shape(lattice_type: str, generator: np.random.Generator) -> tuple[Float[np.ndarray, " 3"],
                                                                         Float[np.ndarray, " 3"]]:
    """Draw axes [3] (unit volume) and cosines [3] of the angles for a type such as "tI" (family and centring)."""
    known = list(nature().shapes.get(lattice_type, []))
    if len(known) < FEW:
        known += nature().shapes.get(LIKE.get(lattice_type, ""), [])
    family = lattice_type[0]
    shape = np.array(known[int(generator.integers(len(known)))]) if known else np.zeros(5)
    shape += generator.standard_normal(5) * [SPREAD if known else BROAD] * np.array([1, 1, 0.5, 0.5, 0.5])
    ratios, cosines = np.concatenate([[0.0], shape[:2]]), np.clip(shape[2:], -0.6, 0.6)
    if family != "a":
        cosines[[0, 2]] = 0
    if family in "othc":
        cosines[1] = 0
    if family in "thc":
        ratios[1] = 0
    if family == "h":
        cosines[2] = -0.5
    if family == "c":
        ratios[2] = 0
    ratios -= ratios.mean()
    return np.exp(ratios), cosines
