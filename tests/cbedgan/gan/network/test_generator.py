"""The generator's file gives back what was trained, and refuses what does not belong to it."""

import pytest
import torch

from cbedgan.gan.network.generator import load_generator
from classifier.foundation.checkpoint import load_checkpoint, save_checkpoint
from classifier.foundation.errors import InputError


def test_the_file_holds_everything_sampling_needs(tiny_networks, tmp_path):
    trained = load_generator(tiny_networks.generator)
    digest = trained.save(tmp_path / "again.safetensors")
    again = load_generator(tmp_path / "again.safetensors")
    z, class_idx = torch.randn(3, trained.latent_dim), torch.tensor([0, 1, 3])
    assert torch.equal(again.sample(z, class_idx), trained.sample(z, class_idx))
    x = torch.ones(3, 3, 16, 16)
    assert torch.equal(again.score(x, class_idx), trained.score(x, class_idx))
    assert (again.digest, again.class_map, again.frame, again.view, again.network) == (
        digest, trained.class_map, trained.frame, trained.view, trained.network)
    assert again.detector.size_pixels == 16 and again.split_digest == trained.split_digest
    assert again.intensity.state() == trained.intensity.state()


def test_sampling_goes_through_embedding_mapping_and_synthesis(tiny_networks):
    trained = load_generator(tiny_networks.generator)
    z, class_idx = torch.randn(2, trained.latent_dim), torch.tensor([0, 2])
    e = trained.embed(class_idx)
    torch.testing.assert_close(trained.synthesise(trained.mapping(z, e)), trained.sample(z, class_idx))


def test_gradients_reach_the_latent_and_the_class_but_no_weight(tiny_networks):
    trained = load_generator(tiny_networks.generator)
    z = torch.randn(1, trained.latent_dim, requires_grad=True)
    e = trained.embed(torch.tensor([1])).requires_grad_()
    trained.synthesise(trained.mapping(z, e)).sum().backward()
    assert z.grad.abs().sum() > 0 and e.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in trained.generator.parameters())


def test_large_draws_equal_small_ones(tiny_networks):
    trained = load_generator(tiny_networks.generator)
    z, class_idx = torch.randn(300, trained.latent_dim), torch.arange(300) % 4
    torch.testing.assert_close(trained.sample(z, class_idx)[260:270], trained.sample(z[260:270], class_idx[260:270]))


def test_another_split_or_kind_is_refused(tiny_networks):
    with pytest.raises(InputError, match="must be trained on the split"):
        load_generator(tiny_networks.generator, split_digest="0" * 64)
    with pytest.raises(InputError, match="kind 'generator'"):
        load_generator(tiny_networks.classifier)


def test_a_file_that_leaves_a_setting_to_the_code_is_one_clear_error(tiny_networks, tmp_path):
    whole = load_checkpoint(tiny_networks.generator, kind="generator")
    assert whole.parts["network"]["generator"].pop("patch") == 1
    save_checkpoint(tmp_path / "less.safetensors", kind="generator", parts=whole.parts, header=whole.header)
    with pytest.raises(InputError, match="complete generator; found a setting .* left to the code's defaults"):
        load_generator(tmp_path / "less.safetensors")


def test_settings_of_an_early_version_are_one_clear_error(tiny_networks, tmp_path):
    old = load_checkpoint(tiny_networks.generator, kind="generator")
    old.parts["network"] = {"latent_dim": 8, "pixels": {"widths": [4]}}
    save_checkpoint(tmp_path / "old.safetensors", kind="generator", parts=old.parts, header=old.header)
    with pytest.raises(InputError, match="as version 0.1 wrote them. Train it again"):
        load_generator(tmp_path / "old.safetensors")
