"""What every classifier network shares: features -> logits, tasks and views; no layer mixes samples."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.network.batch_draws import BatchDropout, DrawsForBatch
from classifier.network.kinship_head import KinshipHead
from classifier.network.pose_embedding import EMBEDDED, PoseEmbedding
from classifier.network.task_heads import TaskHeads
from classifier.network.tasks import TasksConfig, refuse_leak
from classifier.pattern.eight_views import Views, average_over_views

Head = Literal["linear", "cosine", "kinship"]
COSINE_SCALE = 30.0  # of a cosine head's logits; LDAM's published code (arXiv 1906.07413) has 30


class HeadFields(Config):
    """What stands behind any encoder, see ModelConfig; `unordered` says what takes the patterns' order from them."""

    dimensions: ClassVar[int] = 2
    unordered: ClassVar[str | None] = None
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    head: Head = "linear"
    views: Views = "one"
    pose_input: bool = False
    tasks: TasksConfig | None = None

    @model_validator(mode="after")
    def _nothing_leaks(self) -> "HeadFields":
        refuse_leak(self.tasks, self.pose_input, self.unordered)
        return self


class NetworkKind(Protocol):
    """Configuration of a network: what it wants beside the patterns, and how it is built."""

    @property
    def kind(self) -> str: ...

    @property
    def pose_input(self) -> bool: ...

    @property
    def tasks(self) -> TasksConfig | None: ...

    dimensions: ClassVar[int]  # axes of a sample that it takes

    def model_dump(self) -> dict[str, Any]:
        """What a checkpoint keeps of it; every Config has this."""
        ...

    def build(self, *, classes: int, size_pixels: int, channels: int = 3,
              mirror_partner: Sequence[int] | np.ndarray | None = None,
              space_groups: Sequence[int] | None = None) -> "StackClassifier":
        """A new network for samples [C, size_pixels, size_pixels], or [C, size_pixels] of one axis.

        Parameters
        ----------
        classes, channels, size_pixels : K, C, and the side of a pattern, or the points of a curve
        mirror_partner : int [K] of ClassMap, which averages over mirrored views need
        space_groups : [K], of the classes, which a head of kin needs
        """
        ...


class StackClassifier(DrawsForBatch):
    """Samples x [B, C, *spatial] to logits [B, K]; a network gives `encoded` and ends its __init__ with `add_heads`."""

    takes_fixed = False  # whether `fixed` gives anything but x, so that copies of the training stacks are taken once
    views: Views
    feature_count: int
    tasks: TaskHeads | None
    pose: PoseEmbedding | None
    head: "nn.Linear | CosineHead"
    partner: Tensor

    def add_heads(self, encoded: int, classes: int, *, dropout: float, head: Head, views: Views, pose_input: bool,
                  tasks: TasksConfig | None, mirror_partner: Sequence[int] | np.ndarray | None, any_order: bool = False,
                  space_groups: Sequence[int] | None = None) -> None:
        """Add all that stands behind the encoder.

        Parameters
        ----------
        encoded, classes : features that `encoded` gives, and K
        dropout, head, views, pose_input, tasks : see ModelConfig
        mirror_partner, space_groups : see NetworkKind.build; they are no part of the state
        any_order : whether the pose may not tell the patterns' order
        """
        if views != "one" and mirror_partner is None:
            raise InputError(source="model.views", rule="averages over views need a class map", value=views,
                             remedy="Build the network with mirror_partner, or set views = \"one\".")
        self.views = views
        self.dropout = BatchDropout(dropout)
        # The pose comes before the dropout, as any feature; the order of the patterns counts where it does for them.
        self.pose = PoseEmbedding(any_order=any_order) if pose_input else None
        self.feature_count = encoded + (EMBEDDED if pose_input else 0)
        if head == "kinship":
            if space_groups is None:
                raise InputError(source="model.head", rule="a head of kin needs the classes' space groups", value=head,
                                 remedy="Build the network with space_groups, or set head = \"linear\".")
            self.head = KinshipHead(self.feature_count, space_groups)
        else:
            self.head = (CosineHead if head == "cosine" else _linear)(self.feature_count, classes)
        self.tasks = TaskHeads(tasks, self.feature_count) if tasks is not None else None
        partner = torch.arange(classes) if mirror_partner is None else torch.as_tensor(mirror_partner)
        self.register_buffer("partner", partner, persistent=False)

    def fixed(self, x: Float[Tensor, "B C *spatial"]) -> Tensor:
        """What of the encoder has no learned parameters, so that a training takes it once: here nothing, x itself."""
        return x

    def scales_digest(self) -> str:
        """Digest of all that decides what `fixed` gives, the scales that `fit` took among them; for a cache."""
        return ""

    @abstractmethod
    def encoded(self, seen: Tensor) -> Tensor:
        """Features float32 [B, F] of what `fixed` gives of stacks alone."""

    def fit(self, x: Float[Tensor, "N C *spatial"]) -> None:
        """Take from the training part's stacks the scales that the encoder needs, if any."""

    def features(self, x: Float[Tensor, "B C *spatial"], pose: Float[Tensor, "B 9"] | None = None
                 ) -> Float[Tensor, "B F"]:
        """Features of stacks, of one view, and of their pose where the network has that input and needs it."""
        return self._features(self.fixed(x), pose)

    def _features(self, seen: Tensor, pose: Tensor | None) -> Tensor:
        if self.pose is None:
            return self.encoded(seen)
        if pose is None:
            raise InputError(source="classifier", rule="it has pose_input and needs each stack's pose",
                             value="stacks alone", remedy="Take a classifier without pose_input.")
        return torch.cat([self.encoded(seen), self.pose(pose)], dim=1)

    def forward(self, x: Float[Tensor, "B C *spatial"], pose: Float[Tensor, "B 9"] | None = None
                ) -> Float[Tensor, "B K"]:
        """Logits of x itself in training, over all views in evaluation."""
        if self.training or self.views == "one":
            return self.one_view(x, pose)
        return average_over_views(partial(self.one_view, pose=pose), x, self.views, self.partner)  # all of one pose

    def one_view(self, x: Tensor, pose: Tensor | None = None) -> Tensor:
        """Logits float32 [B, K] of x as it is; the head is computed in float32 under autocast too."""
        return self._logits(self.dropout(self.features(x, pose)))

    def with_features(self, x: Tensor, pose: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits [B, K] as forward gives them in evaluation, and the features [B, F] of x as it is."""
        features = self.features(x, pose)
        return self._logits(features) if self.views == "one" else self(x, pose), features

    def with_tasks(self, seen: Tensor, pose: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Logits [B, K] of one view of stacks, and what the heads of the tasks make of the same features, [B, T].

        seen: what `fixed` gives of them.
        """
        features = self.dropout(self._features(seen, pose))
        return self._logits(features), self.tasks(features) if self.tasks is not None else None

    def folded(self) -> "StackClassifier":
        """The network, whose head is then as linear as it was trained."""
        if isinstance(self.head, KinshipHead):
            self.head.fold()
        return self

    def _logits(self, features: Tensor) -> Tensor:
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
