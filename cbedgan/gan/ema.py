"""The exponential moving average of the generator: the only generator that leaves the training."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from classifier.foundation.config import Config


class EmaConfig(Config):
    """half_life_images: of a weight in the average; ramp_up: largest half-life over the images seen."""

    half_life_images: Annotated[int, Field(ge=0)]
    ramp_up: float = 0.1


def ema_decay(images_seen: int, batch: int, config: EmaConfig) -> float:
    """Share of the old average that stays after a step of `batch` images.

    A weight fades to one half within min(half_life_images, ramp_up * images_seen) images: early on the average
    forgets the untrained networks fast. decay = 0.5^(batch / half-life); 0 at the very start.
    """
    half_life = min(config.half_life_images, config.ramp_up * images_seen)
    return 0.5 ** (batch / half_life) if half_life > 0 else 0.0


@torch.no_grad()
def update_ema(average: nn.Module, current: nn.Module, share: Tensor) -> None:
    """Move the parameters of `average` by a share (0-d) of the way to `current`, float32, in place; copy buffers."""
    slow, fast = list(average.parameters()), list(current.parameters())
    torch._foreach_lerp_(slow, fast, [share] * len(fast))  # pyright: ignore
    for buffer, current_buffer in zip(average.buffers(), current.buffers(), strict=True):
        buffer.copy_(current_buffer)
