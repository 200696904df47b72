"""Absorptive factors against the integral done by numbers, against another published potential, and conservation."""

from collections.abc import Callable

import numpy as np
import pytest

from cbedgan.crystal.electron import interaction, scattering_factor
from cbedgan.crystal.thermal_diffuse import absorptive_factor, thermal_diffuse_profile

STRENGTH = interaction(100.0)
# f = sum A (1 - exp(-B s^2)) / s^2, right to any angle (A. Weickenmeier & H. Kohl, Acta Cryst. A47 (1991) 590).
PUBLISHED = {
    8: ([0.03547, 0.03133, 0.10865, 0.01615], [0.17964, 2.60856, 11.79972, 38.02912]),
    14: ([0.03812, 0.17833, 0.06280, 0.05605], [0.05396, 1.86461, 22.54263, 72.43144]),
    82: ([0.43358, 0.88007, 0.52966, 0.12059], [0.05154, 1.03252, 8.49678, 58.79463]),
}


def absorptive(number: int, g: np.ndarray | float, b: float, strength: float = STRENGTH) -> np.ndarray:
    return absorptive_factor(number, np.asarray(g), debye_waller_angstrom2=b, interaction_angstrom=strength)


def integral(factor: Callable[[np.ndarray], np.ndarray], g: float, b: float, end: float) -> float:
    """Hall & Hirsch's integral over the plane in polar coordinates about g / 2, to a radius of `end` 1/angstrom."""
    radius, angle = np.geomspace(1e-3, end, 1200), (np.arange(64) + 0.5) * np.pi / 64
    x, y = radius[:, None] * np.cos(angle), radius[:, None] * np.sin(angle)
    one, other = np.hypot(x + g / 2, y), np.hypot(x - g / 2, y)
    inside = factor(one) * factor(other) * (np.exp(-b * g**2 / 4) - np.exp(-b * (one**2 + other**2) / 4))
    return STRENGTH / 2 * np.trapezoid(2 * np.pi * inside.mean(1) * radius**2, np.log(radius))


@pytest.mark.parametrize("b", [0.3, 0.8])
@pytest.mark.parametrize("number", [8, 82])
def test_closed_form_is_the_integral(number, b):
    """Of the table's factor as far as the table goes, and of a screened nucleus beyond, joined at |g| = 4."""
    screening = 4 * (0.0239336 * number / scattering_factor(number, np.array([4.0]))[0] - 4)  # in |g|^2
    def factor(h: np.ndarray) -> np.ndarray:
        return np.where(h < 4, scattering_factor(number, h), 4 * 0.0239336 * number / (h**2 + screening))
    g = [0.0, 0.5, 1.0, 2.0, 3.0]
    wanted = [integral(factor, one, b, 400.0) for one in g]
    assert absorptive(number, g, b) == pytest.approx(wanted, rel=5e-3, abs=2e-4 * wanted[0])


@pytest.mark.parametrize("number", PUBLISHED)
def test_agreement_with_weickenmeier_and_kohls_potential(number):
    def factor(h: np.ndarray) -> np.ndarray:
        s2 = np.maximum(h**2 / 4, 1e-9)[..., None]
        return (np.array(PUBLISHED[number][0]) * -np.expm1(-np.array(PUBLISHED[number][1]) * s2) / s2).sum(-1)
    g = [0.0, 1.0, 2.0, 3.0]
    assert absorptive(number, g, 0.5) == pytest.approx([integral(factor, one, 0.5, 400.0) for one in g], rel=0.04)


@pytest.mark.parametrize(("number", "at_0", "at_1"), [(8, 0.009, 0.023), (82, 0.070, 0.227)])
def test_share_of_the_elastic_factor(number, at_0, at_1):
    """Known for the table without its tail at 100 keV and B = 0.5; the tail adds 6 to 19 %."""
    g = np.array([0.0, 1.0])
    share = absorptive(number, g, 0.5) / scattering_factor(number, g) / np.exp(-0.5 * g**2 / 4)
    assert (share > 1.05 * np.array([at_0, at_1])).all() and (share < 1.2 * np.array([at_0, at_1])).all()


