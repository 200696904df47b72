"""A network of a user's own: he gives the encoder; dropout, heads, tasks and views are those of every network."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from classifier.network.stack_classifier import HeadFields, StackClassifier


class OwnNetwork(HeadFields):
    """Base of a user's class: it adds fields of its own, and `encoder`. For the fields here see ModelConfig."""

    kind: str
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @abstractmethod
    def encoder(self, channels: int, size_pixels: int) -> tuple[nn.Module, int]:
        """A module from stacks [B, channels, size_pixels, size_pixels] to features [B, F], and F.

        No layer may mix samples: a batch is cut into parts, and a stack's answer may not depend on its neighbours.
        """

    def build(self, *, classes: int, size_pixels: int, channels: int = 3,
              mirror_partner: Sequence[int] | np.ndarray | None = None,
              space_groups: Sequence[int] | None = None) -> StackClassifier:
        return _OwnClassifier(self, classes, mirror_partner, space_groups, *self.encoder(channels, size_pixels))


class _OwnClassifier(StackClassifier):
    def __init__(self, config: OwnNetwork, classes: int, mirror_partner: Sequence[int] | np.ndarray | None,
                 space_groups: Sequence[int] | None, encoder: nn.Module, features: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.add_heads(features, classes, dropout=config.dropout, head=config.head, views=config.views,
                       pose_input=config.pose_input, tasks=config.tasks, mirror_partner=mirror_partner,
                       space_groups=space_groups)

    def encoded(self, x: Tensor) -> Tensor:
        return self.encoder(x).float()
