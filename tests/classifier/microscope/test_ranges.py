"""Draws: within their ranges, each sample's own, the same whatever else is drawn, none of an effect forgotten."""

import pytest
import torch
from pydantic import ValidationError

from classifier.microscope.diffuse import Diffuse
from classifier.microscope.overlayer import Overlayer
from classifier.microscope.ranges import DRAWN, draw_values, streams
from classifier.pattern.measurement import CONDITIONS, drawn

ORDINARY = CONDITIONS["ordinary"]


def test_every_range_of_every_effect_is_drawn_and_no_other_name_is():
    ranges = {f"{name}.{value}" for name, effect in ORDINARY.effects().items() for value in type(effect).model_fields}
    assert set(DRAWN) == ranges and len(DRAWN) == len(ranges)


def test_values_lie_within_their_ranges_and_fill_them():
    values = drawn(ORDINARY, range(200))
    assert len(values) == len(DRAWN) + 4 and all(value.shape == (200, 3) for value in values.values())
    for name, effect in ORDINARY.effects().items():
        for key, (low, high) in dict(effect).items():
            value = values[f"{name}.{key}"]
            assert low <= value.min() <= low + 0.03 * (high - low) and high >= value.max() >= high - 0.03 * (high - low)
    assert 0.48 < values["centre_rows_pixels"].abs().max() <= 0.5 and values["scale"].abs().max() <= 0.02


def test_a_sample_draws_the_same_alone_and_whichever_effects_are_there():
    whole, alone = drawn(ORDINARY, [3, 4, 5]), drawn(ORDINARY, [4])
    assert all(torch.equal(alone[name][0], whole[name][1]) for name in whole)
    only = drawn(ORDINARY.model_copy(update={"overlayer": None, "camera": None}), [3, 4, 5])
    assert set(only) < set(whole) and all(torch.equal(only[name], whole[name]) for name in only)
    assert drawn(CONDITIONS["ideal"], [3]) == {} and len(drawn(CONDITIONS["counted"], [3])) == 4


def test_values_of_one_draw_are_independent():
    values = torch.stack([value.flatten() for value in drawn(ORDINARY, range(400)).values()])
    correlation = torch.corrcoef(values) - torch.eye(len(values))
    assert correlation.abs().max() < 0.15


def test_ranges_that_make_no_sense_are_refused():
    for wrong in ((0.3, 0.1), (-0.1, 0.1), (0.5, 1.5)):
        with pytest.raises(ValidationError):
            Diffuse(share=wrong, width_half_frames=(0.5, 1.0))
    effects = {"overlayer": Overlayer(share=(0.2, 0.2), ring_half_frames=(1.0, 1.0))}
    assert draw_values(effects, streams([1]), 2)["overlayer.share"].tolist() == [[pytest.approx(0.2)] * 2]
