"""Augmented curves: each change does what it says, each curve draws its own, a part of a batch as the whole."""

import pytest
import torch

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.errors import InputError
from classifier.pattern.curve_augment import CurveAugmentConfig
from classifier.pattern.geometry import Detector

MAP = ClassMap((2, 225))
STILL = {"kind": "curve", "shift_points": 0.0, "stretch": 0.0, "gain": 0.0, "background": 0.0, "noise": 0.0}


def applied(x, rows=None, seed=0, **changes):
    labels = torch.zeros(6, dtype=torch.int64)
    return CurveAugmentConfig(**STILL | changes).applied(x, labels, torch.Generator().manual_seed(seed), MAP, rows)[0]


def peak() -> torch.Tensor:
    at = torch.arange(100.0)
    return (2 * torch.exp(-0.5 * ((at - 40) / 3) ** 2) - 1).expand(6, 1, 100)


def test_nothing_asked_changes_nothing():
    assert torch.equal(applied(peak()), peak())


def test_shift_and_stretch_move_a_peak_within_their_bounds():
    places = applied(peak(), shift_points=4.0)[:, 0].argmax(-1)
    assert len(set(places.tolist())) > 2 and (places - 40).abs().max() <= 4
    places = applied(peak(), stretch=0.1)[:, 0].argmax(-1)
    assert len(set(places.tolist())) > 2 and (places - 40).abs().max() <= 5


def test_gain_background_and_noise_keep_to_their_size():
    factor = (applied(peak(), gain=0.1) + 1) / (peak() + 1).clamp(min=1e-6)
    assert torch.allclose(factor[..., 30:50], factor[..., 40:41].expand(-1, -1, 20)) and factor[..., 40].std() > 0.01
    added = applied(peak(), background=0.2) - peak()
    assert added.min() > -1e-6 and 0 < added.max() <= 0.2 and (added.diff().abs().max() < 0.02)
    assert 0.005 < (applied(peak(), noise=0.1) - peak()).std() < 0.1


def test_a_part_of_a_batch_changes_as_in_the_whole():
    changes = {"shift_points": 2.0, "stretch": 0.05, "gain": 0.1, "background": 0.1, "noise": 0.05}
    whole = applied(peak(), **changes)
    assert torch.equal(applied(peak()[2:5], range(2, 5), **changes), whole[2:5])
    assert not torch.allclose(whole[0], whole[1])


def test_patterns_are_refused():
    with pytest.raises(InputError, match="samples of one axis; found samples of kind cbed"):
        CurveAugmentConfig(kind="curve").require(Detector(8, 1.0, "pixel"))
