"""Debye-Waller B: against measured values, and sane for every element at any temperature."""

import pytest

from cbedgan.crystal.vibration import DEBYE_KELVIN, debye_model, debye_waller
from classifier.foundation.errors import InputError


@pytest.mark.parametrize(("element", "mass", "published"), [
    ("Al", 26.98, 0.746), ("K", 39.10, 10.24), ("Fe", 55.85, 0.310), ("Cu", 63.55, 0.526), ("Pt", 195.1, 0.356),
    ("Au", 197.0, 0.593)])
def test_debye_model_of_elements_at_280_kelvin(element, mass, published):
    """Values from phonon spectra (L.-M. Peng et al., Acta Cryst. A52 (1996) 456, table 1)."""
    assert debye_model(mass, DEBYE_KELVIN[element], 280.0) == pytest.approx(published, rel=0.2)


def test_zero_point_and_classical_limits():
    assert debye_model(28.0, 600.0, 1.0) == pytest.approx(11490.4 / (4 * 28.0 * 600.0), rel=1e-3)
    assert debye_model(28.0, 100.0, 3000.0) == pytest.approx(11490.4 * 3000.0 / (28.0 * 100.0**2), rel=1e-3)


@pytest.mark.parametrize(("number", "least", "greatest"), [
    (8, 0.4, 0.8), (14, 0.3, 0.5), (11, 1.2, 2.0), (17, 0.7, 1.3), (22, 0.3, 0.6), (79, 0.3, 0.8), (82, 0.3, 1.0)])
def test_b_in_compounds_at_room_temperature(number, least, greatest):
    assert least < debye_waller(number) < greatest


def test_every_element_vibrates_within_bounds_and_more_when_warm():
    for number in range(1, 99):
        cold, room, hot = (debye_waller(number, temperature) for temperature in (20.0, 300.0, 900.0))
        assert 0.2 - 1e-9 < room < 2.0 + 1e-9 and 0 < cold < room < hot


@pytest.mark.parametrize("temperature", [0.0, -5.0, float("nan"), float("inf")])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(InputError, match="temperature_kelvin"):
        debye_waller(14, temperature)
