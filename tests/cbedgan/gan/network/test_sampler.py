"""Stacks drawn with the forms of training stacks, and the file that holds both generator and forms."""

from dataclasses import replace

import pytest
import torch

from cbedgan.bench.made_up import made_up_form
from cbedgan.boundary.margin import LatentPaths
from cbedgan.form.form import COLUMNS, parts
from cbedgan.form.form_bank import NUMBERS, FormBank
from cbedgan.form.indexed_net import FREEDOMS
from cbedgan.gan.network.contract import Condition, SampleSpec
from cbedgan.gan.network.discriminator import Discriminator
from cbedgan.gan.network.generator import TrainedGenerator, load_generator
from cbedgan.gan.network.sampler import Sampler
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.checkpoint import load_checkpoint, save_checkpoint
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import Detector, ViewConfig
from classifier.pattern.intensity import IntensityConfig, IntensityTransform
from classifier.samples.dataset import Frame

CLASSES = ClassMap((139, 216, 225))
SQUARE, RECTANGULAR, OBLIQUE = ((1.0, 0.0), (0.0, 1.0)), ((1.0, 0.0), (0.0, 1.3)), ((1.0, 0.0), (0.3, 1.2))


def form(net, share):
    return made_up_form(net, radius=0.3, share=share, freedom=[[0.0, 1.0, 0.3]] * FREEDOMS).expand(3, -1)


@pytest.fixture
def trained(tiny_config, tiny_crystals) -> TrainedGenerator:
    """A generator of crystals with untrained weights, and a form or two for each class."""
    network = tiny_config(network=tiny_crystals(slices=6, nodes=6, strain=0.02, drawing={"screening": 0.6})).network
    view, frame = ViewConfig(half_width=2.0, size_pixels=16), Frame(Detector(16, 0.25, "shortest_g"), "canonical", "1")
    scale = IntensityTransform(IntensityConfig(), 11.5)
    torch.manual_seed(0)
    generator = network.generator.build(SampleSpec((3, 16, 16), CLASSES, view, scale), network)
    forms = (form(RECTANGULAR, (1, 0, 0, 1)), form(SQUARE, (1, 0, 1, 1)), form(OBLIQUE, (0, 0, 0, 0)),
             form(OBLIQUE, (1, 0, 0, 0)))
    bank = FormBank(torch.stack(forms), torch.tensor([0, 2, 1, 1]))
    discriminator = Discriminator(SampleSpec((3, 16, 16), CLASSES, view, scale), network.discriminator, network)
    return TrainedGenerator(generator.eval().requires_grad_(False), discriminator.eval(), network, CLASSES, view, frame,
                            scale, "split", "stacks", {}, bank)


def latents(trained, n, seed=0):
    return torch.randn(n, trained.latent_dim, generator=torch.Generator().manual_seed(seed))


def test_z_holds_the_generators_latent_and_the_numbers_of_a_form(trained):
    assert trained.latent_dim == 8 + NUMBERS
    z = latents(trained, 2)
    other = torch.cat((z[:, :8], -z[:, 8:]), 1)
    e, changed = (trained.condition(torch.ones(2, dtype=torch.int64), latent) for latent in (z, other))
    assert not torch.equal(trained.generator.form_of(e), trained.generator.form_of(changed))
    other = torch.cat((-z[:, :8], z[:, 8:]), 1)
    assert torch.equal(trained.condition(torch.ones(2, dtype=torch.int64), other), e)
    assert not torch.equal(trained.mapping(other, e), trained.mapping(z, e))


def test_a_generator_without_forms_draws_as_before(tiny_config):
    network = tiny_config().network
    plain = network.generator.build(SampleSpec((3, 16, 16), CLASSES, tiny_config().view, None), network)
    sampler = Sampler(plain, None, 0.0)
    z, class_idx = torch.randn(3, sampler.latent_dim), torch.tensor([0, 2, 1])
    assert sampler.latent_dim == 8
    torch.testing.assert_close(sampler.sample(z, class_idx), plain(z, Condition(class_idx)).detach())


@pytest.mark.slow
def test_large_draws_equal_small_ones(trained):
    z, class_idx = latents(trained, 300), torch.arange(300) % 3  # more than a forward pass takes
    torch.testing.assert_close(trained.sample(z, class_idx)[250:260], trained.sample(z[250:260], class_idx[250:260]),
                               atol=1e-4, rtol=1e-3)


def test_stacks_of_a_class_have_its_nets(trained):
    e = trained.condition(torch.tensor([2] * 20 + [0] * 20), latents(trained, 40))
    net = parts(trained.generator.form_of(e)).net
    square, rectangular = net.split(20)
    torch.testing.assert_close(square, torch.eye(2).expand(20, 3, 2, 2), atol=1e-5, rtol=0)
    assert float(rectangular[:, :, 1, 0].abs().max()) < 1e-5 and float(rectangular[:, :, 1, 1].std()) > 0.005


