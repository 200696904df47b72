"""Residual convolutional bodies of the classifier, pattern or stack -> last feature maps; no layer mixes samples."""

from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from classifier.foundation.errors import InputError

Block = Literal["basic", "bottleneck"]
SQUEEZE = 4  # a bottleneck's 3x3 convolution works at this part of the block's width


def body(*, block: Block, channels: int, stem_width: int, widths: Sequence[int], blocks: Sequence[int], groups: int,
         size_pixels: int) -> nn.Sequential:
    """Layers from [B, channels, size_pixels, size_pixels] to [B, widths[-1], side, side].

    Every stage halves the side, but for the first where there is a stem. (256, 512, 1024, 2048) bottleneck blocks
    (3, 4, 6, 3) after a stem of 64 are ResNet-50 (He et al. 2016, arXiv 1512.03385) with its normalisations before the
    convolutions (arXiv 1603.05027) and over groups of channels (arXiv 1803.08494): 23.5 million parameters.

    Parameters
    ----------
    channels, size_pixels : of the input
    stem_width : of a stem that halves the side twice; 0: none
    block, widths, blocks : kind of block, channels and number of blocks of each stage
    groups : of the normalisation
    """
    halvings = len(widths) + bool(stem_width)
    normalised = [*widths, stem_width, *(width // SQUEEZE for width in widths if block == "bottleneck")]
    if (size_pixels % 2**halvings or any(width % groups for width in normalised)
            or block == "bottleneck" and any(width % SQUEEZE for width in widths)):
        raise InputError(source="model", rule="widths (a quarter of them in bottlenecks) must be multiples of groups, "
                         f"and the side must halve evenly {halvings} times",
                         value=f"widths {tuple(widths)}, stem_width {stem_width}, groups {groups}, {size_pixels} "
                         "pixels", remedy="Change widths, groups or view.size_pixels.")
    if len(blocks) != len(widths) or block == "bottleneck" and min(blocks) < 1:
        raise InputError(source="model.blocks", rule="one number for all stages or one for each; bottleneck stages "
                         "need at least one block", value=f"{tuple(blocks)} for {len(widths)} stages",
                         remedy="Give as many numbers as widths.")
    layers: list[nn.Module] = []
    if stem_width:
        layers += [nn.Conv2d(channels, stem_width, 4, stride=2, padding=1), nn.GroupNorm(groups, stem_width),
                   nn.ReLU(inplace=True), nn.Conv2d(stem_width, stem_width, 4, stride=2, padding=1)]
    before = stem_width or channels
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
        stride = 1 if stem_width and stage == 0 else 2
        if block == "basic":
            layers.append(nn.Conv2d(before, width, 4, stride=2, padding=1) if stride == 2 else
                          nn.Conv2d(before, width, 3, padding=1))
            layers += [ResidualBlock(width, groups) for _ in range(count)]
        else:
            # Without a stem the first block's normalisation would meet the bare patterns: a convolution comes first.
            if stage == 0 and not stem_width:
                layers.append(nn.Conv2d(before, width, 4, stride=2, padding=1))
                before, stride = width, 1
            layers.append(BottleneckBlock(before, width, groups, stride))
            layers += [BottleneckBlock(width, width, groups) for _ in range(count - 1)]
        before = width
    return nn.Sequential(*layers)


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
        return h + self.conv_2(_relu(self.norm_2(self.conv_1(_relu(self.norm_1(h))))))


class BottleneckBlock(nn.Module):
    """skip(h) + f(h), f = normalised 1x1, 3x3 (at a quarter of the width, with the stride) and 1x1 convolutions."""

    def __init__(self, before: int, width: int, groups: int, stride: int = 1) -> None:
        super().__init__()
        inner = width // SQUEEZE
        self.norm_1, self.norm_2, self.norm_3 = (nn.GroupNorm(groups, size) for size in (before, inner, inner))
        self.conv_1 = nn.Conv2d(before, inner, 1, bias=False)
        self.conv_2 = nn.Conv2d(inner, inner, 3, stride=stride, padding=1, bias=False)
        self.conv_3 = nn.Conv2d(inner, width, 1, bias=False)
        self.skip = nn.Conv2d(before, width, 1, stride=stride, bias=False) if before != width or stride > 1 else None
        nn.init.zeros_(self.conv_3.weight)

    def forward(self, h: Tensor) -> Tensor:
        """h [B, before, H, W] -> [B, width, H / stride, W / stride]."""
        a = _relu(self.norm_1(h))
        # Where the shape changes, the skip takes the normalised input (arXiv 1603.05027, section 4).
        skip = h if self.skip is None else self.skip(a)
        return skip + self.conv_3(_relu(self.norm_3(self.conv_2(_relu(self.norm_2(self.conv_1(a)))))))


def _relu(h: Tensor) -> Tensor:
    """Write over h, which no gradient needs: a normalisation keeps its input, not its output."""
    return F.relu(h, inplace=True)
