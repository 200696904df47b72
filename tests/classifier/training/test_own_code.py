"""A loss, a sampler and a network of a user's own, each ten lines in a file beside his configuration."""

import sys
from pathlib import Path

import pytest
import torch

from classifier.foundation import registry
from classifier.foundation.checkpoint import load_checkpoint, save_checkpoint
from classifier.foundation.config import load_config
from classifier.foundation.errors import InputError
from classifier.foundation.registry import PLUGINS
from classifier.prediction.predict import Predictions, load_classifier
from classifier.training.train import TrainClassifierConfig, train_classifier

LOSS = """
from classifier.foundation.config import Config
from classifier.training.losses import EqualWeights

class Tversky(EqualWeights):
    kind: str
    alpha: float = 0.7

    def losses(self, logits, target, sizes, done):
        p = logits.softmax(1)
        hit, missed, wrong = (p * target).sum(1), ((1 - p) * target).sum(1), (p * (1 - target)).sum(1)
        return 1 - hit / (hit + self.alpha * missed + (1 - self.alpha) * wrong)
"""
SAMPLER = """
import numpy as np
from classifier.foundation.config import Config

class Favour(Config):
    kind: str
    class_idx: int
    factor: float

    def class_shares(self, materials):
        return materials * np.where(np.arange(len(materials)) == self.class_idx, self.factor, 1.0)
"""
NETWORK = """
from torch import nn
from classifier.network.own_network import OwnNetwork

class Small(OwnNetwork):
    width: int = 8

    def encoder(self, channels, size_pixels):
        layers = nn.Conv2d(channels, self.width, 5, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten()
        return nn.Sequential(*layers), 16 * self.width
"""
CONFIG = """
images = {images}
batch = 16
device = "cpu"
learning_rate = 5e-3
warmup_images = 64
ema_half_life_images = 64
view = {{half_width = 2.0, size_pixels = 16}}
augment = {{mirror = false, half_turn = false}}
{own}
"""


@pytest.fixture
def training(data, tmp_path, monkeypatch):
    """Train, where the user works, as his file says: training(module, source, table of the configuration)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    def train(module: str, source: str, own: str, *, images: int = 64, out: str = "clf") -> Path:
        (tmp_path / f"{module}.py").write_text(source)
        (tmp_path / "train.toml").write_text(CONFIG.format(own=own, images=images))
        config = load_config(tmp_path / "train.toml", TrainClassifierConfig)
        return train_classifier(config, stacks=data.stacks, split=data.split, out=tmp_path / out)
    return train


def forget(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Know as little of a module as a new process does."""
    monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(registry, "_taken", {})


@pytest.mark.slow
def test_a_loss_of_ones_own_learns_and_a_changed_file_is_another_run(training, monkeypatch):
    own = 'model = {widths = [8, 16]}\nloss = {kind = "my_losses:Tversky", alpha = 0.5}'
    path = training("my_losses", LOSS, own, images=1536)
    assert load_classifier(path).provenance["inputs"].keys() == {"stacks", "split", "my_losses:Tversky"}
    test = Predictions.load(path.parent / "predictions.npz").take("test")
    assert (test.predicted() == test.space_group).mean() > 0.8
    forget("my_losses", monkeypatch)
    assert training("my_losses", LOSS, own, images=1536) == path
    forget("my_losses", monkeypatch)
    with pytest.raises(InputError, match="its inputs may not change; found .*'my_losses:Tversky': "):
        training("my_losses", LOSS.replace("1 - hit", "2 - hit"), own, images=1536)


def test_a_sampler_of_ones_own_decides_the_draw(training):
    own = 'model = {widths = [8, 16]}\nsampling = {kind = "my_sampler:Favour", class_idx = 1, factor = 2.0}'
    assert load_classifier(training("my_sampler", SAMPLER, own)).prior.tolist() == pytest.approx([0.2, 0.4, 0.2, 0.2])
    with pytest.raises(InputError, match="sampler my_sampler:Favour, class_shares: must be an array of numbers >= 0"):
        training("my_sampler", SAMPLER, own.replace("2.0", "-2.0"), out="bad")


def test_a_network_of_ones_own_is_named_in_its_checkpoint_and_never_imported_unasked(training, tmp_path, monkeypatch):
    path = training("my_networks", NETWORK, 'model = {kind = "my_networks:Small", width = 4, dropout = 0.1}')
    classifier, x = load_classifier(path), torch.rand(2, 3, 16, 16)
    logits = classifier.logits(x)
    assert classifier.model.feature_count == 64 and logits.shape == (2, 4)
    forget("my_networks", monkeypatch)
    with pytest.raises(InputError, match=f'safetensors, kind "my_networks:Small": .*export {PLUGINS}=my_networks'):
        load_classifier(path)
    assert "my_networks" not in sys.modules
    monkeypatch.setenv(PLUGINS, "my_networks")
    assert torch.equal(load_classifier(path).logits(x), logits)
    forget("my_networks", monkeypatch)
    (tmp_path / "my_networks.py").unlink()
    with pytest.raises(InputError, match="No module named 'my_networks'"):
        load_classifier(path)


@pytest.mark.parametrize("kind", ["os:system", "this:s", "classifier.network.model:ModelConfig"])
def test_a_forged_checkpoint_imports_nothing(kind, tiny_networks, tmp_path):
    stored = load_checkpoint(tiny_networks.classifier, kind="classifier")
    stored.parts["model_config"]["kind"] = kind
    save_checkpoint(tmp_path / "forged.safetensors", kind="classifier", parts=stored.parts, header=stored.header)
    before = set(sys.modules)
    with pytest.raises(InputError, match=f'forged.safetensors, kind "{kind}": code is imported for a configuration'):
        load_classifier(tmp_path / "forged.safetensors")
    assert set(sys.modules) == before
