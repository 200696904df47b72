"""NoisyTwins against values worked out by hand."""

import torch

from cbedgan.gan.network.contract import Condition
from cbedgan.gan.twins import twins_loss


def test_twins_loss_vanishes_for_equal_uncorrelated_twins_and_sees_noise():
    class Mapping:
        mapping_dim = 2
        def embed(self, condition: Condition) -> torch.Tensor:
            return torch.zeros(len(condition.class_idx), 2)
        def mapping(self, z: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
            return z + e
    z = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    none, four = torch.zeros(4, 2), Condition(torch.zeros(4).long())
    assert twins_loss(Mapping(), z, four, (none, none), 0.5) < 1e-6
    # Components that agree in every sample: C is all ones, so only the off-diagonal terms are left.
    together = twins_loss(Mapping(), z[:, :1].expand(4, 2), four, (none, none), 0.5)
    torch.testing.assert_close(together, torch.tensor(0.5 * 2), atol=1e-3, rtol=0)
    swapped = twins_loss(Mapping(), z, four, (none, -2 * z), 0.0)
    torch.testing.assert_close(swapped, torch.tensor(2.0 * 4), atol=1e-3, rtol=0)
