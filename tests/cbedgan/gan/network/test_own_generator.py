"""A generator of a user's own file trains, and its checkpoint loads where the user lets his file be imported."""

import sys

import pytest
import torch

from cbedgan.gan.network.generator import load_generator
from cbedgan.gan.train import TrainGanConfig, train_gan
from classifier.foundation import registry
from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError
from classifier.samples.split import SplitConfig, split
from tiny import SPLIT

OWN = """
import math
import torch
from torch import nn
from cbedgan.gan.network.contract import Generator, LatentConfig

class Dense(LatentConfig):
    kind: str
    def build(self, spec, shared):
        return DenseGenerator(spec.shape, self, shared.embedding_dim, len(spec.class_map))

class DenseGenerator(Generator):
    def __init__(self, shape, config, embedding_dim, classes):
        super().__init__()
        self.shape, self.latent_dim = shape, config.latent_dim
        self.embedding = nn.Embedding(classes, embedding_dim)
        self.first = nn.Linear(config.latent_dim + embedding_dim, config.mapping_dim)
        self.last = nn.Linear(config.mapping_dim, math.prod(shape))
    def fit(self, x):
        self.last.bias.data.copy_(x.mean(0).flatten())
    def embed(self, class_idx):
        return self.embedding(class_idx)
    def mapping(self, z, e):
        return self.first(torch.cat((z, e), 1)).relu()
    def synthesise(self, w):
        return self.last(w).unflatten(1, self.shape)
"""


@pytest.mark.slow
def test_a_generator_of_the_users_own_trains_and_loads(tiny_config, tiny_stack_file, tmp_path, monkeypatch):
    (tmp_path / "my_generator.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    content = tiny_config(images=32).model_dump(mode="json")
    content["network"]["generator"] = {"kind": "my_generator:Dense", "latent_dim": 8, "mapping_dim": 16}
    config = parse_config(content, TrainGanConfig, source="test", own_code=True)
    stacks = tiny_stack_file(materials=9)
    parts = split(SplitConfig.model_validate(SPLIT), stacks=stacks, out=tmp_path / "split.json")
    path = train_gan(config, stacks=stacks, split=parts, out=tmp_path / "gan")
    trained = load_generator(path)
    z, class_idx = torch.randn(3, trained.latent_dim), torch.tensor([0, 1, 3])
    assert trained.sample(z, class_idx).shape == (3, 3, 16, 16) and trained.network == config.network
    assert trained.generator.first.weight.shape == (16, 16)
    monkeypatch.setattr(registry, "_taken", {})  # another process
    with pytest.raises(InputError, match="export CBEDGAN_PLUGINS=my_generator"):
        load_generator(path)
    monkeypatch.setenv("CBEDGAN_PLUGINS", "my_generator")
    assert torch.equal(load_generator(path).sample(z, class_idx), trained.sample(z, class_idx))
