"""The classifier network: a small residual CNN, stack -> features -> logits, in which no layer mixes samples."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from classifier.config import Config
from classifier.errors import InputError


class ModelConfig(Config):
    """widths: channels of each stage, every stage at half the side of the one before (the first at half the input's);
    blocks: residual blocks a stage; groups: groups of the normalisation; dropout: share of features dropped."""

    # Bounds, so that a forged checkpoint cannot ask for a network without end.
    widths: Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(max_length=16)]
    blocks: Annotated[int, Field(ge=0, le=64)]
    groups: Annotated[int, Field(ge=1)]
    dropout: Annotated[float, Field(ge=0, lt=1)]


class StackClassifier(nn.Module):
    """Stacks x [B, C, H, W] to logits [B, K]; H and W must halve evenly once for every stage."""

    def __init__(self, config: ModelConfig, *, classes: int, size_pixels: int, channels: int = 3) -> None:
        super().__init__()
        if size_pixels % 2 ** len(config.widths) or any(width % config.groups for width in config.widths):
            raise InputError(source="model", rule="widths must be multiples of groups, and the side must halve evenly "
                             "once for each", value=f"widths {config.widths}, groups {config.groups}, "
                             f"{size_pixels} pixels", remedy="Change widths, groups or view.size_pixels.")
        stages: list[nn.Module] = []
        before = channels
        for width in config.widths:
            stages.append(nn.Conv2d(before, width, 4, stride=2, padding=1))
            stages.extend(ResidualBlock(width, config.groups) for _ in range(config.blocks))
            before = width
        self.body = nn.Sequential(*stages)
        self.norm = nn.GroupNorm(config.groups, before)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(2 * before, classes)
        nn.init.zeros_(self.head.bias)

    def features(self, x: Tensor) -> Tensor:
        """Features float32 [B, F] of stacks x [B, C, H, W]: mean and maximum of the last stage over pixels."""
        h = F.relu(self.norm(self.body(x.contiguous(memory_format=torch.channels_last))))
        # A weak reflection that should be absent tells a group from another: a mean alone would drown it.
        return torch.cat([h.mean((2, 3)), h.amax((2, 3))], dim=1).float()

    def forward(self, x: Tensor) -> Tensor:
        """Logits float32 [B, K] of stacks x [B, C, H, W]; the head is computed in float32 under autocast too."""
        features = self.dropout(self.features(x))
        with torch.autocast(features.device.type, enabled=False):
            return self.head(features)


class ResidualBlock(nn.Module):
    """h + f(h) at one width, f = two normalised 3x3 convolutions, the last of them zero at the start."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.GroupNorm(groups, width), nn.GroupNorm(groups, width)
        self.conv_1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.conv_2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        nn.init.zeros_(self.conv_2.weight)

    def forward(self, h: Tensor) -> Tensor:
        """h [B, width, H, W] -> the same shape."""
        return h + self.conv_2(F.relu(self.norm_2(self.conv_1(F.relu(self.norm_1(h))))))
