from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import cbedgan
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.config import load_config, parse_config
from classifier.foundation.errors import InputError
from classifier.network.batch_draws import place_rows
from classifier.network.model import ModelConfig
from classifier.network.stack_classifier import COSINE_SCALE, StackClassifier
from classifier.pattern.geometry import view
from classifier.prediction.predict import load_classifier
from classifier.published.prepare import PrepareConfig
from classifier.training.train_config import TrainClassifierConfig
from project import CONFIGS

CONFIG = ModelConfig(widths=(8, 16), groups=4, dropout=0.0)
BOTTLENECKS = {"block": "bottleneck", "blocks": (1, 2), "widths": (16, 32), "stem_width": 8}
OLCF = CONFIGS / "olcf"
SHIPPED = Path(cbedgan.__file__).parent / "data"


def network(size: int = 16, classes: int = 5, partner: list[int] | None = None, **changes: Any) -> StackClassifier:
    """A small network in evaluation mode in which no block is the identity any more."""
    torch.manual_seed(0)
    config = ModelConfig(**{**CONFIG.model_dump(), **changes})
    model = config.build(classes=classes, size_pixels=size, mirror_partner=partner).eval()
    for name, weight in model.body.named_parameters():
        if name.endswith(("conv_2.weight", "conv_3.weight")):
            torch.nn.init.normal_(weight, std=0.1)
    return model


def test_shapes() -> None:
    model, x = network(), torch.randn(3, 3, 16, 16)
    assert model(x).shape == (3, 5) and model.features(x).shape == (3, 32)
    assert torch.equal(model(x), model.head(model.features(x)))


def test_one_bright_place_reaches_the_features_undiluted() -> None:
    model, x = network(), torch.zeros(2, 3, 16, 16)
    x[1, :, 4:8, 4:8] = 5
    moved = (model.features(x)[1] - model.features(x)[0]).abs()
    assert moved[16:].max() > 2 * moved[:16].max()


@pytest.mark.parametrize("changes", [{}, BOTTLENECKS, {"patterns": "any_order"}])
def test_no_layer_mixes_samples(changes: dict) -> None:
    model, x = network(**changes).train(), torch.randn(4, 3, 16, 16)
    other = x.clone()
    other[1:] = torch.randn(3, 3, 16, 16)
    assert torch.allclose(model(x)[0], model(other)[0], atol=1e-6)
    x.requires_grad_()
    gradient, = torch.autograd.grad(model(x)[0].sum(), x)
    assert gradient[0].abs().sum() > 0 and gradient[1:].abs().sum() == 0


def test_under_autocast_the_head_stays_in_float32() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert network()(torch.randn(2, 3, 16, 16)).dtype == torch.float32


@pytest.mark.parametrize("changes, size, rule", [
    ({}, 18, "halve evenly"), ({"groups": 3}, 16, "halve evenly"), ({"stem_width": 8}, 20, "halve evenly 3 times"),
    ({"block": "bottleneck", "groups": 4}, 16, "halve evenly"), ({"blocks": (1, 2, 3)}, 16, "one for each"),
    ({"block": "bottleneck", "groups": 2, "blocks": 0}, 16, "at least one block"),
    ({"views": "all"}, 16, "need a class map")])
