"""A network that compares its own maps of a pattern with their turned and mirrored copies.

What a symmetry leaves as it is, is compared by construction (self_likeness); what to compare is learned. A map of the
mirrored pattern is the mirrored map: kernels are even in azimuth, or odd and squared. So neither half turns nor mirrors
of a stack nor the order of its patterns change an answer: enantiomorphic groups are one to it.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from classifier.features.centre import centred, find_centres_in_x
from classifier.features.self_likeness import AZIMUTHS, self_likeness
from classifier.foundation.errors import InputError
from classifier.network.batch_draws import BatchDropout
from classifier.network.stack_classifier import HeadFields, StackClassifier
from classifier.network.symmetry_network import SymmetryConfig

RINGS = 32  # of the polar picture that the maps are made from; the maps have half as many
LEAST_PIXELS, MOST_PIXELS = RINGS, 2 * RINGS  # fewer show too little; of more, local means are taken
FORMAT = 1  # of the pictures: another number where they change
FITTED = 512  # training stacks that scales are taken from, at most
LEAST_SPREAD = 1e-3  # of a number of the description: what varies less counts as constant
OUTLIER = 3.0  # standard deviations beyond which a number is bent to twice as many at most

Width = Annotated[int, Field(ge=1, le=1024)]


class ComparisonConfig(HeadFields):
    """The fields that ModelConfig has too are those of ModelConfig.

    maps: channels of each layer of convolutions, a third of the first odd in azimuth; none: the pattern alone, which
    stands beside the last layer's maps in any case. width, hidden: of the layer that sees each pattern, and of the one
    that sees all. input_dropout: share of each pattern's description that is dropped.
    centre: see SymmetryConfig. stated_features: the encoder of an ordinary SymmetryConfig stands beside; a mirror
    changes its features, so that views = "mirror" helps then.
    """

    unordered: ClassVar[str | None] = 'kind = "comparison"'
    kind: Literal["comparison"]
    maps: Annotated[tuple[Width, ...], Field(max_length=4)] = (6, 4)
    width: Width = 128
    hidden: Width = 256
    input_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.25
    stated_features: bool = False
    centre: bool = False

    def build(self, *, classes: int, size_pixels: int, channels: int = 3,
              mirror_partner: Sequence[int] | np.ndarray | None = None,
              space_groups: Sequence[int] | None = None) -> "ComparisonClassifier":
        return ComparisonClassifier(self, classes, size_pixels, channels, mirror_partner, space_groups)


class ComparisonClassifier(StackClassifier):
    """The network of a ComparisonConfig; its arguments are those of `ComparisonConfig.build`."""

    takes_fixed = True
    mean: Tensor
    spread: Tensor

    def __init__(self, config: ComparisonConfig, classes: int, size_pixels: int, channels: int,
                 mirror_partner: Sequence[int] | np.ndarray | None, space_groups: Sequence[int] | None) -> None:
        super().__init__()
        if size_pixels < LEAST_PIXELS:
            raise InputError(source='model.kind = "comparison"', rule=f"patterns must have at least {LEAST_PIXELS} "
                             "pixels a side", value=f"{size_pixels} pixels", remedy="Take larger patterns.")
        self.maps, self.centre = OwnMaps(config.maps), config.centre
        with torch.no_grad():
            described = self.describe(torch.zeros(1, 1, RINGS, AZIMUTHS)).shape[-1]
        self.register_buffer("mean", torch.zeros(described))
        self.register_buffer("spread", torch.ones(described))
        self.each = nn.Sequential(BatchDropout(config.input_dropout), nn.Linear(described, config.width), nn.SiLU())
        self.together = nn.Sequential(BatchDropout(config.dropout), nn.Linear(channels * config.width, config.hidden),
                                      nn.SiLU())
        # Of the network of stated features only the encoder is asked: its head knows one class and no group.
        self.stated = SymmetryConfig(kind="symmetry", head="linear", views="one", centre=config.centre).build(
            classes=1, size_pixels=size_pixels, channels=channels) if config.stated_features else None
        self.add_heads(config.hidden + (self.stated.feature_count if self.stated is not None else 0), classes,
                       dropout=config.dropout, head=config.head, views=config.views, pose_input=config.pose_input,
                       tasks=config.tasks, mirror_partner=mirror_partner, any_order=True, space_groups=space_groups)

    def fit(self, x: Float[Tensor, "N C H W"]) -> None:
        """Take the scales of the description that the untrained maps give, and of the stated features."""
        rows = torch.arange(min(len(x), FITTED), device=x.device) * len(x) // min(len(x), FITTED)
        with torch.no_grad():
            described = torch.cat([self.describe(self._pictures(x[part].to(self.mean.device)))
                                   for part in rows.split(64)])
        spread, mean = torch.std_mean(described.flatten(0, 1), dim=0, correction=0)
        self.mean.copy_(mean)
        self.spread.copy_(spread.clamp(min=LEAST_SPREAD))
        if self.stated is not None:
            self.stated.fit(x)

    def scales_digest(self) -> str:
        return f"{FORMAT} {self.centre} {self.stated.scales_digest() if self.stated is not None else ''}"

    def fixed(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C F"]:
        """Polar pictures of the patterns, and behind each the ranks of its stated features."""
        pictures = self._pictures(x).flatten(-2)
        return pictures if self.stated is None else torch.cat([pictures, self.stated.fixed(x)], -1)

    def encoded(self, seen: Float[Tensor, "B C F"]) -> Float[Tensor, "B features"]:
        """Features of what `fixed` gives; computed in float32 under autocast too."""
        with torch.autocast(seen.device.type, enabled=False):
            pictures, ranks = seen.float().tensor_split([RINGS * AZIMUTHS], dim=-1)
            scaled = (self.describe(pictures.unflatten(-1, (RINGS, AZIMUTHS))) - self.mean) / self.spread
            each = self.each(scaled / (1 + (scaled / OUTLIER).square()).sqrt())
            # What each unit says of the three patterns is sorted, so that their order makes no difference.
            features = self.together(each.sort(dim=1).values.flatten(1))
            return features if self.stated is None else torch.cat([features, self.stated.encoded(ranks)], 1)

    def describe(self, pictures: Float[Tensor, "B C R azimuths"]) -> Float[Tensor, "B C D"]:
        """What self_likeness says of the maps of each polar picture."""
        return self_likeness(self.maps(pictures.flatten(0, 1))).unflatten(0, pictures.shape[:2])

    def _pictures(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            return _polar(centred(x, find_centres_in_x(x)) if self.centre else x)


class OwnMaps(nn.Module):
    """Polar pictures [N, RINGS, AZIMUTHS] to maps [N, C, RINGS / 2, AZIMUTHS], the picture itself the last of them."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        odd = widths[0] // 3 if widths else 0
        self.even = _Circular(1, widths[0] - odd, size=5, stride=2) if widths else None
        self.odd = _Circular(1, odd, size=5, stride=2, odd=True) if odd else None
        self.further = nn.ModuleList(_Circular(before, width, size=3)
                                     for before, width in zip(widths, widths[1:], strict=False))

    def forward(self, picture: Float[Tensor, "N R azimuths"]) -> Float[Tensor, "N C rings azimuths"]:
        picture = picture[:, None] + 0.5  # of mean about zero: most of a pattern is dark
        own = [] if self.even is None else [F.silu(self.even(picture))]
        own += [] if self.odd is None else [self.odd(picture).square()]
        maps = torch.cat(own, 1) if own else picture[:, :0, ::2]
        for layer in self.further:
            maps = F.silu(layer(maps))
        return torch.cat([maps, F.avg_pool2d(picture, (2, 1))], 1).contiguous()


