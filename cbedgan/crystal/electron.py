"""How the beam electron travels and how strongly atoms scatter it. Angstrom, 1/angstrom, keV, mrad."""

import gemmi
import numpy as np
from jaxtyping import Float

from classifier.crystal.electron import REST_ENERGY_KEV, wavelength_angstrom
from classifier.foundation.errors import InputError


def wavenumber_inv_angstrom(beam_energy_kev: float) -> float:
    """Return K = 1 / wavelength in 1/angstrom; theta mrad is a transverse wave vector of theta * 1e-3 * K."""
    return 1 / wavelength_angstrom(beam_energy_kev)


def interaction(beam_energy_kev: float) -> float:
    """Return gamma * lambda in angstrom; times a scattering factor per area (1/angstrom) it is a phase in rad.

    gamma * lambda * f / A equals sigma * V_projected with the relativistic interaction constant sigma.
    """
    return (1 + beam_energy_kev / REST_ENERGY_KEV) * wavelength_angstrom(beam_energy_kev)


def scattering_factor(number: int, g: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """Return the electron scattering factor f(|g|) in angstrom of the neutral atom, g in 1/angstrom.

    Five Gaussians in s = |g| / 2, valid to |g| = 4 1/angstrom (International Tables C, table 4.3.2.2).
    """
    height, width = scattering_coefficients(number)
    s2 = np.square(g) / 4
    return sum((a * np.exp(-b * s2) for a, b in zip(height, width, strict=True)), np.zeros_like(s2))


def scattering_coefficients(number: int) -> tuple[Float[np.ndarray, "5"], Float[np.ndarray, "5"]]:
    """Return a (angstrom) and b (angstrom^2) of the scattering factor sum a exp(-b s^2), s = |g| / 2."""
    coefficients = gemmi.Element(int(number)).c4322
    if coefficients is None:
        raise InputError(source="crystal", rule="every element must have an electron scattering factor (Z = 1 to 98)",
                         value=f"Z = {number}", remedy="Leave this crystal out.")
    return np.array(coefficients.a), np.array(coefficients.b)
