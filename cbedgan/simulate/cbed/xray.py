"""Which X-ray reflections of a crystal are strongest, as a powder pattern ranks them: they orient the OLCF patterns."""

from functools import lru_cache

import gemmi
import numpy as np
from jaxtyping import Float, Int

from cbedgan.crystal.crystals import Crystal, Lattice
from classifier.foundation.errors import InputError

WAVELENGTH_ANGSTROM = 1.54184  # copper K alpha; decides the Lorentz-polarisation factor only
LEAST_SPACING_ANGSTROM = 0.8  # close to backscattering, where the factor diverges
SPACING_LIMITS_ANGSTROM = (1.0, 5.0)  # kept to when three reflections lie within
EQUAL = 1e-5  # relative; spacings, and strengths, that differ less count as equal
FAINTEST = 1e-5  # of the strongest intensity; below, a reflection counts as absent


@lru_cache(maxsize=2)  # slabs, detectors and attributes of a crystal ask in turn
def strongest_reflections(crystal: Crystal) -> tuple[Int[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]:
    """Return the three strongest kinematic X-ray reflections: hkl, strongest first, and d in angstrom.

    Strength is that of a powder line: |F|^2 (neutral atoms at rest) times the Lorentz-polarisation factor, summed over
    all reflections of one spacing, of which the strongest names the line; of mates the lexicographically greatest hkl,
    in the conventional cell. Spacings lie strictly between 1 and 5 angstrom when three such lines exist, else anywhere.
    A line parallel to a stronger one is passed over; of equally strong ones the wider spacing comes first.
    Raises InputError when there are no three.
    """
    hkl, spacing = _half_space(crystal.lattice)
    lines = _lines(hkl, spacing, _structure_factor_squared(crystal, hkl, spacing))
    least, greatest = SPACING_LIMITS_ANGSTROM
    chosen = _not_parallel([line for line in lines if least < line[1] < greatest])
    if len(chosen) < 3:
        chosen = _not_parallel(lines)
    if len(chosen) < 3:
        raise InputError(source=crystal.source, rule="the crystal must have three X-ray reflections that are not "
                         f"parallel, of at least {LEAST_SPACING_ANGSTROM} angstrom", value=f"{len(chosen)}",
                         remedy="Leave this crystal out.")
    indices, spacings = (np.array(column) for column in zip(*chosen, strict=True))
    for column in (indices, spacings):
        column.setflags(write=False)
    return indices, spacings


def _half_space(lattice: Lattice) -> tuple[Int[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
    """All hkl but one of each Friedel pair down to the least spacing, and their spacings."""
    reach = (np.linalg.norm(lattice, axis=1) / LEAST_SPACING_ANGSTROM).astype(int)
    hkl = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), -1).reshape(-1, 3)
    hkl = hkl[len(hkl) // 2 + 1:]  # first nonzero index positive
    spacing = 1 / np.linalg.norm(hkl @ np.linalg.inv(lattice).T, axis=1)
    return hkl[spacing >= LEAST_SPACING_ANGSTROM], spacing[spacing >= LEAST_SPACING_ANGSTROM]


def _structure_factor_squared(crystal: Crystal, hkl: Int[np.ndarray, "n 3"],
                              spacing: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """|F|^2 in electrons^2 of the conventional cell, International Tables 1992 scattering factors."""
    total = np.zeros(len(hkl), dtype=np.complex128)
    for number in np.unique(crystal.numbers):
        coefficients = gemmi.Element(int(number)).it92
        if coefficients is None:
            raise InputError(source=crystal.source, rule="every element must have an X-ray scattering factor",
                             value=f"Z = {number}", remedy="Leave this crystal out.")
        phases = np.zeros(len(hkl), dtype=np.complex128)
        for place in crystal.positions[crystal.numbers == number]:
            phases += np.exp(2j * np.pi * (hkl @ place))
        s_squared = 0.25 / spacing**2
        total += phases * (coefficients.c + sum(a * np.exp(-b * s_squared) for a, b in
                                                zip(coefficients.a, coefficients.b, strict=True)))
    return np.abs(total)**2


def _lines(hkl: Int[np.ndarray, "n 3"], spacing: Float[np.ndarray, " n"],
           squared: Float[np.ndarray, " n"]) -> list[tuple[tuple[int, ...], float]]:
    """Gather reflections of one spacing into lines (hkl, spacing), strongest first, absent ones left out."""
    sine = WAVELENGTH_ANGSTROM / (2 * spacing)
    cosine_squared = 1 - sine**2
    strength = squared * (1 + (cosine_squared - sine**2)**2) / (sine**2 * np.sqrt(cosine_squared))
    order = np.argsort(-spacing, kind="stable")
    starts = np.flatnonzero(spacing[order][1:] < (1 - EQUAL) * spacing[order][:-1]) + 1
    gathered = []
    for line in np.split(order, starts):
        brightest = line[strength[line] >= (1 - EQUAL) * strength[line].max()]
        gathered.append((strength[line].sum(), spacing[line].mean(), max(map(tuple, hkl[brightest].tolist()))))
    strongest = max(power for power, *_ in gathered)
    gathered = [line for line in gathered if line[0] > FAINTEST * strongest]
    # On a logarithmic scale in steps of EQUAL, so that rounding does not decide between equally strong lines.
    gathered.sort(key=lambda line: (-round(np.log(line[0] / strongest) / EQUAL), -line[1]))
    return [(indices, float(d)) for _, d, indices in gathered]


def _not_parallel(lines: list[tuple[tuple[int, ...], float]]) -> list[tuple[tuple[int, ...], float]]:
    """The first three lines of which no two are parallel; fewer when there are no more."""
    chosen: list[tuple[tuple[int, ...], float]] = []
    for line in lines:
        if len(chosen) < 3 and all(np.cross(line[0], other).any() for other, _ in chosen):
            chosen.append(line)
    return chosen
