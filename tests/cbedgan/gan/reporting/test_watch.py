"""The look at a training: what it sees of good, collapsed and copying generators, and that it leaves no trace."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cbedgan.fidelity.features import random_features
from cbedgan.gan.reporting.watch import Watch
from classifier.samples.dataset import StackSet

GROUPS, EACH = 4, 20


@pytest.fixture
def samples() -> StackSet:
    class_idx = torch.arange(GROUPS).repeat_interleave(EACH)
    x = torch.randn(len(class_idx), 3, 16, 16, generator=torch.Generator().manual_seed(0))
    x = x + x.flip(-1) + 3 * class_idx[:, None, None, None]
    names = np.array([f"m{i}" for i in range(len(class_idx))])
    return StackSet(x, class_idx, torch.eye(GROUPS)[class_idx], names, names, names, names)


def sampler(make) -> SimpleNamespace:
    return SimpleNamespace(sample=make)


def watch(samples: StackSet, stacks: int = 60) -> Watch:
    return Watch(samples, random_features(3, 16), stacks=stacks, latent_dim=4, seed=0)


def test_collapsed_and_copying_generators_are_seen(samples):
    def copying(z, class_idx):
        rows = class_idx * EACH + torch.arange(len(z)) % EACH
        return samples.x[rows].flip(-2)
    def collapsed(z, class_idx):
        return samples.x[class_idx * EACH]
    def asymmetric(z, class_idx):
        noise = torch.randn(len(z), 3, 16, 16, generator=torch.Generator().manual_seed(1))
        return noise * 2**0.5 + 3 * class_idx[:, None, None, None]
    eye = watch(samples, stacks=GROUPS * EACH)
    copies, alike, free = (eye.look(sampler(make)) for make in (copying, collapsed, asymmetric))
    assert copies["copies"] == 1.0 and free["copies"] < 0.1
    assert copies["spread_alarms"] == 0 and alike["spread_alarms"] == GROUPS
    assert alike["coverage_few"] < copies["coverage_few"] and alike["kid"] > copies["kid"]
    assert copies["symmetry_ratio"] == pytest.approx(1.0, abs=0.01) and free["symmetry_ratio"] > 20
    assert all(isinstance(value, float) for value in copies.values())


def test_two_looks_are_alike_and_no_random_number_of_the_training_is_drawn(samples):
    before = torch.get_rng_state()
    first, second = (watch(samples).look(sampler(lambda z, class_idx: samples.x[class_idx] + z[:, :1, None, None]))
                     for _ in range(2))
    assert first == second and torch.equal(before, torch.get_rng_state())


def test_its_share_of_the_time_is_known(samples):
    eye = watch(samples, stacks=8)
    eye.look(sampler(lambda z, class_idx: samples.x[class_idx]))
    assert 0 < eye.share_of_time <= 1
