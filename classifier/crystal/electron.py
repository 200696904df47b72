"""The beam electron: kinetic energy to wavelength."""

import numpy as np

from classifier.foundation.errors import InputError

REST_ENERGY_KEV = 510.99895
PLANCK_TIMES_LIGHT_KEV_ANGSTROM = 12.3984198


def wavelength_angstrom(beam_energy_kev: float) -> float:
    """Relativistic wavelength h c / sqrt(E (2 m c^2 + E)), in angstrom, of an electron of kinetic energy E."""
    if not (np.isfinite(beam_energy_kev) and beam_energy_kev > 0):
        raise InputError(source="beam_energy_kev", rule="must be positive and finite", value=beam_energy_kev,
                         remedy="Give the kinetic energy in keV, for instance 100.")
    return PLANCK_TIMES_LIGHT_KEV_ANGSTROM / np.sqrt(beam_energy_kev * (2 * REST_ENERGY_KEV + beam_energy_kev))
