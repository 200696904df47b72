"""The shape of a cell: axial ratios and angles like those of a known crystal of the lattice type."""

import numpy as np
from jaxtyping import Float

from cbedgan.crystal.natural.nature import nature

SPREAD = 0.08  # of the logarithm of an axial ratio round a known one, and of the cosine of an angle times two
BROAD = 0.35  # of the logarithm of a free ratio where no crystal of the lattice type is known
LIKE = {"oF": "oI", "oI": "oP", "oC": "oP", "mP": "mC", "tI": "tP"}  # looked at too, where fewer than FEW are known
FEW = 8
AS_MANY = 0.4  # logarithm of the ratio of numbers of atoms, within which known crystals count most


def draw_shape(lattice_type: str, n_atoms: int, generator: np.random.Generator
               ) -> tuple[Float[np.ndarray, " 3"], Float[np.ndarray, " 3"]]:
    """Draw axes (of unit product) and cosines of the angles for a type such as "tI" (family and centring).

    n_atoms: of the primitive cell; crystals with about as many are followed.
    """
    known = list(nature().shapes.get(lattice_type, []))
    if len(known) < FEW:
        known += nature().shapes.get(LIKE.get(lattice_type, ""), [])
    family = lattice_type[0]
    shape = np.zeros(5)
    if known:
        table = np.array(known)
        weight = np.exp(-(np.log(table[:, 5] / n_atoms) / AS_MANY) ** 2 / 2) + 1e-3
        shape = table[int(generator.choice(len(known), p=weight / weight.sum())), :5]
    shape = shape + generator.standard_normal(5) * [SPREAD if known else BROAD] * np.array([1, 1, 0.5, 0.5, 0.5])
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
