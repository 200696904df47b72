"""Shapes, starting values and the isolation of samples in both networks, for patterns and for 1-D profiles."""

from typing import Any

import pytest
import torch

from cbedgan.gan.network.blocks import Block
from cbedgan.gan.network.config import NetworkConfig
from cbedgan.gan.network.contract import Generator, SampleSpec
from cbedgan.gan.network.discriminator import Discriminator
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError

CLASS_MAP = ClassMap((186, 194, 216, 225))


def build(shape: tuple[int, ...], generator: dict[str, Any] | None = None, discriminator: dict[str, Any] | None = None,
          **shared: Any) -> tuple[Generator, Discriminator]:
    """Both networks with some settings replaced."""
    network = parse_config({"embedding_dim": 8, **shared, "generator": {
        "kind": "pixels", "latent_dim": 6, "mapping_dim": 10, "widths": [12, 8], "patch": 2, **(generator or {})},
        "discriminator": {"widths": [12, 8], "patch": 2, "symmetric_input": False, **(discriminator or {})}},
        NetworkConfig, source="test")
    torch.manual_seed(0)
    spec = SampleSpec(shape, CLASS_MAP, view=None, intensity=None)
    return network.generator.build(spec, network), Discriminator(spec, network.discriminator, network)


def shake(network: torch.nn.Module) -> None:
    """Move every parameter away from its (partly zero) start."""
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 16, 16), (1, 16), (2, 16)])
@pytest.mark.parametrize("drawn, seen", [
    ({}, {}), ({"patch": 1, "widths": [8, 8, 4]}, {}),
    ({"symmetric_output": True, "templates": 5, "basis_pixels": 8},
     {"symmetric_input": True, "unconditional_pixels": 8})])
def test_samples_keep_their_shape_and_logits_are_one_a_head(shape, drawn, seen):
    generator, discriminator = build(shape, drawn, seen)
    z, class_idx = torch.randn(5, 6), torch.tensor([0, 1, 2, 3, 3])
    e = generator.embed(class_idx)
    w = generator.mapping(z, e)
    x = generator.synthesise(w)
    assert (e.shape, w.shape, x.shape) == ((5, 8), (5, 10), (5, *shape)) and x.dtype == torch.float32
    assert torch.equal(x, generator(z, class_idx))
    assert discriminator(x, class_idx).shape == (5, 2 if seen.get("unconditional_pixels") else 1)


def test_widths_must_lead_to_the_size_of_the_sample():
    with pytest.raises(InputError, match=r"4 \* 2\^\(number of widths - 1\) \* patch"):
        build((3, 32, 32))
    with pytest.raises(InputError, match="one of the stages"):
        build((3, 16, 16), discriminator={"unconditional_pixels": 32})


def test_only_the_direction_of_z_matters():
    generator, _ = build((3, 16, 16))
    z, e = torch.randn(2, 6), generator.embed(torch.tensor([0, 1]))
    torch.testing.assert_close(generator.mapping(z, e), generator.mapping(3 * z, e))
    assert (generator.mapping(z, e) - generator.mapping(-z, e)).abs().max() > 0.1


def test_blocks_start_as_the_identity_and_the_mean_is_given():
    block = Block(2, 4)
    x = torch.randn(2, 4, 8, 8)
    assert torch.equal(block(x), x)
    generator, _ = build((3, 16, 16))
    torch.nn.init.zeros_(generator.to_sample.weight)
    generator.mean_sample.fill_(0.7)
    assert torch.equal(generator(torch.randn(2, 6), torch.tensor([0, 1])), torch.full((2, 3, 16, 16), 0.7))


def test_templates_are_mixed_by_weights_from_w():
    generator, _ = build((3, 16, 16), {"templates": 2})
    torch.nn.init.zeros_(generator.to_sample.weight)
    generator.templates[0, 3, 4], generator.templates[1, 5, 6] = 1.0, 2.0
    x = generator(torch.randn(2, 6), torch.tensor([0, 1]))
    assert torch.count_nonzero(x[0, 0]) == 2 and x[0, 1, 3, 4] != 0 and x[0, 2, 5, 6] != 0
    assert len(set(x[:, :, 3, 4].flatten().tolist())) == 6  # every pattern of every sample has its own weights


