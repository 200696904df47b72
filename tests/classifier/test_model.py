from __future__ import annotations

import pytest
import torch

from classifier.errors import InputError
from classifier.model import ModelConfig, StackClassifier

CONFIG = ModelConfig(widths=(8, 16), blocks=1, groups=4, dropout=0.0)


def network() -> StackClassifier:
    torch.manual_seed(0)
    model = StackClassifier(CONFIG, classes=5, size_pixels=16).eval()
    torch.nn.init.normal_(model.body[1].conv_2.weight, std=0.1)
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


def test_no_layer_mixes_samples() -> None:
    model, x = network().train(), torch.randn(4, 3, 16, 16)
    other = x.clone()
    other[1:] = torch.randn(3, 3, 16, 16)
    assert torch.allclose(model(x)[0], model(other)[0], atol=1e-6)
    x.requires_grad_()
    gradient, = torch.autograd.grad(model(x)[0].sum(), x)
    assert gradient[0].abs().sum() > 0 and gradient[1:].abs().sum() == 0


def test_under_autocast_the_head_stays_in_float32() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert network()(torch.randn(2, 3, 16, 16)).dtype == torch.float32


@pytest.mark.parametrize("changes, size", [({}, 18), ({"groups": 3}, 16)])
def test_what_cannot_be_built_is_refused(changes: dict, size: int) -> None:
    with pytest.raises(InputError, match="halve evenly"):
        StackClassifier(CONFIG.model_copy(update=changes), classes=5, size_pixels=size)