def test_what_cannot_be_built_is_refused(changes: dict, size: int, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        CONFIG.model_copy(update=changes).build(classes=5, size_pixels=size)


def test_the_shipped_networks_load_and_judge() -> None:
    for name in ("classifier", "second_classifier"):
        trained = load_classifier(SHIPPED / f"{name}.safetensors")
        size = trained.frame.detector.size_pixels
        assert trained.logits(torch.zeros(1, 3, size, size)).shape == (1, len(trained.class_map))


def test_what_is_left_out_of_a_configuration_stays_out_of_its_digest() -> None:
    assert set(CONFIG.model_dump()) == {"widths", "blocks", "groups", "dropout"}
    read = parse_config({**CONFIG.model_dump(mode="json"), "blocks": [1, 2], "patterns": "in_order"}, ModelConfig,
                        source="test")
    assert read.blocks == (1, 2) and "patterns" in read.model_dump()


def test_resnet_50_has_its_23_and_a_half_million_parameters_and_a_32nd_of_the_side() -> None:
    with torch.device("meta"):
        model = network(512, 230, widths=(256, 512, 1024, 2048), blocks=(3, 4, 6, 3), groups=32, block="bottleneck",
                        stem_width=64, patterns="any_order")
    assert sum(weight.numel() for weight in model.body.parameters()) == 23_553_664
    assert model.body(torch.empty(1, 1, 512, 512, device="meta")).shape == (1, 2048, 16, 16)
    assert model.head.weight.shape == (230, 3 * 2 * 2048)


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("changes, side", [({}, 4), (BOTTLENECKS, 8), ({**BOTTLENECKS, "stem_width": 0}, 4),
                                           ({"stem_width": 8, "blocks": (0, 2)}, 8)])
def test_every_stage_halves_the_side(changes: dict, side: int, size: int) -> None:
    model = network(size, **changes)
    assert model.body(torch.randn(2, 3, size, size)).shape[2:] == (size // side, size // side)


def test_shared_weights_sorted_are_exactly_indifferent_to_the_order_of_patterns() -> None:
    x = torch.randn(4, 3, 16, 16)
    for order in ([1, 0, 2], [2, 0, 1]):
        assert torch.equal(network(patterns="any_order")(x), network(patterns="any_order")(x[:, order]))
        assert not torch.allclose(network(patterns="in_order")(x), network(patterns="in_order")(x[:, order]), atol=1e-3)


def test_in_order_the_encoder_is_shared_and_its_features_stand_side_by_side() -> None:
    model, x = network(patterns="in_order"), torch.randn(2, 3, 16, 16)
    expected = torch.cat([model.encode(x[:, [k]]) for k in range(3)], dim=1)
    assert torch.allclose(model.features(x), expected, atol=1e-6) and model.head.in_features == 96


def test_one_random_pattern_is_drawn_in_training_and_evaluation_is_the_mean_of_logits() -> None:
    model, x = network(patterns="one_random"), torch.randn(1, 3, 16, 16)
    each = [model.head(model.encode(x[:, [k]])) for k in range(3)]
    assert torch.allclose(model(x), sum(each) / 3, atol=1e-5)
    model.train()
    drawn = (model(x.expand(40, -1, -1, -1))[:, None] - torch.cat(each)).norm(dim=2)
    assert drawn.amin(1).max() < 1e-4 and set(drawn.argmin(1).tolist()) == {0, 1, 2}
    torch.manual_seed(5)
    first = model(x.expand(8, -1, -1, -1))
    torch.manual_seed(5)
    assert torch.equal(first, model(x.expand(8, -1, -1, -1)))


def test_a_cosine_head_sees_no_lengths() -> None:
    model, x = network(head="cosine"), torch.randn(3, 3, 16, 16)
    before = model(x)
    with torch.no_grad():
        model.head.weight.mul_(torch.arange(1.0, 6.0)[:, None])
    assert torch.allclose(model(x), before, atol=1e-4) and before.abs().max() <= COSINE_SCALE
    feature = 7 * model.head.weight[[2]]
    assert model.head(feature)[0, 2].item() == pytest.approx(30)


CHIRAL = ClassMap((19, 76, 78, 91, 95))  # P4_1 and P4_3, P4_122 and P4_322 are mirror images of each other
SWAP = [0, 2, 1, 4, 3]


@pytest.mark.slow
@pytest.mark.parametrize("patterns", ["channels", "any_order"])
def test_the_average_over_all_views_turns_and_mirrors_with_its_stack(patterns: str) -> None:
    model = network(partner=CHIRAL.mirror_partner(), views="all", patterns=patterns)
    x = torch.randn(3, 3, 16, 16)
    logits = model(x)
    assert (model.one_view(x) - model.one_view(x.rot90(1, (-2, -1)))).abs().max() > 1e-2
    for quarter in range(4):
        turned = x.rot90(quarter, (-2, -1))
        assert torch.allclose(model(turned), logits, atol=1e-5)
        for axis in (-1, -2):
            assert torch.allclose(model(turned.flip(axis)), logits[:, SWAP], atol=1e-5)
    assert (logits - logits[:, SWAP]).abs().max() > 1e-2


def test_the_canonical_views_are_the_half_turn_and_the_mirrors() -> None:
    model, x = network(partner=CHIRAL.mirror_partner(), views="canonical"), torch.randn(3, 3, 16, 16)
    logits = model(x)
    assert torch.allclose(model(x.flip(-2, -1)), logits, atol=1e-5)
    assert torch.allclose(model(x.flip(-2)), logits[:, SWAP], atol=1e-5)
    assert (model(x.rot90(1, (-2, -1))) - logits).abs().max() > 1e-2
    one = sum(model.one_view(view) for view in (x, x.flip(-2, -1)))
    other = sum(model.one_view(view)[:, SWAP] for view in (x.flip(-2), x.flip(-1)))
    assert torch.allclose(logits, (one + other) / 4, atol=1e-5)


def test_without_a_partner_in_the_class_map_no_view_is_mirrored() -> None:
    partner = ClassMap((19, 76, 91, 92, 95)).mirror_partner()  # 78 and 96 are missing
    model, x = network(partner=partner, views="canonical"), torch.randn(2, 3, 16, 16)
    assert torch.allclose(model(x), (model.one_view(x) + model.one_view(x.flip(-2, -1))) / 2, atol=1e-6)


def test_training_sees_one_view_and_the_partners_are_no_part_of_the_state() -> None:
    model, x = network(partner=[0, 1, 2, 3, 4], views="all"), torch.randn(2, 3, 16, 16)
    assert set(model.state_dict()) == set(network().state_dict()) and torch.equal(model.train()(x), model.one_view(x))


@pytest.mark.parametrize("name, head_inputs", [("resnet50", 3 * 2 * 2048), ("stemdl", 2 * 2048)])
def test_the_networks_of_the_olcf_set_can_be_built_and_see_what_its_preparation_writes(name: str, head_inputs: int
                                                                                       ) -> None:
    config = load_config(OLCF / f"train_clf_{name}.toml", TrainClassifierConfig)
    with torch.device("meta"):
        model = config.model.build(classes=200, size_pixels=config.view.size_pixels, mirror_partner=torch.arange(200))
    assert model.head.weight.shape == (200, head_inputs)
    written = load_config(OLCF / "prepare_raw.toml", PrepareConfig).reduction.detector()
    patterns, detector = view(np.ones((3, 512, 512), np.float32), written, config.view)
    assert patterns.shape[1:] == (config.view.size_pixels,) * 2 and detector.unit == "1/angstrom"


def test_every_pattern_of_a_stack_is_drawn_alike_in_parts_of_a_batch() -> None:
    model, x = network(patterns="one_random").train(), torch.randn(6, 3, 16, 16)
    torch.manual_seed(1)
    whole, parts = model(x), []
    for first in (0, 3):
        torch.manual_seed(1)
        place_rows(model, first, 6)
        parts.append(model(x[first:first + 3]))
    assert torch.allclose(torch.cat(parts), whole, atol=1e-6)
