"""What the instrument makes of a pair: one matrix for all distances, of a range of scattering vectors that ends.

A pair at distance d whose distance varies by the variance v adds (w / d) exp(-v Q^2 / 2) sin(Q d) to F(Q), as Debye's
formula says of atoms that vibrate, and G(r) = 2 / pi times the integral of F(Q) sin(Q r) up to q_most.
"""

from functools import lru_cache
from math import pi

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cbedgan.crystal.vibration import GREATEST_B, LEAST_B
from cbedgan.simulate.pdf.pdf_config import PdfConfig

NODE_ANGSTROM = 0.6 / 23.0  # between distances of the table, in angstrom, for q_most = 23
BEYOND_ANGSTROM = 4.0  # so far beyond the axis pairs still count, less and less
VARIANCES = 8  # of the table, where atoms differ


def farthest_angstrom(config: PdfConfig) -> float:
    """Up to which distance pairs count."""
    return config.most_angstrom + BEYOND_ANGSTROM


def node_angstrom(config: PdfConfig) -> float:
    """Step of the table's distances, which begin at 0."""
    return NODE_ANGSTROM * 23.0 / config.q_most


def table_variances(config: PdfConfig) -> Float[np.ndarray, " V"]:
    """Variances of distances in angstrom^2 without correlation: Chebyshev's nodes of the range of the elements'."""
    if config.vibration != "by_element":
        return np.array([2 * config.vibration])
    least, most = (2 * b / (8 * pi**2) for b in (LEAST_B, GREATEST_B))
    nodes = np.cos(pi * (np.arange(VARIANCES) + 0.5) / VARIANCES)
    return (least + most) / 2 + (most - least) / 2 * nodes


def damping(r: Float[np.ndarray, "*any"], config: PdfConfig) -> Float[np.ndarray, "*any"]:
    """By how much the instrument's resolution lets G(r) fall; r in angstrom."""
    return np.exp(-0.5 * (config.q_damp * r)**2)


@lru_cache(maxsize=4)
@torch.inference_mode(False)  # what is kept serves gradients too, whoever asks first
def termination(config: PdfConfig, dtype: torch.dtype) -> Float[Tensor, "V R L"]:
    """G(r) of a pair of weight 1 at each distance of the table.

    Parameters
    ----------
    config : of the function
    dtype : of the result
    """
    r, far = config.r_angstrom(), farthest_angstrom(config)
    distance = np.arange(0, far + 4 * node_angstrom(config), node_angstrom(config))
    distance[0] = distance[1]  # no pair is there
    points = 400 + int(config.q_most * (far + config.most_angstrom) / 2)  # a period has four points or more
    place, weight = np.polynomial.legendre.leggauss(points)
    q, weight = config.q_most * (place + 1) / 2, weight * config.q_most / 2
    lightly = np.clip((far - distance) / (BEYOND_ANGSTROM - 0.5), 0, 1)
    before = damping(distance, config) * np.sin(lightly * pi / 2)**2 / distance
    waves = np.sin(np.outer(distance, q)) * (2 / pi * weight)
    after = np.sin(np.outer(q, r))
    width = config.variance_share(distance)[:, None] * q**2 / 2
    return torch.from_numpy(np.stack([(before[:, None] * waves * np.exp(-variance * width)) @ after
                                      for variance in table_variances(config)])).to(dtype)


def variance_weights(variance: Float[Tensor, "*any"], config: PdfConfig) -> Float[Tensor, "*any V"]:
    """Lagrange's weights of the table's variances at others."""
    nodes = table_variances(config)
    variance = variance.clamp(min(nodes), max(nodes)) if len(nodes) > 1 else variance
    weights = [torch.stack([(variance - other) / (node - other) for j, other in enumerate(nodes) if j != k] or
                           [torch.ones_like(variance)]).prod(0) for k, node in enumerate(nodes)]
    return torch.stack(weights, -1)