class _Circular(nn.Module):
    """Convolution around the centre, with kernels even or odd in azimuth; strides are radial."""

    def __init__(self, before: int, width: int, *, size: int, stride: int = 1, odd: bool = False) -> None:
        super().__init__()
        self.stride, self.sign = stride, -1 if odd else 1
        self.weight = nn.Parameter(torch.randn(width, before, size, size) * (2 / math.sqrt(before * size * size)))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, maps: Tensor) -> Tensor:
        weight, reach = (self.weight + self.sign * self.weight.flip(-1)) / 2, self.weight.shape[-1] // 2
        around = torch.cat([maps[..., -reach:], maps, maps[..., :reach]], -1)
        return F.conv2d(around.contiguous(memory_format=torch.channels_last), weight, self.bias,
                        stride=(self.stride, 1), padding=(reach, 0))


def _polar(x: Tensor) -> Tensor:
    """Patterns [B, C, S, S] on circles around their centres, [B, C, RINGS, AZIMUTHS]: of larger ones local means."""
    x = F.adaptive_avg_pool2d(x, MOST_PIXELS) if x.shape[-1] > MOST_PIXELS else x
    fine = F.grid_sample(x, _places(x.device).expand(len(x), -1, -1, -1), mode="bilinear", padding_mode="border",
                         align_corners=False)
    # Samples at the rim lie two pixels apart: what lies between counts half.
    between = fine[..., 1::2]
    return fine[..., ::2] / 2 + (between + between.roll(1, -1)) / 4


@lru_cache
def _places(device: torch.device) -> Tensor:
    """Places (x, y) in -1..1, float32 [1, RINGS, 2 AZIMUTHS, 2]: ring r lies (r + 0.5) / RINGS from centre to edge."""
    angle = torch.arange(2 * AZIMUTHS, dtype=torch.float64) * (math.pi / AZIMUTHS)
    radius = (torch.arange(RINGS, dtype=torch.float64)[:, None] + 0.5) / RINGS
    return torch.stack([radius * angle.cos(), radius * angle.sin()], -1).float()[None].to(device)
