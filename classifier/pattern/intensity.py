"""Physical intensity <-> x for networks: one fixed, invertible scale for a data set, fitted on its train part."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from classifier.foundation.config import Config
from classifier.foundation.errors import InputError

Stacks = TypeVar("Stacks", np.ndarray, Tensor)
BLOCK_BYTES = 1 << 26  # of the stacks that are worked on at a time
RING_STD_SHARE = 0.05  # of the widest ring's spread: the least that a ring has, so that empty ones stay quiet


class IntensityConfig(Config):
    """transform: "log" compresses as log(1 + I / floor), "fourth_root" as (I + floor)^(1/4), "linear" not at all.

    floor: intensity (in the file's unit) below which the transform is linear, so that zeros stay finite.
    per_radius: centre and scale every ring of pixels around the direct beam by its own mean and spread.
    """

    transform: Literal["log", "fourth_root", "linear"] = "log"
    floor: float = 1e-6  # for shares of the incident beam
    per_radius: bool = False


def stacks_at_once(shape: Sequence[int]) -> int:
    """How many float32 stacks of `shape` [3, H, W] make a block that memory always has room for."""
    return max(1, BLOCK_BYTES // (4 * math.prod(shape)))


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
    def fit(cls, intensity: np.ndarray | Tensor, config: IntensityConfig) -> "IntensityTransform":
        """Fit the scale on training samples [N, C, *spatial] of physical intensity; nothing else may be shown to it."""
        stacks = torch.as_tensor(intensity)
        return cls.fit_blocks(lambda: stacks.split(stacks_at_once(stacks.shape[1:])), config)

    @classmethod
    def fit_blocks(cls, blocks: Callable[[], Iterable[np.ndarray | Tensor]], config: IntensityConfig
                   ) -> "IntensityTransform":
        """Fit the scale on training stacks that blocks() gives anew each time, as [n, 3, H, W] in turn."""
        if config.floor <= 0:
            raise InputError(source="intensity.floor", rule="must be positive", value=config.floor,
                             remedy="Give an intensity a little above the weakest that should count.")
        peaks = [torch.as_tensor(block).max() for block in blocks() if len(block)]
        peak = torch.stack(peaks).max() if peaks else torch.tensor(0.0)
        if not torch.isfinite(peak) or peak <= 0:
            raise InputError(source="training stacks", rule="must be finite with some intensity above zero",
                             value=f"a maximum of {float(peak)}", remedy="Look for damaged or empty stacks.")
        if not torch.isfinite(_compress(peak.float(), config)):
            raise InputError(source="training stacks", rule="must be within what float32 holds of the scale's floor",
                             value=f"a maximum of {float(peak):.3g}, a floor of {config.floor:.3g}",
                             remedy="Look for damaged stacks, or raise intensity.floor.")
        plain = cls(config, float(_compress(peak.double(), config)))
        if not config.per_radius:
            return plain
        mean = _ring_mean(plain.normalise(torch.as_tensor(block)) for block in blocks())
        std = _ring_mean((x - mean[_rings(*x.shape[-2:])].float()).square()
                         for x in (plain.normalise(torch.as_tensor(block)) for block in blocks())).sqrt()
        return cls(config, plain.high, mean.float(), std.clamp(min=float(std.max()) * RING_STD_SHARE).float())

    def normalise(self, intensity: Stacks) -> Stacks:
        """Intensity [..., H, W] to x of the same shape; negative values count as zero; differentiable in torch."""
        if isinstance(intensity, np.ndarray):
            return self.normalise(torch.from_numpy(intensity)).numpy()
        x = _compress(intensity.clamp(min=0), self.config) * (2 / self.high) - 1
        if self.mean is None or self.std is None:
            return x
        return (x - _on_pixels(self.mean, x)) / (3 * _on_pixels(self.std, x))

    def denormalise(self, x: Stacks) -> Stacks:
        """x [..., H, W] back to intensity, zero at least; in float32 to a relative error of 1e-5 of (I + floor)."""
        if isinstance(x, np.ndarray):
            return self.denormalise(torch.from_numpy(x)).numpy()
        if self.mean is not None and self.std is not None:
            x = x * (3 * _on_pixels(self.std, x)) + _on_pixels(self.mean, x)
        return _expand((x + 1) * (self.high / 2), self.config).clamp(min=0)

    def state(self) -> dict[str, Any]:
        """Return plain values and tensors for a checkpoint; `from_state` restores the transform."""
        return {**self.config.model_dump(), "high": self.high, "mean": self.mean, "std": self.std}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "IntensityTransform":
        config = IntensityConfig(transform=state["transform"], floor=state["floor"], per_radius=state["per_radius"])
        return cls(config, state["high"], state["mean"], state["std"])

    def plain(self) -> dict[str, Any]:
        """The state as JSON content, exact to the bit; `from_plain` restores the transform."""
        return {name: value.tolist() if isinstance(value, Tensor) else value for name, value in self.state().items()}

    @classmethod
    def from_plain(cls, content: dict[str, Any]) -> "IntensityTransform":
        return cls.from_state({name: torch.tensor(value, dtype=torch.float32) if isinstance(value, list) else value
                               for name, value in content.items()})


def _on_pixels(ring_values: Tensor, x: Tensor) -> Tensor:
    """The value [R] of each ring at its pixels, [H, W], on the device of x [..., H, W]."""
    ring = _rings(x.shape[-2], x.shape[-1])
    if int(ring.max()) >= len(ring_values):
        raise InputError(source="stack", rule=f"must have the {len(ring_values)} rings the transform was fitted on",
                         value=f"{int(ring.max()) + 1} rings", remedy="Bring it to the training view first.")
    return ring_values[ring].to(x.device, x.dtype, non_blocking=True)


def _compress(intensity: Tensor, config: IntensityConfig) -> Tensor:
    if config.transform == "log":
        return torch.log1p(intensity / config.floor)
    if config.transform == "linear":
        return intensity
    return (intensity + config.floor).sqrt().sqrt() - config.floor**0.25


def _expand(y: Tensor, config: IntensityConfig) -> Tensor:
    if config.transform == "log":
        return config.floor * torch.expm1(y)
    if config.transform == "linear":
        return y
    # Written without the difference root^4 - floor, which would cancel for weak intensities.
    root = config.floor**0.25
    return y * (y + 2 * root) * (y * (y + 2 * root) + 2 * root * root)


def _rings(height: int, width: int) -> Tensor:
    """Number of the ring, int64 [H, W], that holds each pixel: its distance from the centre, rounded down to pixels."""
    rows = torch.arange(height) - (height - 1) / 2
    columns = torch.arange(width) - (width - 1) / 2
    return torch.hypot(rows[:, None], columns[None, :]).long()


def _ring_mean(blocks: Iterable[Tensor]) -> Tensor:
    """Mean of blocks [n, 3, H, W] over samples, patterns and each ring's pixels, float64 [R]."""
    total, count = torch.zeros(()), 0
    for block in blocks:
        total, count = total + block.sum((0, 1), dtype=torch.float64), count + block.shape[0] * block.shape[1]
    if total.dim() != 2:
        raise InputError(source="intensity.per_radius", rule="is for patterns, which have rings around their middle",
                         value=f"samples of {total.dim()} axes", remedy="Leave it out.")
    ring = _rings(total.shape[0], total.shape[1])
    sums = torch.zeros(int(ring.max()) + 1, dtype=torch.float64).index_add_(0, ring.flatten(), total.flatten())
    return sums / (torch.bincount(ring.flatten()).double() * count)
