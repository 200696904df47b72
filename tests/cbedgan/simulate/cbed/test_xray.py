"""The strongest X-ray reflections: textbook powder patterns, and another program's on structures of its own."""

import numpy as np
import pytest

from cbedgan.crystal.crystals import standard_crystal
from cbedgan.crystal.prototypes import prototypes
from cbedgan.simulate.cbed.xray import strongest_reflections
from classifier.foundation.errors import InputError


def cubic(a: float, sites: dict[int, list]):
    positions = [place for places in sites.values() for place in places]
    numbers = [number for number, places in sites.items() for _ in places]
    return standard_crystal(a * np.eye(3), positions, numbers, source="test")


FACES = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


SALT = cubic(5.64, {11: list(FACES), 17: list(FACES + 0.5)})


@pytest.mark.parametrize("crystal, hkl", [
    (SALT, [[2, 0, 0], [2, 2, 0], [4, 2, 0]]),  # atoms at rest: 420 is a little stronger than 222
    (cubic(5.431, {14: [*FACES, *(FACES + 0.25)]}), [[1, 1, 1], [2, 2, 0], [3, 1, 1]]),
    (cubic(4.12, {55: [[0, 0, 0]], 17: [[0.5, 0.5, 0.5]]}), [[1, 1, 0], [1, 0, 0], [2, 1, 1]]),
    (cubic(1.5, {6: [[0, 0, 0]]}), [[1, 0, 0], [1, 1, 0], [1, 1, 1]]),  # only two spacings lie above 1 angstrom
])
def test_textbook_patterns(crystal, hkl):
    strongest, spacing = strongest_reflections(crystal)
    assert strongest.tolist() == hkl
    np.testing.assert_allclose(spacing, crystal.lattice[0, 0] / np.linalg.norm(hkl, axis=1))


def test_a_cell_with_too_few_reflections_is_refused():
    with pytest.raises(InputError, match="found 2"):
        strongest_reflections(cubic(1.2, {6: [[0, 0, 0]]}))


def test_parallel_reflections_count_once():
    """Layers 3.35 angstrom apart: 001 to 004 are the strongest of all."""
    lattice = np.diag([2.6, 2.7, 6.7])
    crystal = standard_crystal(lattice, [[0, 0, 0], [0, 0, 0.4]], [82, 82], source="test")
    hkl, _ = strongest_reflections(crystal)
    assert np.cross(hkl[[0, 0, 1]], hkl[[1, 2, 2]]).any(axis=1).all()


@pytest.mark.slow
@pytest.mark.parametrize("entry", ["salt", *range(0, 288, 25)])
def test_the_order_is_that_of_another_program(entry):
    """pymatgen's powder pattern, with scattering factors of its own, which may swap lines of nearly equal strength."""
    crystal = SALT if entry == "salt" else prototypes()[entry]
    diffraction = pytest.importorskip("pymatgen.analysis.diffraction.xrd")
    core = pytest.importorskip("pymatgen.core")
    pattern = diffraction.XRDCalculator(wavelength=1.54184).get_pattern(
        core.Structure(core.Lattice(crystal.lattice), crystal.numbers, crystal.positions), two_theta_range=(0, 150))
    spacings = np.array(pattern.d_hkls)
    hkl, d_hkl = strongest_reflections(crystal)
    named = [mates[0]["hkl"] for mates in pattern.hkls]
    ranked = [k for k in np.argsort(-pattern.y, kind="stable") if 1 < spacings[k] < 5]
    theirs: list[int] = []
    for k in ranked:
        index = np.array(named[k])[[0, 1, -1]]
        mate = next((j for j in theirs if not np.cross(index, np.array(named[j])[[0, 1, -1]]).any()), None)
        if mate is None and len(theirs) < 3:
            theirs.append(k)
    strength = [pattern.y[np.abs(spacings - d).argmin()] for d in d_hkl]
    np.testing.assert_allclose(strength, pattern.y[theirs], rtol=0.03)
    np.testing.assert_allclose(d_hkl, 1 / np.linalg.norm(hkl @ np.linalg.inv(crystal.lattice).T, axis=1), rtol=1e-5)
