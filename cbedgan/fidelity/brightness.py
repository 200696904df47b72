"""Radial profile and total intensity of generated patterns against real ones, in physical units."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from cbedgan.fidelity.wasserstein import wasserstein_1

DARK = 1e-12  # of the largest value: stands in for zero where a logarithm is taken


@dataclass(frozen=True, eq=False)
class Brightness:
    """Of patterns; profile: mean intensity in rings of one pixel."""

    profile: Float[Tensor, "N C R"]
    total: Float[Tensor, "N C"]

    @classmethod
    def of(cls, intensity: Float[Tensor, "N C H W"]) -> "Brightness":
        """Sum up physical intensities."""
        height, width = intensity.shape[-2:]
        y, x = (torch.arange(size) - (size - 1) / 2 for size in (height, width))
        ring = torch.hypot(y[:, None], x[None]).long().flatten().clamp(max=min(height, width) // 2 - 1)
        mean = torch.zeros(height * width, int(ring.max()) + 1)
        mean[torch.arange(len(ring)), ring] = 1 / torch.bincount(ring)[ring]
        return cls(intensity.flatten(2) @ mean, intensity.sum((2, 3)))

    def take(self, rows: Tensor) -> "Brightness":
        """Those of some stacks."""
        return Brightness(self.profile[rows], self.total[rows])


def brightness_figures(made: Brightness, real: Brightness) -> dict[str, Any]:
    """Compare stacks of the same groups; {} where one set is empty.

    profile: mean |log10| of the ratio of mean radial profiles, over rings and patterns, in decades; total: median total
    intensity, generated over real; total_distance: Wasserstein-1 distance of log10 of the totals, in decades.
    """
    if not len(made.total) or not len(real.total):
        return {}
    mine, theirs = (one.profile.mean(0) for one in (made, real))
    dark, least = DARK * float(theirs.max()), DARK * float(real.total.max())
    return {"profile": float((mine.clamp(min=dark).log10() - theirs.clamp(min=dark).log10()).abs().mean()),
            "total": float(made.total.median() / real.total.median().clamp(min=least)),
            "total_distance": wasserstein_1(made.total.clamp(min=least).log10(), real.total.clamp(min=least).log10())}
