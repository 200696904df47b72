"""A linear head in which space groups share weights by the traits that they share: a rare group learns from its kin."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from classifier.crystal.kinship import shared_traits


class KinshipHead(nn.Linear):
    """Features [B, F] to logits [B, K]: weights of each group's own, plus those of each trait that it has.

    Weight decay works on both, so that what kin have in common moves into the traits. `fold` brings all of it into the
    groups' own weights: it is then an ordinary linear head.
    """

    traits: Tensor

    def __init__(self, features: int, space_groups: Sequence[int]) -> None:
        super().__init__(features, len(space_groups))
        nn.init.zeros_(self.bias)
        traits = torch.from_numpy(shared_traits(space_groups)[1]).float()
        # Divided by what a group has of them on the average, so that own and shared weights count about alike.
        self.register_buffer("traits", traits / traits.sum(1).sqrt().mean().clamp(min=1), persistent=False)
        bound = features ** -0.5
        self.shared = nn.Parameter(torch.empty(traits.shape[1], features).uniform_(-bound, bound))
        self.shared_bias = nn.Parameter(torch.zeros(traits.shape[1]))

    def forward(self, features: Tensor) -> Tensor:
        """Logits of features."""
        return F.linear(features, self.weight + self.traits @ self.shared, self.bias + self.traits @ self.shared_bias)

    def fold(self) -> None:
        """Leave the logits as they are, and nothing to share."""
        with torch.no_grad():
            self.weight += self.traits @ self.shared
            self.bias += self.traits @ self.shared_bias
            self.shared.zero_()
            self.shared_bias.zero_()
