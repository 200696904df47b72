"""Units of a user's own detector: what a text like "A^-1" or "mrad" means, and lengths in 1/angstrom."""

from classifier.crystal.electron import wavelength_angstrom
from classifier.foundation.errors import InputError

# 1/angstrom a unit, and radian a unit; keys as _plain writes them.
RECIPROCAL = {"1/angstrom": 1.0, "1/a": 1.0, "1/ang": 1.0, "1/nm": 0.1, "1/nanometer": 0.1, "1/pm": 100.0, "1/m": 1e-10}
ANGULAR = {"mrad": 1e-3, "milliradian": 1e-3, "rad": 1.0, "radian": 1.0, "urad": 1e-6, "microrad": 1e-6}
SPELLINGS = {"⁻¹": "^-1", "\u2212": "-", "**": "^", "å": "angstrom", "ångström": "angstrom", "µ": "u", "μ": "u",
             "angstroms": "angstrom", "inverse": "1/", "reciprocal": "1/"}


def is_unit(text: str) -> bool:
    """Whether a text names a unit of a detector's pixel."""
    return _plain(text) in RECIPROCAL or _plain(text) in ANGULAR


def to_inverse_angstrom(value: float, unit: str, *, beam_energy_kev: float, source: object) -> float:
    """A length on the detector in 1/angstrom; angles by their small-angle length, angle / wavelength.

    Parameters
    ----------
    value, unit, beam_energy_kev : the length, or the angle and what gives the wavelength
    source : named in errors
    """
    plain = _plain(unit)
    if plain in RECIPROCAL:
        return value * RECIPROCAL[plain]
    if plain in ANGULAR:
        return value * ANGULAR[plain] / wavelength_angstrom(beam_energy_kev)
    raise InputError(source=source, rule="a pixel's unit must be a reciprocal length or an angle", value=repr(unit),
                     remedy='Declare pixel_size = { value = ..., unit = "1/angstrom" } (or "1/nm", "mrad", "rad").')


def _plain(unit: str) -> str:
    """One spelling of each unit: "$\\mathrm{A}^{-1}$", "Å⁻¹" and "1 / A" become "1/a" or "1/angstrom"."""
    plain = unit.lower().replace("\\mathrm", "").replace("\\aa", "angstrom").replace("\\", "")
    for spelling, ours in sorted(SPELLINGS.items(), key=lambda pair: -len(pair[0])):
        plain = plain.replace(spelling, ours)
    plain = "".join(sign for sign in plain if sign not in "${}() _")
    return "1/" + plain.removesuffix("^-1") if plain.endswith("^-1") else plain
