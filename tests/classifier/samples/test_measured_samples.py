"""Measured copies of normalised samples: the scale goes there and back, rows keep their copies."""

import numpy as np
import torch

from classifier.pattern.intensity import IntensityConfig, IntensityTransform
from classifier.pattern.measurement import MeasurementConfig, measured_copy
from classifier.samples.dataset import StackSet
from classifier.samples.measured_samples import Measurement

INTENSITY = torch.rand(5, 3, 24, 24, generator=torch.Generator().manual_seed(0)) * 1e-3
SCALE = IntensityTransform.fit(INTENSITY, IntensityConfig())
NAMES = np.array(list("abcde"))


def samples() -> StackSet:
    return StackSet(SCALE.normalise(INTENSITY), torch.arange(5), torch.eye(5), NAMES, NAMES, NAMES,
                    np.full(5, "simulated"))


def test_copies_of_x_are_those_of_the_intensities():
    config = MeasurementConfig(centre_pixels=0.5, scale=0.02, azimuth_degree=2.0)
    found = SCALE.denormalise(Measurement(config, SCALE, seed=3).of(samples().x, NAMES, draw=2))
    assert torch.allclose(found, measured_copy(INTENSITY, NAMES, config, seed=3, draw=2), atol=1e-7)


def test_counts_are_whole_after_the_scale_was_taken_back():
    counts = SCALE.denormalise(Measurement(MeasurementConfig(electrons=1e5), SCALE).of(samples().x, NAMES)) * 1e5
    assert torch.allclose(counts, counts.round(), atol=0.02) and counts.std() > 10


def test_some_rows_keep_their_labels_and_their_copies():
    measurement = Measurement(MeasurementConfig(electrons=1e5, centre_pixels=0.5), SCALE)
    whole, some = measurement.samples(samples()), measurement.samples(samples(), np.array([4, 1]))
    assert some.sample_id.tolist() == ["e", "b"] and some.class_idx.tolist() == [4, 1] and some.pose is None
    assert torch.equal(some.x, whole.x[[4, 1]]) and not torch.equal(whole.x, samples().x)


def test_no_samples_stay_none():
    none = Measurement(MeasurementConfig(electrons=1e5), SCALE).samples(samples(), np.arange(0))
    assert none.x.shape == (0, 3, 24, 24) and len(none) == 0
