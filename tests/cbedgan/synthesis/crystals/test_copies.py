"""What counts as a near-copy of a real stack."""

import numpy as np
import pytest
import torch

from cbedgan.synthesis.crystals.copies import Copies, coarse
from classifier.pattern.intensity import IntensityConfig, IntensityTransform

TRANSFORM = IntensityTransform.fit(np.full((1, 3, 32, 32), 0.1, np.float32), IntensityConfig())


def noise(seed):
    return np.random.default_rng(seed).gamma(1.0, 1e-2, (3, 32, 32)).astype(np.float32)


@pytest.fixture
def copies():
    """Two real stacks."""
    real = coarse(torch.from_numpy(np.stack([noise(0), noise(1)])), TRANSFORM)
    return Copies(TRANSFORM, real, float(torch.cdist(real[:1], real[1:])) / 2)


def test_a_stack_that_is_nearly_a_real_one_is_a_copy_and_another_is_not(copies):
    assert copies.holds(noise(1)) and copies.holds(noise(1) * 1.05) and not copies.holds(noise(2))
    assert coarse(torch.zeros(1, 3, 12, 12), TRANSFORM).shape == (1, 3 * 12 * 12)


def test_what_was_measured_is_read_back(copies, tmp_path):
    class Source:
        class seen:
            intensity = TRANSFORM
    read = Copies.load(copies.save(tmp_path / "copies.npz"), Source)
    assert read.limit == copies.limit and torch.equal(read.real, copies.real)
