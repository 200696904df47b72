import pytest
import torch

from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError
from classifier.network.kinship_head import KinshipHead
from classifier.network.stack_classifier import StackClassifier
from classifier.network.symmetry_network import SymmetryConfig

GROUPS = (14, 62, 225, 227, 139)


def network(**changes: object) -> StackClassifier:
    torch.manual_seed(0)
    config = SymmetryConfig(**{"kind": "symmetry", "width": 16, "hidden": 8, **changes})
    return config.build(classes=5, size_pixels=32, mirror_partner=torch.arange(5).numpy(), space_groups=GROUPS).eval()


def stacks(count: int = 4) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1


def test_order_of_patterns_half_turn_and_mirror_change_no_answer() -> None:
    model, x = network(), stacks()
    model.fit(stacks(12))
    answer = model(x)
    assert answer.shape == (4, 5) and answer.std() > 0
    torch.testing.assert_close(model(x[:, [2, 0, 1]]), answer)
    torch.testing.assert_close(model(x.flip(-2)), answer, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(model(x.flip(-1, -2)), answer, atol=1e-2, rtol=1e-2)  # polar sampling rounds


def test_what_is_fixed_can_be_taken_before() -> None:
    model, x = network(views="one"), stacks()
    model.fit(stacks(12))
    torch.testing.assert_close(model.with_tasks(model.fixed(x), None)[0], model(x))
    assert not any(parameter.requires_grad and parameter is model.quantiles for parameter in model.parameters())
    assert float(model.fixed(stacks(12)).std()) == pytest.approx(1, abs=0.15)


def test_no_stack_sees_another_and_gradients_reach_the_pixels() -> None:
    model, x = network(), stacks().requires_grad_()
    model.fit(stacks(12))
    torch.testing.assert_close(torch.cat([model(one[None]) for one in x]), model(x))
    model(x)[:, 0].sum().backward()
    assert x.grad is not None and float(x.grad.abs().sum()) > 0


def test_a_centred_network_bears_a_wrong_centre_better() -> None:
    side = torch.arange(64) - 31.5
    disks = sum(height * torch.sigmoid(4 * (5 - torch.hypot(side[:, None] - y, side[None, :] - x)))
                for x, y, height in ((0, 0, 1.0), (16, 0, 0.6), (-16, 0, 0.5), (0, 16, 0.4), (0, -16, 0.4)))
    x = (disks * 2 - 1)[None, None].expand(1, 3, 64, 64)
    moved = 0.5 * (x + x.roll(1, -1))  # half a pixel
    lost = {}
    for centre in (False, True):
        model = SymmetryConfig(kind="symmetry", centre=centre, head="linear").build(
            classes=5, size_pixels=64, mirror_partner=torch.arange(5).numpy())
        lost[centre] = float((model.stated_features(moved) - model.stated_features(x)).abs().mean())
    assert lost[True] < 0.5 * lost[False]


def test_too_few_pixels_and_a_head_of_kin_without_groups_are_refused() -> None:
    config = SymmetryConfig(kind="symmetry")
    with pytest.raises(InputError, match="at least 32 pixels"):
        config.build(classes=5, size_pixels=16, mirror_partner=range(5), space_groups=GROUPS)
    with pytest.raises(InputError, match="space groups"):
        config.build(classes=5, size_pixels=32, mirror_partner=range(5))


def test_spacings_of_patterns_without_an_order_are_no_task() -> None:
    with pytest.raises(InputError, match="in their order"):
        parse_config({"kind": "symmetry", "tasks": {"weights": {"d_spacings": 0.1}}}, SymmetryConfig, source="x")
    lengths = {"kind": "symmetry", "tasks": {"weights": {"cell_lengths": 0.1}}}
    assert parse_config(lengths, SymmetryConfig, source="x").tasks is not None


def test_kin_share_weights_until_they_are_folded() -> None:
    torch.manual_seed(0)
    head, features = KinshipHead(6, (225, 227, 62)), torch.randn(7, 6)
    with torch.no_grad():
        head.weight.zero_()
        head.shared.copy_(torch.randn(head.shared.shape))
    logits = head(features)
    cubic = head.traits[:, head.traits[0].bool() & head.traits[1].bool() & ~head.traits[2].bool()]
    assert cubic.shape[1] >= 3  # system, laue class, point group, ...
    head.fold()
    torch.testing.assert_close(head(features), logits)
    torch.testing.assert_close(torch.nn.functional.linear(features, head.weight, head.bias), logits)
    assert not head.shared.any() and not head.shared_bias.any()
