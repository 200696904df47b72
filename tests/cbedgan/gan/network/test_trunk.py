"""The trunk passed through by hand leaves what autograd leaves: logits, penalties and every gradient."""

import copy
from typing import Any

import pytest
import torch

import autograd_reference
from cbedgan.gan import adversarial
from cbedgan.gan.adversarial import Sight, head_weights
from cbedgan.gan.network.contract import SampleSpec
from cbedgan.gan.network.discriminator import Discriminator
from classifier.crystal.spacegroup import ClassMap

CLASS_MAP = ClassMap((1, 75, 221))
CASES: list[tuple[dict[str, Any], tuple[int, ...]]] = [
    ({"symmetric_input": False, "patch": 1, "widths": [6, 5, 4]}, (3, 16, 16)),
    ({"blocks": 2}, (3, 16, 16)),
    ({"blocks": 0}, (3, 16, 16)),
    ({"patch": 1}, (2, 8)),
    ({"widths": [6, 5, 4], "patch": 1, "unconditional_pixels": 8}, (3, 16, 16)),
    ({"unconditional_pixels": 4}, (3, 16, 16)), ({"unconditional_pixels": 8}, (3, 16, 16))]


def build(tiny_config, changes: dict[str, Any], shape: tuple[int, ...]) -> tuple[Discriminator, torch.Tensor]:
    """A discriminator in which every weight matters (blocks start at zero), and samples [2 B, C, *spatial]."""
    torch.manual_seed(0)
    shared = {name: changes[name] for name in ("precision",) if name in changes}
    network = tiny_config(network=shared | {"discriminator": {"unconditional_pixels": 0} | {
        name: value for name, value in changes.items() if name not in shared}}).network
    discriminator = Discriminator(SampleSpec(shape, CLASS_MAP, None, None), network.discriminator, network)
    with torch.no_grad():
        for weight in discriminator.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    if len(shape) == 3:
        discriminator.to(memory_format=torch.channels_last)
    return discriminator, torch.randn(6, *shape)


def augmentation(x: torch.Tensor, class_idx: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return 1.5 * x.flip(-1) + 0.2, class_idx


@pytest.mark.parametrize("changes, shape", CASES)
@pytest.mark.parametrize("penalise", [True, False])
def test_the_discriminators_step_is_autograds(tiny_config, changes, shape, penalise) -> None:
    discriminator, x = build(tiny_config, changes, shape)
    heads, found = 2 if "unconditional_pixels" in changes else 1, []
    for way, network in ((adversarial, discriminator), (autograd_reference, copy.deepcopy(discriminator))):
        terms = {}
        for _ in range(2):  # gradients add up
            sight = Sight(network, augmentation, head_weights(heads, 0.7, x.device), batch=4)
            terms = way.discriminator_step(sight, x[:3], x[3:], torch.tensor([0, 2, 1]), 0.7 if penalise else None)
        found.append(terms | {name: weight.grad for name, weight in network.named_parameters()})
    assert ("r1" in found[0]) == penalise and found[0].keys() == found[1].keys()
    for name, value in found[1].items():
        torch.testing.assert_close(found[0][name], value, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("changes, shape", CASES)
def test_the_generators_step_is_autograds(tiny_config, changes, shape) -> None:
    discriminator, x = build(tiny_config, changes, shape)
    heads, found = 2 if "unconditional_pixels" in changes else 1, []
    for way in (adversarial, autograd_reference):
        source = x[:3].clone().requires_grad_()
        sight = Sight(discriminator, augmentation, head_weights(heads, 0.7, x.device), batch=4)
        terms = way.generator_step(sight, 2 * source, torch.tensor([0, 2, 1]), torch.zeros(3, heads))
        found.append((terms["loss_g"], source.grad))
        assert all(weight.grad is None and weight.requires_grad for weight in discriminator.parameters())
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-6)


def test_half_precision_is_autograds_to_its_rounding(tiny_config) -> None:
    changes = {"widths": [6, 6, 5, 4], "patch": 1, "precision": "bfloat16"}
    discriminator, x = build(tiny_config, changes, (3, 32, 32))
    found = []
    for way, network in ((adversarial, discriminator), (autograd_reference, copy.deepcopy(discriminator))):
        sight = Sight(network, augmentation, head_weights(1, 1.0, x.device), batch=3)
        way.discriminator_step(sight, x[:3], x[3:], torch.tensor([0, 2, 1]), 0.7)
        found.append({name: weight.grad for name, weight in network.named_parameters()})
    for name, value in found[1].items():
        assert found[0][name].dtype == torch.float32
        assert (found[0][name] - value).norm() <= 0.02 * value.norm(), name
