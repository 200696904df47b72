"""Physical intensity <-> x for networks: one fixed, invertible scale for a data set, fitted on its train part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from classifier.config import Config
from classifier.errors import InputError

Stacks = TypeVar("Stacks", np.ndarray, Tensor)

# A ring's spread is never taken below this share of the widest ring's, so that empty rings stay quiet.
RING_STD_SHARE = 0.05


class IntensityConfig(Config):
    """transform: "log" compresses as log(1 + I / floor), "fourth_root" as (I + floor)^(1/4).

    floor: intensity (in the file's unit) below which the transform is linear, so that zeros stay finite.
    per_radius: centre and scale every ring of pixels around the direct beam by its own mean and spread.
    """

    transform: Literal["log", "fourth_root"]
    floor: float
    per_radius: bool


@dataclass(frozen=True)
class IntensityTransform:
    """Fixed map between intensity >= 0 and x, of about [-1, 1]; x = -1 is zero intensity unless per_radius.

    config: the rule; high: compressed value of the largest training intensity;
    mean, std: float32 [R] over rings of one pixel width around the centre, or None without per_radius.
    """

    config: IntensityConfig
    high: float
    mean: Tensor | None = None
    std: Tensor | None = None

    @classmethod
    def fit(cls, intensity: np.ndarray | Tensor, config: IntensityConfig) -> IntensityTransform:
        """Fit the scale on training stacks [N, 3, H, W] of physical intensity; nothing else may be shown to it."""
        if config.floor <= 0:
            raise InputError(source="intensity.floor", rule="must be positive", value=config.floor,
                             remedy="Give an intensity a little above the weakest that should count.")
        stacks = torch.as_tensor(intensity)
        peak = stacks.max()
        if not torch.isfinite(peak) or peak <= 0:
            raise InputError(source="training stacks", rule="must be finite with some intensity above zero",
                             value=f"a maximum of {float(peak)}", remedy="Look for damaged or empty stacks.")
        plain = cls(config, float(_compress(peak.double(), config)))
        if not config.per_radius:
            return plain
        x = plain.normalise(stacks)
        ring = _rings(x.shape[-2], x.shape[-1])
        pixels = torch.bincount(ring.flatten()).double() * x.shape[0] * x.shape[1]
        mean = _ring_sums(x.sum((0, 1), dtype=torch.float64), ring) / pixels
        variance = _ring_sums((x - mean[ring].float()).square().sum((0, 1), dtype=torch.float64), ring) / pixels
        std = variance.sqrt()
        return cls(config, plain.high, mean.float(), std.clamp(min=float(std.max()) * RING_STD_SHARE).float())

    def normalise(self, intensity: Stacks) -> Stacks:
        """Intensity [..., H, W] to x of the same shape; negative values count as zero; differentiable in torch."""
        if isinstance(intensity, np.ndarray):
            return self.normalise(torch.from_numpy(intensity)).numpy()
        x = _compress(intensity.clamp(min=0), self.config) * (2 / self.high) - 1
        if self.mean is None or self.std is None:
            return x
        mean, std = self._maps(x)
        return (x - mean) / (3 * std)

    def denormalise(self, x: Stacks) -> Stacks:
        """x [..., H, W] back to intensity, the inverse of `normalise`; x below zero intensity gives zero.

        In float32 the relative error against (I + floor) stays below 1e-5.
        """
        if isinstance(x, np.ndarray):
            return self.denormalise(torch.from_numpy(x)).numpy()
        if self.mean is not None and self.std is not None:
            mean, std = self._maps(x)
            x = x * (3 * std) + mean
        return _expand((x + 1) * (self.high / 2), self.config).clamp(min=0)

    def state(self) -> dict[str, Any]:
        """Return plain values and tensors for a checkpoint; `from_state` restores the transform."""
        return {**self.config.model_dump(), "high": self.high, "mean": self.mean, "std": self.std}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> IntensityTransform:
        """Rebuild the transform from `state()`."""
        config = IntensityConfig(transform=state["transform"], floor=state["floor"], per_radius=state["per_radius"])
        return cls(config, state["high"], state["mean"], state["std"])

    def _maps(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Ring mean and spread spread out to pixels, two tensors [H, W] on the device of x."""
        ring = _rings(x.shape[-2], x.shape[-1])
        if int(ring.max()) >= len(self.mean):
            raise InputError(source="stack", rule=f"must have the {len(self.mean)} rings the transform was fitted on",
                             value=f"{int(ring.max()) + 1} rings", remedy="Bring it to the training view first.")
        return self.mean[ring].to(x.device, x.dtype), self.std[ring].to(x.device, x.dtype)


def _compress(intensity: Tensor, config: IntensityConfig) -> Tensor:
    if config.transform == "log":
        return torch.log1p(intensity / config.floor)
    return (intensity + config.floor).sqrt().sqrt() - config.floor**0.25


def _expand(y: Tensor, config: IntensityConfig) -> Tensor:
    if config.transform == "log":
        return config.floor * torch.expm1(y)
    # Written without the difference root^4 - floor, which would cancel for weak intensities.
    root = config.floor**0.25
    return y * (y + 2 * root) * (y * (y + 2 * root) + 2 * root * root)


def _rings(height: int, width: int) -> Tensor:
    """Number of the ring, int64 [H, W], that holds each pixel: its distance from the centre, rounded down to pixels."""
    rows = torch.arange(height) - (height - 1) / 2
    columns = torch.arange(width) - (width - 1) / 2
    return torch.hypot(rows[:, None], columns[None, :]).long()


def _ring_sums(values: Tensor, ring: Tensor) -> Tensor:
    return torch.zeros(int(ring.max()) + 1, dtype=values.dtype).index_add_(0, ring.flatten(), values.flatten())
