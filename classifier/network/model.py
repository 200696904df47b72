"""The classifier's own network: a residual CNN over patterns or stacks, and what a configuration may ask of it."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from classifier.crystal.spacegroup import ClassMap
from classifier.features.self_comparison import MULTIPLE, with_differences
from classifier.foundation.config import Config, added
from classifier.foundation.errors import InputError
from classifier.foundation.registry import Kinds
from classifier.network import azimuthal_features
from classifier.network.azimuthal_features import AzimuthalEmbedding
from classifier.network.backbone import Block, body
from classifier.network.comparison_network import ComparisonConfig
from classifier.network.curve_networks import CurveConfig, LiuConfig
from classifier.network.stack_classifier import NetworkKind, StackClassifier
from classifier.network.symmetry_network import SymmetryConfig
from classifier.network.tasks import TasksConfig, refuse_leak
from classifier.pattern.eight_views import Views

# Bounds, so that a forged checkpoint cannot ask for a network without end.
Width = Annotated[int, Field(ge=1, le=4096)]
Count = Annotated[int, Field(ge=0, le=64)]
Patterns = Literal["channels", "in_order", "any_order", "one_random"]


class ModelConfig(Config):
    """A residual network for stacks of any size; what is left out is as in the smallest, one encoder of all patterns.

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
    pose_input: an embedding of the recorded pose stands beside the features, see pose_input; tasks: added heads.
    """

    dimensions: ClassVar[int] = 2
    kind: Literal["residual"] = added("residual")
    widths: Annotated[tuple[Width, ...], Field(max_length=16)] = (16, 32, 64, 128)
    blocks: Count | Annotated[tuple[Count, ...], Field(max_length=16)] = 1
    groups: Annotated[int, Field(ge=1)] = 8
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    block: Block = added("basic")
    stem_width: Annotated[int, Field(ge=0, le=4096)] = added(0)
    patterns: Patterns = added("channels")
    head: Literal["linear", "cosine"] = added("linear")
    views: Views = added("one")
    self_comparison: bool = added(False)
    azimuthal_features: bool = added(False)
    pose_input: bool = added(False)
    tasks: TasksConfig | None = added(None)

    @model_validator(mode="after")
    def _nothing_leaks(self) -> "ModelConfig":
        """Refuse a task whose answer is among the inputs, and what needs the patterns' order where they have none."""
        refuse_leak(self.tasks, self.pose_input,
                    f'patterns = "{self.patterns}"' if self.patterns in ("any_order", "one_random") else None)
        if (self.pose_input or self.azimuthal_features) and self.patterns == "one_random":
            raise InputError(source="model", rule="pose_input and azimuthal_features are of all three patterns",
                             value='patterns = "one_random"', remedy="Leave one of them out.")
        return self

    def build(self, *, classes: int, size_pixels: int, channels: int = 3,
              mirror_partner: Sequence[int] | np.ndarray | None = None,
              space_groups: Sequence[int] | None = None) -> "ResidualClassifier":
        return ResidualClassifier(self, classes, size_pixels, channels, mirror_partner)


AnyNetwork = Annotated[NetworkKind, Kinds(ModelConfig, ComparisonConfig, SymmetryConfig, CurveConfig, LiuConfig)]


def build_network(config: NetworkKind, shape: Sequence[int], class_map: ClassMap) -> StackClassifier:
    """A new network for samples of `shape` [C, *spatial] and these classes; InputError where it takes other samples."""
    if config.dimensions != len(shape) - 1:
        raise InputError(source="model", rule=f'kind = "{config.kind}" takes samples with {config.dimensions} axes',
                         value=f"samples {list(shape)}", remedy='Take kind = "curve" for curves, another for patterns.')
    return config.build(classes=len(class_map), size_pixels=shape[-1], channels=shape[0],
                        mirror_partner=class_map.mirror_partner(), space_groups=class_map.space_groups)


class ResidualClassifier(StackClassifier):
    """The network of a ModelConfig; its arguments are those of `ModelConfig.build`."""

    def __init__(self, config: ModelConfig, classes: int, size_pixels: int, channels: int,
                 mirror_partner: Sequence[int] | np.ndarray | None) -> None:
        super().__init__()
        if config.azimuthal_features and size_pixels < azimuthal_features.LEAST_PIXELS:
            raise InputError(source="model.azimuthal_features", value=f"{size_pixels} pixels",
                             rule=f"patterns must have at least {azimuthal_features.LEAST_PIXELS} pixels a side",
                             remedy="Take larger patterns, or leave it out.")
        if not (config.widths or config.azimuthal_features):
            raise InputError(source="model", rule="a network needs widths, azimuthal_features or both",
                             value="neither", remedy="Give the channels of each stage.")
        self.patterns, self.self_comparison = config.patterns, config.self_comparison
        self.convolves = bool(config.widths)
        together, any_order = config.patterns == "channels", config.patterns == "any_order"
        blocks = (config.blocks,) * len(config.widths) if isinstance(config.blocks, int) else config.blocks
        seen = (channels if together else 1) * (MULTIPLE if config.self_comparison else 1)
        self.body = body(block=config.block, channels=seen, stem_width=config.stem_width,
                         widths=config.widths, blocks=blocks, groups=config.groups, size_pixels=size_pixels)
        self.norm = nn.GroupNorm(config.groups, config.widths[-1]) if self.convolves else nn.Identity()
        self.azimuthal = (AzimuthalEmbedding(channels, any_order=any_order, dropout=config.dropout)
                          if config.azimuthal_features else None)
        encoders = 1 if together or config.patterns == "one_random" else channels
        self.add_heads((2 * config.widths[-1] * encoders if self.convolves else 0)
                       + (azimuthal_features.EMBEDDED if config.azimuthal_features else 0), classes,
                       dropout=config.dropout, head=config.head, views=config.views, pose_input=config.pose_input,
                       tasks=config.tasks, mirror_partner=mirror_partner, any_order=any_order)

    def fit(self, x: Float[Tensor, "N C H W"]) -> None:
        """Take the scales of the azimuthal features."""
        if self.azimuthal is not None:
            self.azimuthal.fit(x)

    def encoded(self, x: Tensor) -> Tensor:
        parts = [self._convolved(x)] if self.convolves else []
        return torch.cat([*parts, self.azimuthal(x)], dim=1) if self.azimuthal is not None else parts[0]

    def _convolved(self, x: Tensor) -> Tensor:
        """Features [B, F] that convolutions find in the stacks x."""
        if self.patterns == "channels":
            return self.encode(x)
        if self.patterns == "one_random" and self.training:
            drawn = self.of_batch(len(x), lambda rows: torch.randint(x.shape[1], (rows,)))  # the same on every device
            rows = torch.arange(len(x), device=x.device)
            return self.encode(x[rows, drawn.to(x.device, non_blocking=True), None])
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
