"""The pose as a side input of the network: features that `pose_input` computes, standardised and embedded."""

import torch
from torch import Tensor, nn

FEATURES = 9  # of a stack: three of each of its three patterns, pattern by pattern
EMBEDDED = 32  # width of the embedding


class PoseEmbedding(nn.Module):
    """Pose features [B, 9], standardised by the training part, to float32 [B, 32] through two layers.

    any_order: sort each feature over the patterns first, so that their order makes no difference.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, *, any_order: bool) -> None:
        super().__init__()
        self.any_order = any_order
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("std", torch.ones(FEATURES))
        self.layers = nn.Sequential(nn.Linear(FEATURES, EMBEDDED), nn.SiLU(), nn.Linear(EMBEDDED, EMBEDDED), nn.SiLU())

    def fit(self, pose: Tensor) -> None:
        """Take mean and standard deviation from the training part's features [N, 9]; what never varies counts as 0."""
        ordered = self._ordered(pose)
        spread = ordered.std(0, unbiased=False)
        self.mean.copy_(ordered.mean(0))
        self.std.copy_(torch.where(spread > 1e-4, spread, torch.inf))

    def forward(self, pose: Tensor) -> Tensor:
        """Embed features [B, 9]; computed in float32 under autocast too."""
        with torch.autocast(pose.device.type, enabled=False):
            return self.layers((self._ordered(pose) - self.mean) / self.std)

    def _ordered(self, pose: Tensor) -> Tensor:
        return pose.unflatten(1, (3, FEATURES // 3)).sort(dim=1).values.flatten(1) if self.any_order else pose
