"""The loss and the network of the guides, and a sampler of a user's own, beside his configuration."""

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
from classifier.training.train import TrainClassifierConfig
from project import of_guide

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
LOSS, NETWORK = of_guide("own_loss", "own_loss.py"), of_guide("own_network", "own_network.py")
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
        return data.train(config, out=tmp_path / out)
    return train


def forget(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Know as little of a module as a new process does."""
    monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(registry, "_taken", {})


@pytest.mark.slow
def test_a_loss_of_ones_own_learns_and_a_changed_file_is_another_run(training, monkeypatch):
    own = 'model = {widths = [8, 16]}\nloss = {kind = "own_loss:Poly1", epsilon = 2.0}'
    path = training("own_loss", LOSS, own, images=1536)
    assert load_classifier(path).provenance["inputs"].keys() == {"stacks", "split", "own_loss:Poly1"}
    test = Predictions.load(path.parent / "predictions.npz").take("test")
    assert (test.predicted() == test.space_group).mean() > 0.8
    forget("own_loss", monkeypatch)
    assert training("own_loss", LOSS, own, images=1536) == path
    forget("own_loss", monkeypatch)
    with pytest.raises(InputError, match="its inputs may not change; found .*'own_loss:Poly1': "):
        training("own_loss", LOSS.replace("+ self.epsilon", "- self.epsilon"), own, images=1536)


def test_a_sampler_of_ones_own_decides_the_draw(training):
    own = 'model = {widths = [8, 16]}\nsampling = {kind = "my_sampler:Favour", class_idx = 1, factor = 2.0}'
    assert load_classifier(training("my_sampler", SAMPLER, own)).prior.tolist() == pytest.approx([0.2, 0.4, 0.2, 0.2])
    with pytest.raises(InputError, match="sampler my_sampler:Favour, class_shares: must be an array of numbers >= 0"):
        training("my_sampler", SAMPLER, own.replace("2.0", "-2.0"), out="bad")


def test_a_network_of_ones_own_is_named_in_its_checkpoint_and_never_imported_unasked(training, tmp_path, monkeypatch):
    path = training("own_network", NETWORK, 'model = {kind = "own_network:PlainConfig", width = 4, dropout = 0.1}')
    classifier, x = load_classifier(path), torch.rand(2, 3, 16, 16)
    logits = classifier.logits(x)
    assert classifier.model.feature_count == 4 and logits.shape == (2, 4)
    forget("own_network", monkeypatch)
    with pytest.raises(InputError, match=f'"own_network:PlainConfig": .*export {PLUGINS}=own_network'):
        load_classifier(path)
    assert "own_network" not in sys.modules
    monkeypatch.setenv(PLUGINS, "own_network")
    assert torch.equal(load_classifier(path).logits(x), logits)
    forget("own_network", monkeypatch)
    (tmp_path / "own_network.py").unlink()
    with pytest.raises(InputError, match="No module named 'own_network'"):
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
