"""A step whose gradient is not finite changes nothing, moments included."""

import math

import pytest
import torch
from torch import nn

from cbedgan.gan.optimiser import update


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_step_with_a_gradient_that_is_not_finite_is_skipped(bad):
    network = nn.Linear(2, 1)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.1, betas=(0.0, 0.9), fused=True)
    for scale, expected in ((1.0, 0.0), (bad, 1.0), (1.0, 0.0)):
        before = [p.detach().clone() for p in network.parameters()]
        (network(torch.ones(1, 2)).sum() * scale).backward()
        assert update(optimiser, network) == expected
        moved = any(not torch.equal(p, old) for p, old in zip(network.parameters(), before, strict=True))
        assert moved == (expected == 0) and all(p.isfinite().all() for p in network.parameters())
    assert all(state["step"] == 2 and state["exp_avg_sq"].isfinite().all() for state in optimiser.state.values())
