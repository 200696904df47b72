"""The exponential moving average of the generator: the only generator that leaves the training."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def ema_decay(images_seen: int, *, batch: int, half_life_images: float, ramp_up: float) -> float:
    """Share of the old average that stays after a step of `batch` images.

    A weight fades to one half within min(half_life_images, ramp_up * images_seen) images: early on the average
    forgets the untrained networks fast. decay = 0.5^(batch / half-life); 0 at the very start.
    """
    half_life = min(half_life_images, ramp_up * images_seen)
    return 0.5 ** (batch / half_life) if half_life > 0 else 0.0


@torch.no_grad()
def update_ema(average: nn.Module, current: nn.Module, decay: float, skipped: Tensor) -> None:
    """Move the parameters of `average` towards those of `current`, in float32 and in place; buffers are copied.

    skipped: 0-d, 1.0 where `current` did not take its step: then the average stays as well.
    """
    kept, new = list(average.parameters()), list(current.parameters())
    torch._foreach_lerp_(kept, new, [(1 - decay) * (1 - skipped)] * len(new))
    for kept, new in zip(average.buffers(), current.buffers(), strict=True):
        kept.copy_(new)