@pytest.mark.parametrize("drawn, seen", [
    ({}, {}), ({"symmetric_output": True}, {"symmetric_input": True, "unconditional_pixels": 4})])
def test_no_layer_mixes_samples(drawn, seen):
    generator, discriminator = build((3, 16, 16), drawn, seen)
    shake(generator), shake(discriminator)
    z, class_idx = torch.randn(4, 6), torch.tensor([0, 1, 2, 3])
    x = generator(z, class_idx)
    torch.testing.assert_close(generator(z[1:2], class_idx[1:2]), x[1:2])
    torch.testing.assert_close(discriminator(x[1:2], class_idx[1:2]), discriminator(x, class_idx)[1:2])


def test_the_projection_head_alone_sees_the_class():
    _, discriminator = build((3, 16, 16), discriminator={"unconditional_pixels": 8})
    shake(discriminator)
    x = torch.randn(1, 3, 16, 16).expand(2, -1, -1, -1)
    logits = discriminator(x, torch.tensor([0, 3]))
    assert logits[0, 0] != logits[1, 0] and logits[0, 1] == logits[1, 1]


def convolution_types(network: torch.nn.Module, *inputs: torch.Tensor) -> dict[str, torch.dtype]:
    """Output type of every convolution and linear layer in a forward pass, by name."""
    found = {}
    hooks = [module.register_forward_hook(lambda _m, _i, out, name=name: found.__setitem__(name, out.dtype))
             for name, module in network.named_modules() if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)]
    network(*inputs)
    for hook in hooks:
        hook.remove()
    return found


def test_only_the_stages_of_32_pixels_run_in_half_precision():
    sizes = {"widths": [8, 8, 4, 4], "patch": 1}
    generator, discriminator = build((3, 32, 32), sizes, sizes, precision="bfloat16")
    class_idx = torch.tensor([0, 1])
    half = {name for name, kind in convolution_types(
        generator, torch.randn(2, 6), class_idx).items()
            if kind == torch.bfloat16}
    assert half == {"widen.2", "stages.3.0.first", "stages.3.0.last"}
    x = torch.randn(2, 3, 32, 32, requires_grad=True)
    half = {name for name, kind in convolution_types(discriminator, x, class_idx).items() if kind == torch.bfloat16}
    assert half == {"stages.3.0.first", "stages.3.0.last", "narrow.2"}
    logits = discriminator(x, class_idx)
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    assert logits.dtype == gradient.dtype == torch.float32
    gradient.square().sum().backward()  # the penalties differentiate twice, through the half-precision stage too
    assert {p.grad.dtype for p in discriminator.parameters() if p.grad is not None} == {torch.float32}


def test_a_difference_below_half_precision_still_reaches_the_discriminator():
    _, discriminator = build((3, 32, 32), *[{"widths": [8, 8, 8]}] * 2, precision="bfloat16")
    shake(discriminator)
    x = torch.full((1, 3, 32, 32), 0.5)
    assert torch.equal(x.bfloat16(), (x + 1e-4).bfloat16())
    assert not torch.equal(discriminator(x, torch.tensor([0])), discriminator(x + 1e-4, torch.tensor([0])))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_networks_run_in_half_precision_on_a_gpu():
    sizes = {"widths": [8, 8, 8, 8], "patch": 1}
    generator, discriminator = (n.cuda() for n in build((3, 32, 32), sizes, sizes, precision="bfloat16"))
    class_idx = torch.tensor([0, 1], device="cuda")
    x = generator(torch.randn(2, 6, device="cuda"), class_idx)
    assert discriminator(x, class_idx).isfinite().all()


def test_a_generator_of_forms_is_refused_with_where_crystals_are_configured():
    with pytest.raises(InputError, match="kind must be one of pixels, .* drawn by .*train_gan_crystals.toml"):
        parse_config({"generator": {"kind": "diffraction", "scatterers": 12}, "discriminator": {"widths": [8]}},
                     NetworkConfig, source="old.toml")
