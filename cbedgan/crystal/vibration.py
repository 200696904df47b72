"""How far atoms vibrate: the Debye-Waller B = 8 pi^2 <u^2> in angstrom^2 of an element in some crystal, by temperature.

Debye model with zero-point motion (B. T. M. Willis & A. W. Pryor, Thermal Vibrations in Crystallography, 1975).
"""

from functools import lru_cache

import gemmi
import numpy as np

from classifier.foundation.errors import InputError

SCALE = 11490.4  # 24 pi^2 hbar^2 / (k * atomic mass unit) in angstrom^2 K
LEAST_B, GREATEST_B = 0.2, 2.0  # angstrom^2 at 300 K, between which B of atoms in most inorganic crystals lies
ROOM_KELVIN = 300.0

# Mass times Debye temperature squared (u K^2), as stiff as atoms of oxides are: classically B = 0.45 at 300 K.
STIFFNESS = SCALE * ROOM_KELVIN / 0.45
HALOGENS = (9, 17, 35, 53, 85)  # singly charged: held half as stiffly as oxygen

# Debye temperatures of the elements in K (C. Kittel, Introduction to Solid State Physics, chapter 5, table 1).
DEBYE_KELVIN = {
    "Li": 344, "Be": 1440, "C": 2230, "Ne": 75, "Na": 158, "Mg": 400, "Al": 428, "Si": 645, "Ar": 92, "K": 91,
    "Ca": 230, "Sc": 360, "Ti": 420, "V": 380, "Cr": 630, "Mn": 410, "Fe": 470, "Co": 445, "Ni": 450, "Cu": 343,
    "Zn": 327, "Ga": 320, "Ge": 374, "As": 282, "Se": 90, "Kr": 72, "Rb": 56, "Sr": 147, "Y": 280, "Zr": 291,
    "Nb": 275, "Mo": 450, "Ru": 600, "Rh": 480, "Pd": 274, "Ag": 225, "Cd": 209, "In": 108, "Sn": 200, "Sb": 211,
    "Te": 153, "Xe": 64, "Cs": 38, "Ba": 110, "La": 142, "Gd": 200, "Dy": 210, "Yb": 120, "Lu": 210, "Hf": 252,
    "Ta": 240, "W": 400, "Re": 430, "Os": 500, "Ir": 420, "Pt": 240, "Au": 165, "Hg": 71.9, "Tl": 78.5, "Pb": 105,
    "Bi": 119, "Th": 163, "U": 207,
}


def debye_model(mass: float, debye_kelvin: float, temperature_kelvin: float) -> float:
    """Return B in angstrom^2 of a crystal of one kind of atom; mass in atomic mass units."""
    ratio = debye_kelvin / temperature_kelvin
    end = min(ratio, 60.0)  # the integrand is nothing beyond
    place, weight = np.polynomial.legendre.leggauss(48)
    t = end * (place + 1) / 2
    integral = float((weight * t / np.expm1(t)).sum() * end / 2)
    return SCALE * temperature_kelvin / (mass * debye_kelvin**2) * (integral / ratio + ratio / 4)


@lru_cache(maxsize=512)
def debye_waller(number: int, temperature_kelvin: float = ROOM_KELVIN) -> float:
    """Return B in angstrom^2 of element `number` in a crystal of which nothing but its elements is known.

    The characteristic temperature follows from a stiffness, mass times temperature squared. It is the geometric mean
    of the pure element's and of STIFFNESS, since the neighbours are half of every bond; elements without a Debye
    temperature of their own have STIFFNESS, halogens half of it. It is then such that B at 300 K lies between LEAST_B
    and GREATEST_B.
    """
    if not 0 < temperature_kelvin < np.inf:
        raise InputError(source="temperature_kelvin", rule="must be positive and finite", value=temperature_kelvin,
                         remedy="Give the specimen's temperature in kelvin, for instance 300.")
    element = gemmi.Element(int(number))
    own = DEBYE_KELVIN.get(element.name)
    stiffness = STIFFNESS / 2 if number in HALOGENS else STIFFNESS
    if own is not None:
        stiffness = np.sqrt(stiffness * element.weight) * own
    debye_kelvin = float(np.sqrt(stiffness / element.weight))
    at_room = debye_model(element.weight, debye_kelvin, ROOM_KELVIN)
    bounded = min(max(at_room, LEAST_B), GREATEST_B) / at_room
    return bounded * debye_model(element.weight, debye_kelvin, temperature_kelvin)
