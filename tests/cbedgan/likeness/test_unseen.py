"""Classifiers compare the real stacks they have not seen, and no others."""

import numpy as np
import pytest
import torch

from cbedgan.likeness.measured_stacks import MeasuredStacks
from cbedgan.likeness.unseen import UnseenFeatures, unseen_kid

SHOT = np.array(["few", "many"])
NAMES = np.array([f"stack {number}" for number in range(80)])


def features(x):
    return x.flatten(1)


def measured(x):
    class_idx = torch.arange(80) // 20 % 2
    return MeasuredStacks(x, class_idx, np.arange(80), x.flatten(1), None, None, None)


def draw(seed):
    return torch.randn(80, 1, 2, 2, generator=torch.Generator().manual_seed(seed))


def test_what_a_classifier_has_seen_does_not_count():
    real, made = draw(0), draw(1)
    real[40:] += 100  # learned by heart by the first classifier
    first = UnseenFeatures(features, tuple(NAMES[:40]))
    found = unseen_kid(measured(real), measured(made), NAMES, [first], SHOT, seed=0)
    assert found["samples"] == 40 and abs(found["generated"]["kid"]) < 1
    assert found["generated"]["kid_interval"][0] < found["generated"]["kid"] < found["generated"]["kid_interval"][1]
    both = UnseenFeatures(features, tuple(NAMES))
    everything = unseen_kid(measured(real), measured(made), NAMES, [both], SHOT, seed=0)
    assert everything["generated"]["kid"] > 1e3


def test_classifiers_are_averaged_and_shot_groups_apart():
    real, made = draw(0), draw(1)
    made[:20] += 2  # few, first half
    one, other = (UnseenFeatures(features, tuple(NAMES[share])) for share in (slice(40), slice(40, None)))
    both, first, second = (unseen_kid(measured(real), measured(made), NAMES, judges, SHOT, seed=0)
                           for judges in ([one, other], [one], [other]))
    few = [found["shots"]["few"]["generated"]["kid"] for found in (both, first, second)]
    assert few[0] == pytest.approx((few[1] + few[2]) / 2) and few[1] > 10 * abs(few[2])
    assert first["shots"]["many"]["generated"]["kid"] < few[1] / 10
    assert both["shots"]["few"]["samples"] == 40 and 0 < both["real"]["kid_high"]


def test_too_few_stacks_say_nothing():
    real, made = measured(draw(0)), measured(draw(1))
    found = unseen_kid(real, made, NAMES, [UnseenFeatures(features, tuple(NAMES[:1]))], SHOT, seed=0)
    assert found == {}
    one_class = unseen_kid(real, made, NAMES, [UnseenFeatures(features, tuple(NAMES[:20]))], SHOT, seed=0)
    assert one_class["shots"].keys() == {"few"}
