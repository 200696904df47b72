"""Each effect on patterns of one or two peaks, whose widths and places are known."""

import numpy as np
import pytest
import torch

from classifier.diffractometer.powder_axis import PowderAxis
from classifier.diffractometer.xrd_measurement import XrdMeasurementConfig, drawn_xrd, measured_xrd
from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError

EVEN = torch.linspace(5, 90, 4251, dtype=torch.float64)  # 0.02 degree
IN_SINE = torch.rad2deg(2 * torch.asin(torch.linspace(0.06, 0.7, 4251, dtype=torch.float64)))
PLACES = (30.0, 80.0)
ORDINARY = parse_config({"preset": "ordinary"}, XrdMeasurementConfig, source="test")


def peaks(angles: torch.Tensor) -> torch.Tensor:
    return sum(torch.exp(-0.5 * ((angles - place) / 0.04)**2) for place in PLACES)[None, None]


def only(**effects) -> XrdMeasurementConfig:
    return parse_config(effects, XrdMeasurementConfig, source="test")


def near(pattern: torch.Tensor, angles: torch.Tensor, place: float) -> tuple[float, float]:
    """The highest point near a place, by a parabola, and the full width at half maximum, degrees."""
    inside = (angles - place).abs() < 3
    x, y = angles[inside].numpy(), pattern[0, 0][inside].numpy()
    top = int(y.argmax())
    centre = np.polynomial.Polynomial.fit(x[top - 1:top + 2], y[top - 1:top + 2], 2).deriv().roots()[0]
    above = x[y > y.max() / 2]
    return float(centre), float(above[-1] - above[0])


@pytest.mark.parametrize("angles", [EVEN, IN_SINE])
def test_small_crystallites_broaden_as_scherrer_says(angles):
    axis = PowderAxis(angles, 1.5406)
    wide = measured_xrd(peaks(angles), axis, only(broadening={"inverse_size_per_nm": [0.05, 0.05], "strain": [0, 0]}),
                        [1])
    for place in PLACES:
        scherrer = np.degrees(0.9 * 0.15406 * 0.05 / np.cos(np.radians(place / 2)))
        gauss = 0.04 * 2.3548  # of the peak before; both together as Olivero and Longbothum say
        expected = 0.5346 * scherrer + np.sqrt(0.2166 * scherrer**2 + gauss**2)
        assert near(wide, angles, place) == pytest.approx((place, expected), abs=0.045)


@pytest.mark.parametrize("angles", [EVEN, IN_SINE])
def test_strain_broadens_more_at_high_angles(angles):
    axis = PowderAxis(angles, 1.5406)
    wide = measured_xrd(peaks(angles), axis, only(broadening={"inverse_size_per_nm": [0, 0], "strain": [0.003, 0.003]}),
                        [1])
    for place in PLACES:
        strain = np.degrees(4 * 0.003 * np.tan(np.radians(place / 2)))
        assert near(wide, angles, place)[1] == pytest.approx(np.hypot(strain, 0.04 * 2.3548), abs=0.06)


def test_a_wrong_zero_and_a_displaced_specimen_move_peaks():
    axis = PowderAxis(IN_SINE, 1.5406)
    moved = measured_xrd(peaks(IN_SINE), axis, only(alignment={"zero_degree": [0.1, 0.1], "displacement": [0, 0]}), [1])
    low = measured_xrd(peaks(IN_SINE), axis, only(alignment={"zero_degree": [0, 0], "displacement": [1e-3, 1e-3]}), [1])
    for place in PLACES:
        assert near(moved, IN_SINE, place)[0] == pytest.approx(place + 0.1, abs=0.005)
        shift = np.degrees(-2e-3 * np.cos(np.radians(place / 2)))
        assert near(low, IN_SINE, place)[0] == pytest.approx(place + shift, abs=0.005)


def test_counts_scatter_as_poisson_says():
    axis, flat = PowderAxis(EVEN, 1.5406), torch.ones(1, 1, len(EVEN), dtype=torch.float64)
    counted = measured_xrd(flat, axis, only(counting={"log10_highest": [3, 3]}), [5])
    relative = float(counted.std() / counted.mean())
    assert relative == pytest.approx(1000**-0.5, rel=0.05) and float(counted.max()) == 1


def test_background_hump_and_impurities_come_on_top():
    axis = PowderAxis(EVEN, 1.5406)
    high = measured_xrd(peaks(EVEN), axis, only(
        background={"level": [0.5, 0.5], "falling": [1, 1], "decay_degree": [10, 10]},
        hump={"height": [0.3, 0.3], "centre_degree": [50, 50], "width_degree": [8, 8]}), [1])[0, 0]
    first = 1 + 0.5 * np.exp(-2.5)  # the height at 30 degrees before the highest point is 1 again
    assert float(high[0]) * first == pytest.approx(0.5, rel=1e-3)
    assert float(high[int((EVEN - 50).abs().argmin())]) * first == pytest.approx(0.3 + 0.5 * np.exp(-4.5), rel=1e-3)
    spoiled = measured_xrd(peaks(EVEN), axis, only(
        impurities={"peaks": 3, "height": [0.2, 0.2], "width_degree": [0.3, 0.3]}), [1])
    assert 0 < float((spoiled - peaks(EVEN)).amax()) <= 0.2


def test_a_sample_is_the_same_in_any_batch_and_other_seeds_differ():
    axis = PowderAxis(IN_SINE.float(), 1.5406)
    pattern = peaks(IN_SINE).float()
    both = measured_xrd(pattern.repeat(2, 1, 1), axis, ORDINARY, [7, 8])
    alone = measured_xrd(pattern, axis, ORDINARY, [8])
    assert torch.allclose(both[1:], alone, atol=1e-6) and not torch.allclose(both[:1], both[1:], atol=1e-2)
    assert (both >= 0).all() and both.amax(-1).flatten().tolist() == [1, 1]


def test_what_was_drawn_is_told_and_lies_in_its_range():
    told = drawn_xrd(ORDINARY, range(50))
    assert told["alignment.zero_degree"].shape == (50, 1) and float(told["alignment.zero_degree"].min()) < 0
    assert float(told["broadening.strain"].max()) <= 0.002 and len(told) == 13


def test_ideal_changes_nothing_and_faults_are_named():
    pattern = peaks(EVEN)
    ideal = parse_config({"preset": "ideal"}, XrdMeasurementConfig, source="test")
    assert measured_xrd(pattern, PowderAxis(EVEN, 1.5), ideal, [0]) is pattern
    with pytest.raises(InputError, match="one for each sample"):
        measured_xrd(pattern, PowderAxis(EVEN, 1.5), ORDINARY, [0, 1])
    for wrong in ({"preset": "none"}, {"alignment": {"zero_degree": [1, 0], "displacement": [0, 0]}}):
        with pytest.raises(InputError):
            only(**wrong)
