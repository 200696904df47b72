"""The classifier network: a residual CNN, stack -> features -> logits, in which no layer mixes samples."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.network import azimuthal_features
from classifier.network.azimuthal_features import AzimuthalEmbedding
from classifier.network.backbone import Block, body
from classifier.network.batch_draws import BatchDropout, DrawsForBatch
from classifier.network.eight_views import Views, average_over_views
from classifier.network.pose_embedding import EMBEDDED, PoseEmbedding
from classifier.network.self_comparison import MULTIPLE, with_differences
from classifier.network.task_heads import TaskHeads
from classifier.network.tasks import TasksConfig

# Bounds, so that a forged checkpoint cannot ask for a network without end.
Width = Annotated[int, Field(ge=1, le=4096)]
Count = Annotated[int, Field(ge=0, le=64)]
Patterns = Literal["channels", "in_order", "any_order", "one_random"]
COSINE_SCALE = 30.0  # of a cosine head's logits; LDAM's published code (arXiv 1906.07413) has 30


class ModelConfig(Config):
    """A network for stacks of any size; what is left out is as in the smallest net, one encoder of all patterns.

    widths: channels of each stage, every stage at half the side of the one before (the first at half the input's);
    blocks: residual blocks a stage, one number or one for each; groups: groups of the normalisation; dropout: share of
    features dropped. block, stem_width: see backbone.body.
    patterns: "channels": the patterns enter together. Otherwise one encoder sees each by itself: its features stand
    side by side ("in_order"); or each feature's values are sorted first, so that the order of the patterns makes no
    difference ("any_order"); or training draws one pattern of each stack, and evaluation takes the mean of the features
    over all, which is that of a linear head's logits ("one_random").
    head: "linear", or "cosine": COSINE_SCALE times the cosine between features and each class's weights.
    views: what the logits are averaged over in evaluation, see eight_views ("all" needs the raw pose).
    self_comparison: every pattern enters with what turns and mirrors change in it, see self_comparison.
    azimuthal_features: an embedding of azimuthal orders stands beside the convolutions' features, see
    azimuthal_features; with no widths it stands alone.
    pose_input: features stand beside an embedding of the recorded pose, see pose_input; tasks: heads beside the space
    group's.
    """

    widths: Annotated[tuple[Width, ...], Field(max_length=16)]
    blocks: Count | Annotated[tuple[Count, ...], Field(max_length=16)]
    groups: Annotated[int, Field(ge=1)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    block: Block = Field("basic", exclude_if=lambda value: value == "basic")
    stem_width: Annotated[int, Field(ge=0, le=4096)] = Field(0, exclude_if=lambda value: value == 0)
    patterns: Patterns = Field("channels", exclude_if=lambda value: value == "channels")
    head: Literal["linear", "cosine"] = Field("linear", exclude_if=lambda value: value == "linear")
    views: Views = Field("one", exclude_if=lambda value: value == "one")
    self_comparison: bool = Field(False, exclude_if=lambda value: not value)
    azimuthal_features: bool = Field(False, exclude_if=lambda value: not value)
    pose_input: bool = Field(False, exclude_if=lambda value: not value)
    tasks: TasksConfig | None = Field(None, exclude_if=lambda value: value is None)

    @model_validator(mode="after")
    def _nothing_leaks(self) -> ModelConfig:
        """Refuse a task whose answer is among the inputs, and what needs the patterns' order where they have none."""
        spacings = self.tasks is not None and "d_spacings" in self.tasks.weights
        if self.pose_input and spacings:
            raise InputError(source="model.tasks", rule="no task may be answered by an input",
                             value="d_spacings beside pose_input, which holds |g1| = 1 / d",
                             remedy="Leave one of them out.")
        if spacings and self.patterns in ("any_order", "one_random"):
            raise InputError(source="model.tasks", rule="d_spacings are those of patterns in their order",
                             value=f'patterns = "{self.patterns}"', remedy="Leave one of them out.")
        if (self.pose_input or self.azimuthal_features) and self.patterns == "one_random":
            raise InputError(source="model", rule="pose_input and azimuthal_features are of all three patterns",
                             value='patterns = "one_random"', remedy="Leave one of them out.")
        return self


class StackClassifier(DrawsForBatch):
    """Stacks x [B, C, H, W] to logits [B, K].

    mirror_partner: int [K] of ClassMap, which averages over mirrored views need; it is no part of the state.
    """

    def __init__(self, config: ModelConfig, *, classes: int, size_pixels: int, channels: int = 3,
                 mirror_partner: Sequence[int] | None = None) -> None:
        super().__init__()
        if config.views != "one" and mirror_partner is None:
            raise InputError(source="model.views", rule="averages over views need a class map", value=config.views,
                             remedy="Build the network with mirror_partner, or set views = \"one\".")
        if config.azimuthal_features and size_pixels < azimuthal_features.LEAST_PIXELS:
            raise InputError(source="model.azimuthal_features", value=f"{size_pixels} pixels",
                             rule=f"patterns must have at least {azimuthal_features.LEAST_PIXELS} pixels a side",
                             remedy="Take larger patterns, or leave it out.")
        if not (config.widths or config.azimuthal_features):
            raise InputError(source="model", rule="a network needs widths, azimuthal_features or both",
                             value="neither", remedy="Give the channels of each stage.")
        self.patterns, self.views, self.self_comparison = config.patterns, config.views, config.self_comparison
        self.convolves = bool(config.widths)
        together = config.patterns == "channels"
        blocks = (config.blocks,) * len(config.widths) if isinstance(config.blocks, int) else config.blocks
        seen = (channels if together else 1) * (MULTIPLE if config.self_comparison else 1)
        self.body = body(block=config.block, channels=seen, stem_width=config.stem_width,
                         widths=config.widths, blocks=blocks, groups=config.groups, size_pixels=size_pixels)
        self.norm = nn.GroupNorm(config.groups, config.widths[-1]) if self.convolves else nn.Identity()
        self.dropout = BatchDropout(config.dropout)
        self.azimuthal = (AzimuthalEmbedding(channels, any_order=config.patterns == "any_order", dropout=config.dropout)
                          if config.azimuthal_features else None)
        # The pose comes before the dropout, as any feature; the order of the patterns counts where it does for them.
        self.pose = PoseEmbedding(any_order=config.patterns == "any_order") if config.pose_input else None
        encoded = 1 if together or config.patterns == "one_random" else channels
        self.feature_count = sum([2 * config.widths[-1] * encoded if self.convolves else 0,
                                  azimuthal_features.EMBEDDED if config.azimuthal_features else 0,
                                  EMBEDDED if config.pose_input else 0])
        self.head = (CosineHead if config.head == "cosine" else _linear)(self.feature_count, classes)
        self.tasks = TaskHeads(config.tasks, self.feature_count) if config.tasks is not None else None
        partner = torch.arange(classes) if mirror_partner is None else torch.as_tensor(mirror_partner)
        self.register_buffer("partner", partner, persistent=False)

    def features(self, x: Tensor, pose: Tensor | None = None) -> Tensor:
        """Features float32 [B, F] of stacks x [B, C, H, W], of one view; pose [B, 9] where the network has that input.

        InputError where it has and no pose is given.
        """
        parts = [self._convolved(x)] if self.convolves else []
        if self.azimuthal is not None:
            parts.append(self.azimuthal(x))
        if self.pose is not None:
            if pose is None:
                raise InputError(source="classifier", rule="it has pose_input and needs each stack's pose",
                                 value="stacks alone", remedy="Take a classifier without pose_input.")
            parts.append(self.pose(pose))
        return torch.cat(parts, dim=1)

    def _convolved(self, x: Tensor) -> Tensor:
        """Features [B, F] that convolutions find in the stacks x."""
        if self.patterns == "channels":
            return self.encode(x)
        if self.patterns == "one_random" and self.training:
            # On the CPU: the same on every device.
            drawn = self.of_batch(len(x), lambda rows: torch.randint(x.shape[1], (rows,)))
            drawn = drawn.to(x.device, non_blocking=True)
            return self.encode(x[torch.arange(len(x), device=x.device), drawn, None])
        each = self.encode(x.flatten(0, 1)[:, None]).unflatten(0, x.shape[:2])
        if self.patterns == "one_random":
            return each.mean(1)
        return (each.sort(dim=1).values if self.patterns == "any_order" else each).flatten(1)

    def encode(self, x: Tensor) -> Tensor:
        """Mean and maximum over pixels, float32 [B, 2 width], of the last stage's maps of x [B, C, H, W]."""
        x = with_differences(x) if self.self_comparison else x
        h = F.relu(self.norm(self.body(x.contiguous(memory_format=torch.channels_last))))
        # A weak reflection that should be absent tells a group from another: a mean alone would drown it.
        return torch.cat([h.mean((2, 3)), h.amax((2, 3))], dim=1).float()

    def forward(self, x: Tensor, pose: Tensor | None = None) -> Tensor:
        """Logits float32 [B, K] of stacks x [B, C, H, W]: of x itself in training, over all views in evaluation."""
        if self.training or self.views == "one":
            return self.one_view(x, pose)
        return average_over_views(partial(self.one_view, pose=pose), x, self.views, self.partner)  # all of one pose

    def one_view(self, x: Tensor, pose: Tensor | None = None) -> Tensor:
        """Logits float32 [B, K] of x as it is; the head is computed in float32 under autocast too."""
        return self._judge(self.dropout(self.features(x, pose)))

    def with_features(self, x: Tensor, pose: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits [B, K] as forward gives them in evaluation, and the features [B, F] of x as it is."""
        features = self.features(x, pose)
        return self._judge(features) if self.views == "one" else self(x, pose), features

    def with_tasks(self, x: Tensor, pose: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logits [B, K] of x as it is, and what the heads of the tasks make of the same features, [B, T]."""
        features = self.dropout(self.features(x, pose))
        return self._judge(features), self.tasks(features)

    def _judge(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return self.head(features)


class CosineHead(nn.Module):
    """Features [B, F] to COSINE_SCALE cos(features, weight_k), [B, K]: no class is preferred by its weights' length."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.out_features = classes
        self.weight = nn.Parameter(torch.randn(classes, features))

    def forward(self, features: Tensor) -> Tensor:
        """Logits, of at most COSINE_SCALE."""
        return COSINE_SCALE * F.linear(F.normalize(features), F.normalize(self.weight))


def _linear(features: int, classes: int) -> nn.Linear:
    head = nn.Linear(features, classes)
    nn.init.zeros_(head.bias)
    return head
