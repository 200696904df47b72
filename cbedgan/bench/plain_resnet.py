"""The plain network that the classifier's speed is held against: standard blocks, batch normalisation, NCHW."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def plain_resnet(*, block: str, stem_width: int, widths: Sequence[int], blocks: Sequence[int], channels: int,
                 classes: int) -> nn.Sequential:
    """A residual network as in He et al. 2016 (arXiv 1512.03385), [B, channels, H, W] -> logits [B, classes].

    With stem_width the stem is a 7x7 convolution and a pooling, which halve the side each; without, a 3x3 convolution
    that halves it once, as for small images. The first stage keeps the side, each later one halves it.

    Parameters
    ----------
    block : "basic" or "bottleneck"
    stem_width : channels of the stem, 0 for the small one
    widths, blocks : channels and number of blocks of each stage
    channels, classes : of the input, and of the output
    """
    first = stem_width or widths[0]
    size = 7 if stem_width else 3
    layers: list[nn.Module] = [nn.Conv2d(channels, first, size, stride=2, padding=size // 2, bias=False),
                               nn.BatchNorm2d(first), nn.ReLU(inplace=True)]
    if stem_width:
        layers.append(nn.MaxPool2d(3, stride=2, padding=1))
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
        for number in range(count):
            layers.append(PlainResidualBlock(first, width, 2 if stage and not number else 1,
                                             bottleneck=block == "bottleneck"))
            first = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(first, classes))


class PlainResidualBlock(nn.Module):
    """relu(skip(h) + f(h)), f = two 3x3 convolutions, or 1x1, 3x3 (with the stride) and 1x1 at a quarter inside."""

    def __init__(self, before: int, width: int, stride: int, *, bottleneck: bool) -> None:
        super().__init__()
        inner = width // 4
        shapes = [(before, inner, 1, 1), (inner, inner, 3, stride), (inner, width, 1, 1)] if bottleneck else [
            (before, width, 3, stride), (width, width, 3, 1)]
        layers: list[nn.Module] = []
        for old, new, size, step in shapes:
            layers += [nn.Conv2d(old, new, size, stride=step, padding=size // 2, bias=False), nn.BatchNorm2d(new),
                       nn.ReLU(inplace=True)]
        self.path = nn.Sequential(*layers[:-1])
        self.skip = nn.Identity() if stride == 1 and before == width else nn.Sequential(
            nn.Conv2d(before, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, h: Tensor) -> Tensor:
        """h [B, before, H, W] -> [B, width, H / stride, W / stride]."""
        return F.relu(self.path(h) + self.skip(h), inplace=True)


def train_step(network: nn.Module, optimiser: torch.optim.Optimizer, x: Tensor, class_idx: Tensor, *,
               bf16: bool) -> float:
    """One step of the plain loop; its loss.

    Parameters
    ----------
    network, optimiser : which are trained, and which trains
    x, class_idx : [B, C, H, W], int64 [B]
    bf16 : whether the network runs in bfloat16
    """
    with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
        loss = F.cross_entropy(network(x), class_idx)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return float(loss.detach())
