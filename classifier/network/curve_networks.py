"""Networks for samples of one axis, x [B, C, points]: a residual one, and that of Liu et al. 2019 as printed."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from classifier.foundation.errors import InputError
from classifier.network.batch_draws import BatchDropout
from classifier.network.stack_classifier import HeadFields, StackClassifier

Width = Annotated[int, Field(ge=1, le=4096)]
LIU_KERNEL, LIU_HIDDEN = 32, 128


class CurveFields(HeadFields):
    """What all networks of curves share; curves have no views, and no pose that a network could be told."""

    dimensions: ClassVar[int] = 1

    @model_validator(mode="after")
    def _of_curves(self) -> "CurveFields":
        if self.views != "one" or self.pose_input:
            raise InputError(source="model", rule='curves have views = "one" and no pose_input',
                             value=f"views {self.views}, pose_input {self.pose_input}", remedy="Leave both keys out.")
        return self


class CurveConfig(CurveFields):
    """A residual network of one axis; fields that ModelConfig has too are those of ModelConfig.

    kernel: points that a convolution sees, odd; segments: of the axis, whose mean and maximum are features of their
    own, for where a peak stands says as much as what it looks like.
    """

    kind: Literal["curve"]
    widths: Annotated[tuple[Width, ...], Field(min_length=1, max_length=12)] = (32, 64, 128, 256)
    blocks: Annotated[int, Field(ge=0, le=16)] = 1
    kernel: Annotated[int, Field(ge=3, le=129)] = 9
    groups: Annotated[int, Field(ge=1)] = 8
    segments: Annotated[int, Field(ge=1, le=256)] = 8
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2

    def build(self, *, classes: int, size_pixels: int, channels: int = 1,
              mirror_partner: Sequence[int] | np.ndarray | None = None,
              space_groups: Sequence[int] | None = None) -> "CurveClassifier":
        return CurveClassifier(self, classes, size_pixels, channels, mirror_partner, space_groups)


class LiuConfig(CurveFields):
    """The network of Liu, Tao, Hsu, Du & Billinge 2019 (Acta Cryst. A 75, 633): two convolutions, one hidden layer.

    first, second: channels of the convolutions (256 and 64, or in their smaller one 128 and 64). Batch normalisation,
    which mixes samples, is one over each sample's channels here. Its ensemble of three is three seeds and `predict`.
    """

    kind: Literal["liu"]
    first: Width = 256
    second: Width = 64
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5

    def build(self, *, classes: int, size_pixels: int, channels: int = 1,
              mirror_partner: Sequence[int] | np.ndarray | None = None,
              space_groups: Sequence[int] | None = None) -> "LiuClassifier":
        return LiuClassifier(self, classes, size_pixels, channels, mirror_partner, space_groups)


class CurveClassifier(StackClassifier):
    """The network of a CurveConfig; its arguments are those of `CurveConfig.build`."""

    along: Tensor

    def __init__(self, config: CurveConfig, classes: int, points: int, channels: int,
                 mirror_partner: Sequence[int] | np.ndarray | None, space_groups: Sequence[int] | None) -> None:
        super().__init__()
        least = 2 ** len(config.widths)
        if config.kernel % 2 == 0 or points < least or any(width % config.groups for width in config.widths):
            raise InputError(source="model", rule="kernel must be odd, widths multiples of groups, and the axis must "
                             f"have {least} points for {len(config.widths)} stages",
                             value=f"kernel {config.kernel}, widths {config.widths}, groups {config.groups}, "
                             f"{points} points", remedy="Change kernel, widths or groups.")
        layers: list[nn.Module] = []
        before = channels + 1  # the place along the axis is a channel of its own
        for width in config.widths:
            layers.append(nn.Conv1d(before, width, config.kernel, stride=2, padding=config.kernel // 2))
            layers += [CurveBlock(width, config.groups, config.kernel) for _ in range(config.blocks)]
            before = width
        self.body, self.norm = nn.Sequential(*layers), nn.GroupNorm(config.groups, before)
        self.segments = min(config.segments, points // least)
        self.register_buffer("along", torch.linspace(-1, 1, points), persistent=False)
        self.add_heads(2 * before * self.segments, classes, dropout=config.dropout, head=config.head,
                       views=config.views, pose_input=False, tasks=config.tasks, mirror_partner=mirror_partner,
                       space_groups=space_groups)

    def encoded(self, x: Tensor) -> Tensor:
        """Mean and maximum of the last maps over each segment of the axis, float32 [B, 2 width segments]."""
        h = torch.cat([x, self.along.expand(len(x), 1, -1)], dim=1)
        h = F.relu(self.norm(self.body(h)))
        return torch.cat([F.adaptive_avg_pool1d(h, self.segments), F.adaptive_max_pool1d(h, self.segments)],
                         dim=1).flatten(1).float()


class CurveBlock(nn.Module):
    """h + f(h) at one width, f = two normalised convolutions, the last of them zero at the start."""

    def __init__(self, width: int, groups: int, kernel: int) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.GroupNorm(groups, width), nn.GroupNorm(groups, width)
        self.conv_1, self.conv_2 = (nn.Conv1d(width, width, kernel, padding=kernel // 2, bias=False) for _ in range(2))
        nn.init.zeros_(self.conv_2.weight)

    def forward(self, h: Tensor) -> Tensor:
        """h [B, width, points] -> the same shape."""
        return h + self.conv_2(F.relu(self.norm_2(self.conv_1(F.relu(self.norm_1(h))))))


class LiuClassifier(StackClassifier):
    """The network of a LiuConfig; its arguments are those of `LiuConfig.build`."""

    def __init__(self, config: LiuConfig, classes: int, points: int, channels: int,
                 mirror_partner: Sequence[int] | np.ndarray | None, space_groups: Sequence[int] | None) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(channels, config.first, LIU_KERNEL, padding="same"), nn.GroupNorm(1, config.first), nn.ReLU(),
            nn.Conv1d(config.first, config.second, LIU_KERNEL, padding="same"), nn.GroupNorm(1, config.second),
            nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), BatchDropout(config.dropout),
            nn.Linear(config.second * (points // 2), LIU_HIDDEN), nn.ReLU())
        for layer in self.body:
            if isinstance(layer, nn.Conv1d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        self.add_heads(LIU_HIDDEN, classes, dropout=config.dropout, head=config.head, views=config.views,
                       pose_input=False, tasks=config.tasks, mirror_partner=mirror_partner, space_groups=space_groups)

    def encoded(self, x: Tensor) -> Tensor:
        """The hidden layer, float32 [B, 128]."""
        return self.body(x).float()
