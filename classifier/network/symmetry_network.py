"""A network of stated features of symmetry: one encoder of every pattern, whatever its place, and a head of kin.

Features without learned parameters come first (pattern_features), so that they can be taken once for all of a training.
"""

import hashlib
import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from classifier.features.centre import centred, find_centres_in_x
from classifier.features.pattern_features import FORMAT, LEAST_PIXELS, feature_names, pattern_features
from classifier.foundation.errors import InputError
from classifier.network.azimuthal_features import QUANTILES, ranked
from classifier.network.batch_draws import BatchDropout
from classifier.network.stack_classifier import Head, HeadFields, StackClassifier
from classifier.pattern.eight_views import Views

FITTED = 4096  # training stacks that the quantiles are taken from, at most
FITTED_VALUES = 16000  # of a feature, at most: torch sorts 16M numbers at once and no more
AT_ONCE = 256  # stacks whose features are taken together

Width = Annotated[int, Field(ge=1, le=4096)]
Share = Annotated[float, Field(ge=0, lt=1)]


class SymmetryConfig(HeadFields):
    """width: of the layers that see each pattern; layers: of them; hidden: of the layer that sees all three.

    input_dropout, pattern_dropout, dropout: shares dropped of the features, before the layer that sees all three, and
    before the head. centre: bring the centre that a pattern's own half turn tells to the middle first; without it the
    recorded centre counts. head: "kinship" shares weights among groups, see KinshipHead.
    views: "mirror" takes the mean over a stack and its mirror image; a half turn changes no feature. For pose_input and
    tasks see ModelConfig.
    """

    unordered: ClassVar[str | None] = 'kind = "symmetry"'
    kind: Literal["symmetry"]
    width: Width = 256
    layers: Annotated[int, Field(ge=1, le=4)] = 2
    hidden: Width = 256
    input_dropout: Share = 0.25
    pattern_dropout: Share = 0.3
    centre: bool = False
    head: Head = "kinship"
    views: Views = "mirror"

    def build(self, *, classes: int, size_pixels: int, channels: int = 3,
              mirror_partner: Sequence[int] | np.ndarray | None = None,
              space_groups: Sequence[int] | None = None) -> "SymmetryClassifier":
        return SymmetryClassifier(self, classes, size_pixels, channels, mirror_partner, space_groups)


class SymmetryClassifier(StackClassifier):
    """The network of a SymmetryConfig; its arguments are those of its `build`."""

    takes_fixed = True
    quantiles: Tensor

    def __init__(self, config: SymmetryConfig, classes: int, size_pixels: int, channels: int,
                 mirror_partner: Sequence[int] | np.ndarray | None, space_groups: Sequence[int] | None) -> None:
        super().__init__()
        if size_pixels < LEAST_PIXELS:
            raise InputError(source="model", rule=f"patterns must have at least {LEAST_PIXELS} pixels a side",
                             value=f"{size_pixels} pixels", remedy="Take larger patterns, or another network.")
        self.centre, count = config.centre, len(feature_names())
        self.register_buffer("quantiles", torch.linspace(-1, 1, QUANTILES).repeat(count, 1))
        layers: list[nn.Module] = [BatchDropout(config.input_dropout), nn.Linear(count, config.width)]
        for _ in range(config.layers - 1):
            layers += [nn.SiLU(), BatchDropout(config.pattern_dropout), nn.Linear(config.width, config.width)]
        self.each = nn.Sequential(*layers)
        self.together = nn.Sequential(BatchDropout(config.pattern_dropout),
                                      nn.Linear(channels * config.width, config.hidden), nn.SiLU())
        self.add_heads(config.hidden, classes, dropout=config.dropout, head=config.head, views=config.views,
                       pose_input=config.pose_input, tasks=config.tasks, mirror_partner=mirror_partner,
                       any_order=True, space_groups=space_groups)

    def stated_features(self, x: Float[Tensor, "B C S S"]) -> Float[Tensor, "B C F"]:
        """Features of the patterns as pattern_features gives them, about the centre that counts; in float32."""
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            return pattern_features(centred(x, find_centres_in_x(x)) if self.centre else x)

    def fit(self, x: Float[Tensor, "N C S S"]) -> None:
        """Take the quantiles of each feature over the patterns of training stacks on any device, FITTED at most."""
        count, device = min(len(x), FITTED), self.quantiles.device
        rows = torch.arange(count, device=x.device) * len(x) // count
        features = torch.cat([self.stated_features(x[part].to(device)) for part in rows.split(AT_ONCE)]).flatten(0, 1)
        features = features[:: -(-len(features) // FITTED_VALUES)]
        share = torch.linspace(0, 1, QUANTILES, device=device)
        self.quantiles.copy_(torch.cat([torch.quantile(part, share, dim=0).T for part in features.split(256, dim=1)]))

    def scales_digest(self) -> str:
        return hashlib.sha256(self.quantiles.cpu().numpy().tobytes() + f"{FORMAT} {self.centre}".encode()).hexdigest()

    def fixed(self, x: Float[Tensor, "B C S S"]) -> Float[Tensor, "B C F"]:
        """Ranks of the features among those of the training part, of variance one."""
        features = self.stated_features(x)
        return ranked(features.flatten(0, 1), self.quantiles).view(features.shape) * math.sqrt(3)

    def encoded(self, seen: Tensor) -> Tensor:
        # What each unit says of the three patterns is sorted, so that their order makes no difference.
        return self.together(F.silu(self.each(seen).sort(dim=1).values).flatten(1)).float()
