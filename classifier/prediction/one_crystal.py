"""Whether the three patterns of a stack are of one crystal: a small network, taught by stacks that were mixed up."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from classifier.network.azimuthal_features import (
    BANDS,
    FOLDS,
    LINES,
    ORDERS,
    QUANTILES,
    RINGS,
    azimuthal_features,
    ranked,
)
from classifier.pattern.disk_distances import DiskDistances, disk_distances, shared_distances

COMPONENTS = 32  # of the description of a pattern, after its principal components
HIDDEN = 48
AT_ONCE = 128  # stacks described together
DROPOUT = 0.3
PLAIN, SHARES = RINGS + BANDS + 1, ORDERS + len(FOLDS) + LINES  # of azimuthal features: each band has so many shares
SHARED = 12  # of three pairs of patterns, see shared_distances


class Patterns(NamedTuple):
    """What single patterns show, [N, 3, ...]: a description [F], their disks, and |g1| in 1/angstrom as recorded."""

    alone: Tensor
    disks: DiskDistances
    shortest_g: Tensor

    @classmethod
    def of(cls, x: Float[Tensor, "N 3 S S"], intensity: Float[Tensor, "N 3 S S"], shortest_g: Float[Tensor, "N 3"], *,
           shortest_g_pixels: float) -> "Patterns":
        """Describe stacks in canonical pose.

        The description is the radial profile and how much of each band turns and mirror lines forbid (the mean over a
        line and its mirror image in x: neither mirrors nor half turns of a stack change anything), intensity, |g1|.

        Parameters
        ----------
        x, intensity : normalised and physical
        shortest_g : |g1| of each pattern in 1/angstrom, as recorded
        shortest_g_pixels : |g1| in pixels, the same for all
        """
        features = azimuthal_features(x)
        plain, shares, _ = features.split([PLAIN, (BANDS + 1) * SHARES, BANDS * ORDERS], -1)
        shares = shares.unflatten(-1, (BANDS + 1, SHARES))
        lines = shares[..., -LINES:]
        lines = (lines + lines.flip(-1).roll(1, -1)) / 2
        brightness = intensity.sum((-1, -2)).clamp(min=1e-30).log10()
        alone = torch.cat([plain, shares[..., :-LINES].flatten(-2), lines.flatten(-2), brightness[..., None],
                           shortest_g.log()[..., None]], -1)
        return cls(alone, disk_distances(intensity, shortest_g_pixels=shortest_g_pixels), shortest_g)

    @classmethod
    def concatenate(cls, several: "Sequence[Patterns]") -> "Patterns":
        """Put patterns of several stacks under each other."""
        alone, disks, shortest_g = zip(*several, strict=True)
        return cls(torch.cat(alone), DiskDistances(*map(torch.cat, zip(*disks, strict=True))), torch.cat(shortest_g))

    def taken(self, rows: Tensor) -> "Patterns":
        """Stacks whose three patterns come from the rows int64 [M, 3], each from its own place."""
        place = torch.arange(3)
        return Patterns(self.alone[rows, place], DiskDistances(*(each[rows, place] for each in self.disks)),
                        self.shortest_g[rows, place])

    def compared(self) -> tuple[Float[Tensor, "N 3 F"], Float[Tensor, "N 12"]]:
        """The descriptions by ascending |g1|, so that no order counts, and what each two of them share."""
        order, rows = self.shortest_g.argsort(dim=1, stable=True), torch.arange(len(self.alone))[:, None]
        disks = DiskDistances(*(each[rows, order] for each in self.disks))
        return self.alone[rows, order], shared_distances(disks, self.shortest_g[rows, order]).flatten(1)


class Comparison(nn.Module):
    """Ranks of what each pattern shows [B, 3, F] and what pairs share [B, 12] to [B]: above 0, rather mixed up."""

    mean: Tensor
    components: Tensor
    quantiles: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("quantiles", torch.linspace(-1, 1, QUANTILES).repeat(features, 1))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("components", torch.zeros(features, COMPONENTS))
        self.each = nn.ModuleList([nn.Linear(COMPONENTS + 1, HIDDEN) for _ in range(3)])
        self.dropout = nn.Dropout(DROPOUT)
        self.together = nn.Sequential(nn.Linear(9 * HIDDEN + SHARED, HIDDEN), nn.SiLU(), nn.Dropout(DROPOUT),
                                      nn.Linear(HIDDEN, 1))

    def fit_scale(self, alone: Tensor) -> None:
        """Take quantiles and principal components from training patterns [N, 3, F]."""
        flat = alone.flatten(0, 1)
        self.quantiles.copy_(torch.quantile(flat, torch.linspace(0, 1, QUANTILES), dim=0).T)
        ranks = ranked(flat, self.quantiles)[:, :-1].double()
        values, vectors = torch.linalg.eigh(torch.cov(ranks.T))
        self.mean[:-1] = ranks.mean(0).float()
        self.components[:-1] = (vectors[:, -COMPONENTS:] / values[-COMPONENTS:].clamp(min=1e-6).sqrt()).float()

    def scaled(self, alone: Tensor) -> Tensor:
        """Principal components [N, 3, COMPONENTS + 1] of ranks, of variance 1, and the rank of |g1| itself."""
        ranks = ranked(alone.flatten(0, 1), self.quantiles)
        return torch.cat([(ranks - self.mean) @ self.components, ranks[:, -1:] * math.sqrt(3)], 1).unflatten(0, (-1, 3))

    def of(self, patterns: Patterns) -> np.ndarray:
        """What it says of stacks, float64 [N], in evaluation mode."""
        with torch.inference_mode():
            alone, shared = patterns.compared()
            return self.eval()(self.scaled(alone), shared).numpy().astype(np.float64)

    def forward(self, scaled: Tensor, shared: Tensor) -> Tensor:
        hidden = [layer(scaled[:, place]) for place, layer in enumerate(self.each)]
        pairs = [(hidden[i], hidden[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
        seen = torch.cat([*(F.silu(h) for h in hidden), *(a * b for a, b in pairs), *((a - b).abs() for a, b in pairs)],
                         1)
        return self.together(torch.cat([self.dropout(seen), shared], 1))[:, 0]


@dataclass(frozen=True, eq=False)
class OneCrystal:
    """Tells mixed-up stacks in canonical pose whose |g1| are recorded; threshold: of what Comparison says."""

    comparison: Comparison
    threshold: float

    def excess(self, x: Float[Tensor, "N 3 S S"], intensity: Float[Tensor, "N 3 S S"],
               shortest_g: Float[np.ndarray, "N 3"], *, shortest_g_pixels: float) -> Float[np.ndarray, " N"]:
        """How far a stack looks mixed up beyond the threshold, float64: above 0 it is refused; NaN: unknown |g1|.

        Parameters
        ----------
        x, intensity, shortest_g, shortest_g_pixels : see Patterns.of
        """
        known = np.flatnonzero((np.isfinite(shortest_g) & (shortest_g > 0)).all(axis=1))
        excess = np.full(len(x), np.nan)
        for start in range(0, len(known), AT_ONCE):
            part = known[start:start + AT_ONCE]
            seen = Patterns.of(x[part].cpu(), intensity[part].cpu(), torch.from_numpy(shortest_g[part]).float(),
                               shortest_g_pixels=shortest_g_pixels)
            excess[part] = self.comparison.of(seen) - self.threshold
        return excess

    def state(self) -> dict[str, Any]:
        """Return plain values and tensors for a checkpoint."""
        return {"threshold": self.threshold, "comparison": self.comparison.state_dict()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "OneCrystal":
        """Rebuild it from `state()`; what does not fit is a ValueError."""
        comparison = Comparison(len(state["comparison"]["mean"]))
        try:
            comparison.load_state_dict(state["comparison"])
        except RuntimeError as error:
            raise ValueError(str(error)) from None
        if not np.isfinite(state["threshold"]):
            raise ValueError(f"threshold {state['threshold']}")
        return cls(comparison.eval().requires_grad_(False), float(state["threshold"]))
