"""Measured copies: what moves where, what is conserved, what the counts scatter by, and what decides a draw."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from classifier.foundation.config import digest, parse_config
from classifier.foundation.errors import InputError
from classifier.microscope.diffuse import Diffuse
from classifier.pattern.measurement import CONDITIONS, MeasurementConfig, copy_seeds, measured, measured_copy

SIDE = torch.arange(48) - 23.5
Y, X = torch.meshgrid(SIDE, SIDE, indexing="ij")


def spot(x: float, y: float, width: float = 3.0) -> torch.Tensor:
    return torch.exp(-((X - x) ** 2 + (Y - y) ** 2) / (2 * width**2)) / (2 * torch.pi * width**2)


def stacks(count: int, *places: tuple[float, float]) -> torch.Tensor:
    pattern = sum((spot(*place) for place in places), torch.zeros(48, 48)) / len(places)
    return pattern.expand(count, 3, 48, 48).clone()


def centroid(patterns: torch.Tensor) -> torch.Tensor:
    return torch.stack([(patterns * side).sum((-1, -2)) for side in (X, Y)], -1) / patterns.sum((-1, -2))[..., None]


def test_ideal_is_the_pattern_itself_and_the_conditions_differ_in_electrons_alone():
    x = stacks(2, (0, 0))
    assert measured(x, CONDITIONS["ideal"], [1, 2]) is x
    assert list(CONDITIONS) == ["ideal", "counted", "counted_1e5", "counted_1e4", "filtered", "ordinary", "poor"]
    assert [one.electrons for one in CONDITIONS.values()] == [None, 1e6, 1e5, 1e4, 1e7, 1e6, 1e5]
    assert len({one.model_copy(update={"electrons": 0}) for one in list(CONDITIONS.values())[1:4]}) == 1


def test_the_centre_is_wrong_by_up_to_the_bound_along_each_axis_and_for_each_pattern_by_itself():
    moved = measured(stacks(200, (0, 0)), MeasurementConfig(centre_pixels=0.5), range(200))
    off = centroid(moved).flatten(0, 1)
    assert off.abs().max() < 0.52 and (off.abs().amax(0) > 0.47).all() and off.mean(0).abs().max() < 0.05
    assert abs(torch.corrcoef(off.T)[0, 1]) < 0.15
    assert abs(torch.corrcoef(torch.stack([off[::3, 0], off[1::3, 0]]))[0, 1]) < 0.25


def test_a_shift_along_columns_leaves_the_rows_alone_where_the_frame_is_not_square():
    patterns = stacks(20, (0, 0))[:, :, 8:40]
    moved = measured(patterns, MeasurementConfig(centre_pixels=2.0), range(20))
    off = centroid(torch.nn.functional.pad(moved, (0, 0, 8, 8)))
    again = centroid(measured(stacks(20, (0, 0)), MeasurementConfig(centre_pixels=2.0), range(20)))
    assert torch.allclose(off, again, atol=0.02)


def test_scaling_moves_disks_outwards_or_inwards_and_conserves_the_counts():
    moved = measured(stacks(100, (12, 0)), MeasurementConfig(scale=0.1), range(100))
    at = centroid(moved)[..., 0]
    assert at.min() < 11.0 and at.max() > 13.0 and at.min() > 10.7 and at.max() < 13.3
    assert (moved.sum((-1, -2)) - 1).abs().max() < 0.02  # where a change of 0.2 would be left


def test_turning_keeps_the_distance_and_turns_by_up_to_the_bound_both_ways():
    at = centroid(measured(stacks(100, (12, 0)), MeasurementConfig(azimuth_degree=10.0), range(100))).flatten(0, 1)
    degree = torch.rad2deg(torch.atan2(at[:, 1], at[:, 0]))
    assert (at.norm(dim=1) - 12).abs().max() < 0.05
    assert -10.2 < degree.min() < -9 and 9 < degree.max() < 10.2


def test_a_sharp_edge_neither_swings_below_zero_nor_above_the_disk():
    disk = (X.hypot(Y) < 8).float().expand(30, 1, 48, 48).clone()
    moved = measured(disk, MeasurementConfig(centre_pixels=0.5), range(30))
    assert moved.min() == 0 and moved.max() == 1
    assert (moved.sum((-1, -2)) / disk.sum((-1, -2)) - 1).abs().max() < 0.02


def test_beyond_the_frame_the_edge_goes_on():
    flat = torch.full((5, 1, 16, 16), 0.25)
    assert torch.allclose(measured(flat, MeasurementConfig(centre_pixels=3.0, azimuth_degree=30.0), range(5)), flat)


def test_counts_are_whole_and_scatter_like_poisson():
    intensity = torch.full((40, 1, 32, 32), 2e-5)
    counts = measured(intensity, MeasurementConfig(electrons=1e6), range(40)) * 1e6
    assert torch.allclose(counts, counts.round(), atol=1e-3)
    assert abs(counts.mean() - 20) < 0.1 and abs(counts.var() - 20) < 0.7
    assert measured(torch.zeros(1, 1, 4, 4), MeasurementConfig(electrons=1e6), [0]).eq(0).all()


def test_a_copy_depends_on_its_own_sample_and_draw_and_on_no_other_sample():
    x, ids, counted = stacks(6, (0, 0), (12, 5)), np.array(list("abcdef")), CONDITIONS["counted"]
    whole = measured_copy(x, ids, counted)
    assert torch.equal(measured_copy(x[[4, 1]], ids[[4, 1]], counted), whole[[4, 1]])
    assert not torch.equal(whole[0], whole[1])
    assert not torch.equal(measured_copy(x, ids, counted, draw=1), whole)
    assert not torch.equal(measured_copy(x, ids, counted, seed=1), whole)
    assert len({*copy_seeds(ids), *copy_seeds(ids, draw=1), *copy_seeds(ids, seed=1)}) == 18


def test_blocks_change_nothing(monkeypatch):
    x = stacks(5, (0, 0), (12, 5))
    whole = measured(x, CONDITIONS["counted_1e4"], range(5))
    monkeypatch.setattr("classifier.pattern.measurement.stacks_at_once", lambda shape: 2)
    assert torch.equal(measured(x, CONDITIONS["counted_1e4"], range(5)), whole)


@pytest.mark.parametrize("name", ["filtered", "ordinary", "poor"])
def test_a_microscopes_copy_depends_on_its_own_sample_alone(name, monkeypatch):
    x, seeds = stacks(5, (0, 0), (12, 5)), [3, 1, 4, 1, 5]
    whole = measured(x, CONDITIONS[name], seeds)
    assert whole.min() >= 0 and whole.isfinite().all() and torch.equal(whole[1], whole[3])
    assert not torch.equal(whole[0], whole[1]) and not torch.equal(whole[0, 0], whole[0, 1])
    monkeypatch.setattr("classifier.pattern.measurement.stacks_at_once", lambda shape: 1)
    assert torch.allclose(measured(x, CONDITIONS[name], seeds), whole, atol=2e-6)


def test_more_of_everything_hides_more():
    x = stacks(40, (0, 0), (12, 5), (-12, 3))
    off = [float((measured(x, CONDITIONS[name], range(40)) - x).abs().sum())
           for name in ("filtered", "ordinary", "poor")]
    assert off[0] < 0.7 * off[1] and off[1] < 0.8 * off[2]


def test_a_microscope_adds_no_light_but_noise():
    x = stacks(60, (0, 0), (9, 5))
    for name in ("filtered", "ordinary", "poor"):
        light = measured(x, CONDITIONS[name], range(60)).sum((-2, -1))
        assert light.mean() < 1.01 and light.max() < 1.05 and light.min() > 0.5


def test_conditions_of_one_seed_err_alike_in_pose():
    x = stacks(3, (0, 0))
    strong, weak = (centroid(measured(x, CONDITIONS[name], [7, 8, 9])) for name in ("counted", "counted_1e5"))
    assert torch.allclose(strong, weak, atol=0.05)


@pytest.mark.parametrize("value", [-1e-9, float("nan"), float("inf")])
def test_what_is_no_intensity_is_refused(value):
    x = stacks(2, (0, 0))
    x[1, 2, 3, 4] = value
    with pytest.raises(InputError, match="1 pixels that are not"):
        measured(x, CONDITIONS["counted"], [0, 1])


def test_seeds_and_bounds_that_make_no_sense_are_refused():
    with pytest.raises(InputError, match="2 for 3"):
        measured(stacks(3, (0, 0)), CONDITIONS["counted"], [0, 1])
    for wrong in ({"electrons": -1.0}, {"centre_pixels": -0.5}, {"scale": 0.6}, {"tilt": 1.0}):
        with pytest.raises(ValidationError):
            MeasurementConfig.model_validate(wrong)


def test_a_preset_in_a_file_is_the_condition_and_may_differ_in_what_the_file_says():
    assert parse_config({"preset": "ordinary"}, MeasurementConfig, source="a file") == CONDITIONS["ordinary"]
    told = parse_config({"preset": "poor", "electrons": 2e5, "plasmons": None,
                         "diffuse": {"share": [0.1, 0.2], "width_half_frames": [0.5, 1]}}, MeasurementConfig, source="")
    assert told == CONDITIONS["poor"].model_copy(update={
        "electrons": 2e5, "plasmons": None, "diffuse": Diffuse(share=(0.1, 0.2), width_half_frames=(0.5, 1.0))})
    assert parse_config(told.model_dump(mode="json"), MeasurementConfig, source="a dump") == told
    for wrong in ([0.1, "0.2"], [0.1], [0.1, 0.2, 0.3], [0.2, 0.1], 0.1):
        with pytest.raises(InputError, match="diffuse.share"):
            parse_config({"preset": "poor", "diffuse": {"share": wrong, "width_half_frames": [0.5, 1]}},
                         MeasurementConfig, source="a file")
    with pytest.raises(InputError, match="filtered, ordinary, poor"):
        parse_config({"preset": "fine"}, MeasurementConfig, source="a file")
    with pytest.raises(InputError, match="needs electrons to count"):
        parse_config({"preset": "poor", "electrons": None}, MeasurementConfig, source="a file")


def test_the_conditions_of_before_have_the_digests_of_before():
    assert [digest(CONDITIONS[name])[:8] for name in ("ideal", "counted", "counted_1e5", "counted_1e4")] == [
        "7f29adb6", "3ad6b088", "785cf713", "7ffdc1b6"]