def test_absorption_grows_with_vibration_and_charge_and_falls_with_energy():
    by_b = [float(absorptive(14, 0.0, b)) for b in (0.0, 0.2, 0.5, 1.0)]
    assert by_b[0] == pytest.approx(0.0, abs=1e-9) and (np.diff(by_b) > 0).all()
    assert (np.diff([float(absorptive(number, 0.0, 0.5)) for number in (1, 6, 14, 32, 50, 82)]) > 0).all()
    slower, faster = (absorptive(14, 0.0, 0.5, interaction(energy)) for energy in (100.0, 300.0))
    assert faster / slower == pytest.approx(0.548 / 0.777, rel=2e-3)  # v / c at 100 keV over that at 300 keV


def test_loss_of_a_vibrating_light_atom_is_that_of_the_mean_over_its_displacements():
    """exp(i phase) of silicon, averaged over a Gaussian cloud of places, loses what exp(-absorption) takes away."""
    b, length, points = 0.4, 4.0, 512
    frequency = np.fft.fftfreq(points, length / points)
    g = np.hypot(frequency[:, None], frequency)
    a, width = (np.array(part)[:, None, None] for part in PUBLISHED[14])
    factor = (a * -np.expm1(-width * (g**2 + 1e-9) / 4) / (g**2 + 1e-9) * 4).sum(0)
    def wave(spectrum: np.ndarray) -> np.ndarray:
        return STRENGTH * np.fft.ifft2(spectrum, norm="forward") / length**2
    cloud = np.exp(-b * g**2 / 4)
    mean = np.fft.ifft2(np.fft.fft2(np.exp(1j * wave(factor).real)) * cloud)
    lost = 1 - np.abs(mean)**2
    modelled = 1 - np.exp(-2 * wave(absorptive(14, g, b)).real)
    assert modelled.mean() == pytest.approx(lost.mean(), rel=0.02)
    assert modelled.max() == pytest.approx(lost.max(), rel=0.05) and lost.max() > 0.03


def test_every_element_absorbs_around_the_atom():
    """The absorption in real space is a mean square: positive but for what the band limit of 3.25 makes ring."""
    frequency = np.fft.fftfreq(96, 1 / 16.0)
    g = np.hypot(frequency[:, None], frequency)
    for number in range(1, 99):
        around = np.fft.ifft2(absorptive(number, g, 0.5)).real
        assert around[0, 0] == around.max() > 0 and around.min() > -0.01 * around.max()


@pytest.mark.parametrize("number", [8, 38, 82])
def test_what_is_taken_away_is_what_is_scattered(number):
    g = np.geomspace(1e-3, 400.0, 4000)
    profile = thermal_diffuse_profile(np.array([number]), np.array([0.6]), g)
    assert profile.min() >= 0
    scattered = STRENGTH**2 * np.trapezoid(2 * np.pi * g**2 * profile, np.log(g))  # times 1 / area
    assert scattered == pytest.approx(float(2 * STRENGTH * absorptive(number, 0.0, 0.6)), rel=1e-3)


def test_profile_of_a_composition_is_the_sum_of_its_atoms():
    g = np.linspace(0, 3, 7).reshape(1, 7)
    both = thermal_diffuse_profile(np.array([14, 8]), np.array([0.4, 0.6]), g)
    each = [thermal_diffuse_profile(np.array([number]), np.array([b]), g) for number, b in ((14, 0.4), (8, 0.6))]
    assert both == pytest.approx(each[0] + each[1]) and both[0, 0] == 0 < both[0, 1]
    assert both[0, 2] == pytest.approx(sum(scattering_factor(number, g[0, 2:3])[0] ** 2 * (1 - np.exp(-b / 2))
                                           for number, b in ((14, 0.4), (8, 0.6))), rel=5e-3)
