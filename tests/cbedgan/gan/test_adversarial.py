"""The loss and its penalties against values worked out by hand, and steps that touch only what they should."""

import math

import pytest
import torch
from torch import nn

from autograd_reference import discriminator_step, generator_step, gradient_penalty
from cbedgan.gan.adversarial import Sight, head_weights, relativistic_loss

CLASSES = torch.tensor([0, 1])


class Linear(nn.Module):
    """l(x, c) = w . x + b[c], one head."""

    def __init__(self, weight: list[float]) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.tensor(weight)), nn.Parameter(torch.tensor([0.3, -0.4]))

    def forward(self, x: torch.Tensor, class_idx: torch.Tensor) -> torch.Tensor:
        return (x.flatten(1) @ self.weight + self.bias[class_idx])[:, None]


def still(x: torch.Tensor, class_idx: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return x, class_idx


def doubled(x: torch.Tensor, class_idx: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return 2 * x, class_idx


def sight(discriminator: Linear, augmentation=still) -> Sight:
    return Sight(discriminator, augmentation, torch.ones(1), batch=2)


def test_relativistic_loss_of_known_logits():
    loss = relativistic_loss(torch.tensor([[1.0], [0.0]]), torch.tensor([[0.0], [2.0]]), torch.ones(1))
    torch.testing.assert_close(loss, torch.tensor([math.log(1 + math.exp(-1)), math.log(1 + math.exp(2))]))


@pytest.mark.parametrize(("augmentation", "expected"), [(still, 9.25), (doubled, 4 * 9.25)])
def test_penalty_of_a_linear_discriminator_is_its_squared_weight_at_the_unaugmented_input(augmentation, expected):
    discriminator = Linear([3.0, -0.5])
    terms = discriminator_step(sight(discriminator, augmentation), torch.randn(2, 2), torch.randn(2, 2), CLASSES, 0.0)
    assert terms["r1"] == terms["r2"] == expected


def test_penalties_enter_the_gradient_with_half_of_gamma():
    def gradient(gamma: float) -> torch.Tensor:
        discriminator = Linear([3.0, -0.5])
        discriminator_step(sight(discriminator), torch.ones(2, 2), -torch.ones(2, 2), CLASSES, gamma)
        return discriminator.weight.grad
    # d/dw of gamma / 2 * (|w|^2 + |w|^2) is 2 gamma w.
    torch.testing.assert_close(gradient(0.7) - gradient(0.0), 1.4 * torch.tensor([3.0, -0.5]))


def test_pairing_within_a_class_cancels_the_class_prior():
    discriminator = Linear([1.0, 1.0])
    terms = discriminator_step(sight(discriminator), torch.ones(2, 2), torch.zeros(2, 2), CLASSES, None)
    assert torch.equal(terms["logits_real"][:, 0], torch.tensor([2.3, 1.6])) and "r1" not in terms
    torch.testing.assert_close(terms["loss_d"], torch.tensor(math.log(1 + math.exp(-2))))
    assert discriminator.bias.grad.abs().max() < 1e-7


def test_a_mirrored_stack_is_seen_with_its_mirrored_label():
    discriminator = Linear([0.0, 0.0])
    mirrored = sight(discriminator, lambda x, c: (x, 1 - c))
    terms = discriminator_step(mirrored, torch.zeros(2, 2), torch.zeros(2, 2), CLASSES, None)
    torch.testing.assert_close(terms["logits_real"][:, 0], torch.tensor([-0.4, 0.3]))


def test_heads_are_combined_as_one_and_alpha():
    torch.testing.assert_close(head_weights(2, 0.5, torch.device("cpu")), torch.tensor([2 / 3, 1 / 3]))
    assert torch.equal(head_weights(1, 0.5, torch.device("cpu")), torch.ones(1))
    logit = torch.tensor([[2.0, 5.0]], requires_grad=True)
    (penalty,) = gradient_penalty(logit @ torch.tensor([0.75, 0.25]), (logit,))
    assert penalty == 0.75**2 + 0.25**2


def test_the_generator_step_leaves_the_discriminator_alone():
    discriminator, source = Linear([1.0, 2.0]), nn.Parameter(torch.zeros(2, 2))
    terms = generator_step(sight(discriminator), source * 1.0, CLASSES, torch.tensor([[1.3], [0.6]]))
    torch.testing.assert_close(terms["loss_g"], torch.tensor(math.log(1 + math.e)))
    assert discriminator.weight.grad is None and discriminator.weight.requires_grad
    # Uphill for the logit: minus sigmoid(1) / 2 times the weight.
    torch.testing.assert_close(source.grad, -torch.sigmoid(torch.tensor(1.0)) / 2 * torch.tensor([[1.0, 2.0]] * 2))