@pytest.mark.parametrize("kind", ["class", "w"])
def test_paths_keep_the_net_of_their_beginning_and_take_the_symmetry_of_their_end(trained, kind):
    z = latents(trained, 5)
    a, b = torch.zeros(5, dtype=torch.int64), torch.full((5,), 2)
    paths = LatentPaths.of(kind, trained, z, z if kind == "class" else latents(trained, 5, seed=1), a, b)
    begin, middle, end = (parts(trained.generator.form_of(paths.w(torch.tensor([t])))) for t in (0.0, 0.5, 1.0))
    for found in (middle, end):
        torch.testing.assert_close(found.net, begin.net)
        torch.testing.assert_close(found.radius, begin.radius)
    # Along the way from Fm-3m's four-fold axis to a rectangular net, none can be taken along.
    assert (end.share[..., 2] == 0).all() and (end.share[..., 0] == 1).all()
    assert torch.isfinite(trained.synthesise(paths.w(torch.tensor([0.5])))).all()


def test_a_path_to_a_class_of_less_symmetry_gives_it_up(trained):
    z = latents(trained, 6)
    paths = LatentPaths.of("class", trained, z, z, torch.zeros(6, dtype=torch.int64), torch.ones(6, dtype=torch.int64))
    share = [parts(trained.generator.form_of(paths.w(torch.tensor([t])))).share[..., 3] for t in (0.0, 0.5, 1.0)]
    assert [float(value.max()) for value in share] == [1, 0.5, 0]


def test_the_file_holds_the_forms(trained, tmp_path):
    digest = trained.save(tmp_path / "disks.safetensors")
    again = load_generator(tmp_path / "disks.safetensors")
    z, class_idx = latents(trained, 4), torch.tensor([0, 1, 2, 1])
    assert again.digest == digest and again.network == trained.network and again.latent_dim == trained.latent_dim
    assert torch.equal(again.bank.forms, trained.bank.forms)
    assert torch.equal(again.sample(z, class_idx), trained.sample(z, class_idx))


FORGED = {
    "nan": lambda forms, class_idx: (forms * torch.nan, class_idx),
    "shape": lambda forms, class_idx: (forms[..., :-1], class_idx),
    "patterns": lambda forms, class_idx: (forms[:, :2], class_idx),
    "count": lambda forms, class_idx: (forms[1:], class_idx),
    "class": lambda forms, class_idx: (forms, class_idx + 1),
    "none": lambda forms, class_idx: (forms[:0], class_idx[:0]),
    "flat": lambda forms, class_idx: (torch.zeros(4, 3, COLUMNS), class_idx),
    "row": lambda forms, class_idx: (forms * torch.tensor([1, 1, 0, 0] + [1] * (COLUMNS - 4)), class_idx),
    "wide": lambda forms, class_idx: (forms * torch.tensor([1] * 4 + [1e9] + [1] * (COLUMNS - 5)), class_idx),
    "share": lambda forms, class_idx: (forms - 2.0 * (torch.arange(COLUMNS) == 17), class_idx),
    "freedom": lambda forms, class_idx: (forms + 2.0 * (torch.arange(COLUMNS) == COLUMNS - 1), class_idx),
    "glide": lambda forms, class_idx: (forms + 0.5 * (torch.arange(COLUMNS) == 9), class_idx),
    "no bright part": lambda forms, class_idx: (forms * (torch.arange(COLUMNS) != 11), class_idx),
    "curvature": lambda forms, class_idx: (forms + 99.0 * (torch.arange(COLUMNS) == 6), class_idx),
    "kind": lambda forms, class_idx: (forms.long(), class_idx),
    "class kind": lambda forms, class_idx: (forms, class_idx.float()),
    "class shape": lambda forms, class_idx: (forms, class_idx[:, None])}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_forged_forms_are_one_clear_error(trained, tmp_path, forge):
    forged = replace(trained, bank=FormBank(*(part.contiguous() for part in forge(trained.bank.forms,
                                                                                  trained.bank.class_idx))))
    forged.save(tmp_path / "forged.safetensors")
    with pytest.raises(InputError, match="must hold a complete generator"):
        load_generator(tmp_path / "forged.safetensors")


def test_a_file_that_leaves_a_constant_to_the_code_is_one_clear_error(trained, tmp_path):
    trained.save(tmp_path / "whole.safetensors")
    whole = load_checkpoint(tmp_path / "whole.safetensors", kind="generator")
    assert whole.parts["network"]["generator"]["drawing"].pop("screening") == 0.6
    save_checkpoint(tmp_path / "less.safetensors", kind="generator", parts=whole.parts, header=whole.header)
    with pytest.raises(InputError, match="complete generator; found a setting .* left to the code's defaults"):
        load_generator(tmp_path / "less.safetensors")


def test_settings_of_the_version_before_are_one_clear_error(trained, tmp_path):
    trained.save(tmp_path / "new.safetensors")
    old = load_checkpoint(tmp_path / "new.safetensors", kind="generator")
    old.parts["network"] = {"latent_dim": 8, "diffraction": {"scatterers": 4}}
    save_checkpoint(tmp_path / "old.safetensors", kind="generator", parts=old.parts, header=old.header)
    with pytest.raises(InputError, match="as version 0.1 wrote them. Train it again"):
        load_generator(tmp_path / "old.safetensors")


def test_a_file_without_its_forms_is_one_clear_error(trained, tmp_path):
    replace(trained, bank=None).save(tmp_path / "bare.safetensors")
    with pytest.raises(InputError, match="must hold a complete generator"):
        load_generator(tmp_path / "bare.safetensors")
