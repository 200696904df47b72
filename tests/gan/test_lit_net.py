"""Which places of a net are weak, for numpy and torch alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cbedgan.gan.lit_net import ALL, is_weak


@pytest.mark.parametrize("kind", [np.array, torch.tensor], ids=["numpy", "torch"])
def test_places_off_the_bright_net_and_those_before_g1_are_weak(kind):
    index = kind([[0.0, 0.0], [2.0, 1.0], [2.0, 0.0], [-2.0, -1.0], [1.0, 1.0], [0.0, 2.0], [-2.0, 1.0]])
    far = kind([0.0, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5])
    assert is_weak(index, far, (2, 1, 2)).tolist() == [False, False, True, False, True, False, False]
    assert not is_weak(index, far, ALL).any()
    assert is_weak(index, kind([0.0, 0.5, 0.96, 0.98, 1.0, 0.5, 2.0]), ALL).tolist() == [
        False, True, True, False, False, True, False]
