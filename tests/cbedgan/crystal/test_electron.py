"""The beam electron against textbook values."""

import numpy as np
import pytest

from cbedgan.crystal.electron import interaction, scattering_factor, wavelength_angstrom, wavenumber_inv_angstrom
from classifier.foundation.errors import InputError


@pytest.mark.parametrize(("energy", "wavelength"), [(100.0, 0.0370144), (200.0, 0.0250793), (300.0, 0.0196875)])
def test_wavelength(energy, wavelength):
    assert wavelength_angstrom(energy) == pytest.approx(wavelength, rel=1e-5)
    assert wavenumber_inv_angstrom(energy) == pytest.approx(1 / wavelength, rel=1e-5)


def test_interaction_equals_sigma_times_the_potential_of_one_unit():
    """sigma = 0.924 mrad / (V angstrom) at 100 keV; f = 1 angstrom is a potential of 47.878 V angstrom^3."""
    assert interaction(100.0) == pytest.approx(0.92440e-3 * 47.878, rel=1e-4)


def test_scattering_factor_counts_g_not_s():
    """Silicon: 5.83 angstrom forward, 0.74 at s = 0.5, which is |g| = 1 (the table's own variable is s = g / 2)."""
    f = scattering_factor(14, np.array([[0.0, 1.0]]))
    assert f.shape == (1, 2) and f[0] == pytest.approx([5.828, 0.7425], abs=2e-3)


def test_scattering_factor_at_high_angle_approaches_rutherford():
    """f = 0.023934 (Z - f_x) / s^2 (s in 1/angstrom), with hardly any X-ray scattering left at s = 2."""
    assert scattering_factor(6, np.array([4.0]))[0] == pytest.approx(0.023934 * 6 / 4, rel=0.15)


@pytest.mark.parametrize("energy", [0.0, -100.0, float("inf")])
def test_energy_must_be_positive(energy):
    with pytest.raises(InputError, match="beam_energy_kev"):
        wavelength_angstrom(energy)


def test_elements_without_table_are_refused():
    with pytest.raises(InputError, match="Z = 104"):
        scattering_factor(104, np.zeros(1))
