"""Adam for both networks: on what schedule it moves, and a step that is left out when a gradient is not finite."""

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from cbedgan.gan.schedule import Schedule
from classifier.foundation.config import Config


class OptimiserConfig(Config):
    """learning_rate: of the discriminator; generator_rate: the generator's over it; beta2: of both;
    max_skipped_share: of a network's steps, those with a gradient not finite."""

    learning_rate: Schedule = Schedule(start=1e-3, end=2e-4)
    generator_rate: Annotated[float, Field(gt=0)] = 0.3
    beta2: Schedule = Schedule(start=0.9, end=0.99)
    max_skipped_share: float = 0.01


def adam(network: nn.Module) -> torch.optim.Adam:
    """An optimiser that `follow` sets before each step."""
    return torch.optim.Adam(network.parameters(), lr=0.0, betas=(0.0, 0.9), eps=1e-8, fused=True)


def load_moments(optimiser: torch.optim.Adam, network: nn.Module, moments: Mapping[int, dict[str, Tensor]]) -> None:
    """Go on with the state that an optimiser of the same network had, by number of the parameter."""
    for index, parameter in enumerate(network.parameters()):
        # Moments must lie in memory as their parameter does: the fused update walks through both at once.
        optimiser.state[parameter] = {
            key: torch.empty_like(parameter).copy_(moment) if moment.shape == parameter.shape else
            moment.to(parameter.device) for key, moment in moments.get(index, {}).items()}


def follow(optimisers: Mapping[str, torch.optim.Adam], config: OptimiserConfig, share: float) -> None:
    """Set what the schedules say for the next step, after `share` of the burn-in."""
    for name, optimiser in optimisers.items():
        rate = config.generator_rate if name == "generator" else 1.0
        optimiser.param_groups[0] |= {"lr": config.learning_rate.at(share) * rate,
                                      "betas": (0.0, config.beta2.at(share))}


def update(optimiser: torch.optim.Adam, network: nn.Module) -> Tensor:
    """Take one optimiser step, or none when any gradient is not finite; return 1.0 for a skipped step, else 0.0.

    The decision stays on the device: a fused Adam reads `found_inf` there, so nothing waits for the host.
    """
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    skipped = (~torch.isfinite(torch.nn.utils.get_total_norm(gradients))).float()
    optimiser.found_inf = skipped  # pyright: ignore[reportAttributeAccessIssue]
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return skipped
