"""The potential of a drawn crystal seen along the beam: structure factors of a few scatterers, symmetric as told."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from cbedgan.render.beams import Points


class Scatterers(NamedTuple):
    """What J scatterers in the cell of each of N patterns are, [N, J] but for the place.

    place: [N, J, 2] in units of the lattice's cell; height: in units of the repeat along the beam; amount: phase in rad
    that the whole plate gives a wave at |g| = 0; screening: |g| in |g1| at which half of the amount is left; damping:
    of the amount by exp(-damping * |g|^2).
    """

    place: Tensor
    height: Tensor
    amount: Tensor
    screening: Tensor
    damping: Tensor


def structure_factors(scatterers: Scatterers, points: Points, weight: Tensor, parity: Tensor, weakness: Tensor,
                      layering: Tensor, layers: int) -> Tensor:
    """Phase between beams that the plate gives, complex [layers, count + 1], 0 at the last point; real in space.

    A mean over the operations of a pattern with weights [N, O] that may carry a gradient, and parities [N, O] along the
    beam, -1 where what lies at a height comes to lie at its negative. weakness: [N], factor of points where only weak
    reflections lie; layering: [N], how much denser scatterers lie in the layer at their height than on average (the
    first harmonic of the potential along the beam); layers: of the crystal's repeat along it.
    """
    own = points.pattern
    q = points.length.square()[:, None]

    def of_image(values: Tensor) -> Tensor:
        return values.index_select(0, own)

    phase = 2 * math.pi * (of_image(scatterers.place) @ points.hk[..., None]).squeeze(-1)
    strength = of_image(scatterers.amount) / (1 + q / of_image(scatterers.screening).square())
    strength = strength * (-q * of_image(scatterers.damping)).exp()
    share = points.sign * weight[own, points.operation] * torch.where(points.weak, of_image(weakness), 1.0)
    strength = strength * share[:, None]
    real, imaginary = strength * phase.cos(), strength * phase.sin()
    height = 2 * math.pi * scatterers.height
    even, odd = (of_image(2 * layering[:, None] * part) for part in (height.cos(), height.sin()))
    odd = odd * parity[own, points.operation][:, None]
    found = []
    for layer in range(layers):
        angle = 2 * math.pi * layer / layers
        there = 1 + math.cos(angle) * even + math.sin(angle) * odd
        sums = (q.new_zeros(points.count + 1).index_add(0, points.point, (part * there).sum(1))
                for part in (real, imaginary))
        found.append(torch.complex(*sums))
    return torch.stack(found)
