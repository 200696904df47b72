"""Peaks beside pymatgen's, on prototypes; invariance; gradients."""

from dataclasses import replace
from math import pi

import gemmi
import numpy as np
import pymatgen.analysis.diffraction.xrd as oracle
import pytest
import torch
from pymatgen.core import Lattice, Structure

from cbedgan.crystal.crystals import Crystal, standard_crystal
from cbedgan.crystal.prototypes import known_crystals, prototypes
from cbedgan.simulate.powder.scatterers import Scatterers, scatterers
from cbedgan.simulate.xrd.orientation import PreferredOrientation
from cbedgan.simulate.xrd.peaks import Peaks, merged, reflection_peaks
from classifier.foundation.errors import InputError

CUK, MOST = 1.54184, 90.0
# Polar, centred, monoclinic, hexagonal and tetragonal ones; places in the table of well-known types.
DOZEN = (0, 2, 3, 6, 8, 9, 10, 11, 12, 13, 15, 16)


def theirs(numbers, s2):
    """pymatgen's own form factors: Z - 41.78214 s^2 sum a exp(-b s^2)."""
    def one(number):
        a, b = np.array(oracle.ATOMIC_SCATTERING_PARAMS[gemmi.Element(number).name]).T
        s = s2.numpy()[..., None]
        return number - 41.78214 * s2.numpy() * (a * np.exp(-b * s)).sum(-1)
    return torch.stack([torch.stack([torch.from_numpy(one(number)[row]) if number else torch.zeros_like(s2[row])
                                     for number in kinds[:, 0].tolist()], -1)[..., None]
                        for row, kinds in enumerate(numbers)])


def told(crystal: Crystal) -> tuple[np.ndarray, np.ndarray]:
    structure = Structure(Lattice(crystal.lattice), crystal.numbers.tolist(), crystal.positions)
    pattern = oracle.XRDCalculator(CUK).get_pattern(structure, scaled=False, two_theta_range=(0, MOST))
    return np.array(pattern.x), np.array(pattern.y) / abs(np.linalg.det(crystal.lattice))**2


def ours(crystal: Crystal, **how) -> tuple[np.ndarray, np.ndarray]:
    peaks = merged(reflection_peaks(scatterers([crystal]), CUK, MOST, **how))
    return peaks.two_theta_degree[0].numpy(), peaks.intensity[0].numpy()


def difference(crystal: Crystal, **how) -> tuple[float, float]:
    """Of all peaks above a thousandth of the highest: largest error of place (degrees), and of intensity (relative).

    Both are summed about a peak under a Gaussian of 0.003 degree: which near peaks are called one is not compared.
    """
    (x, y), (x2, y2) = told(crystal), ours(crystal, **how)
    high = y > 1e-3 * y.max()
    near, alike = (np.abs(places[None] - x[high][:, None]) for places in (x2, x))
    sums = [np.exp(-0.5 * (apart / 0.003)**2) @ amounts for apart, amounts in ((alike, y), (near, y2))]
    return float(near.min(1).max()), float(np.abs(sums[1] / sums[0] - 1).max())


@pytest.mark.parametrize("place", DOZEN)
def test_peaks_are_pymatgens_with_its_form_factors(place):
    place, intensity = difference(known_crystals()[place], form_factors=theirs)
    assert place < 1e-4 and intensity < 1e-3


@pytest.mark.slow
def test_all_prototypes_are_pymatgens():
    worst = np.array([difference(crystal, form_factors=theirs) for crystal in prototypes()])
    assert worst[:, 0].max() < 0.01 and worst[:, 1].max() < 0.01


def polar() -> Crystal:
    return known_crystals()[13]  # Si2N2O, of 10 atoms


def supercell(atoms: Scatterers, times: tuple[int, int, int]) -> Scatterers:
    """The first of a batch, its cell repeated along each vector."""
    shifts = torch.cartesian_prod(*(torch.arange(n, dtype=atoms.lattice.dtype) for n in times))
    repeats = torch.tensor(times, dtype=atoms.lattice.dtype)
    positions = ((atoms.positions[0] + shifts[:, None]) / repeats).reshape(1, -1, 3)
    return Scatterers(atoms.lattice[:1] * repeats[:, None], positions, atoms.occupancy[:1].repeat(1, len(shifts)),
                      atoms.kind[:1].repeat(1, len(shifts)), atoms.elements[:1], atoms.shares[:1],
                      atoms.u_iso_angstrom2[:1])


def strong(peaks: Peaks) -> np.ndarray:
    peaks = merged(peaks)
    kept = peaks.intensity[0] > 1e-9 * peaks.intensity.max()
    return torch.stack((peaks.two_theta_degree[0][kept], peaks.intensity[0][kept])).numpy()


def test_a_supercell_has_the_same_peaks():
    atoms = scatterers([polar()], "by_element")
    one = strong(reflection_peaks(atoms, CUK, MOST))
    assert strong(reflection_peaks(supercell(atoms, (2, 1, 3)), CUK, MOST)) == pytest.approx(one, rel=1e-9)


def test_a_crystal_has_the_same_peaks_in_any_batch():
    small = known_crystals()[0]
    alone = strong(reflection_peaks(scatterers([small], 0.01), CUK, MOST))
    beside = reflection_peaks(scatterers([polar(), small], 0.01), CUK, MOST)
    assert strong(Peaks(beside.two_theta_degree[1:], beside.intensity[1:])) == pytest.approx(alone, rel=1e-12)


def test_vibration_damps_as_debye_and_waller_say():
    still, moving = (reflection_peaks(scatterers([polar()], u), CUK, MOST) for u in (0.0, 0.02))
    s = torch.sin(torch.deg2rad(still.two_theta_degree) / 2) / CUK
    there = still.intensity > 1e-6
    assert (moving.intensity / still.intensity)[there].numpy() == pytest.approx(
        torch.exp(-2 * 8 * pi**2 * 0.02 * s**2)[there].numpy())


def test_half_sodium_and_half_potassium_lie_between_them():
    """A mixture's amplitude is the mean of its elements', not its intensity."""
    salt = standard_crystal(np.eye(3) * 5.64, [[0, 0, 0], [0, .5, .5], [.5, 0, .5], [.5, .5, 0], [.5, 0, 0],
                                               [0, .5, 0], [0, 0, .5], [.5, .5, .5]], [11] * 4 + [17] * 4,
                            source="salt")
    atoms = scatterers([salt])
    kinds = torch.tensor([[[11, 19], [17, 0]]])
    roots = []
    for share in (1.0, 0.5, 0.0):
        shares = torch.tensor([[[share, 1 - share], [1, 0]]], dtype=torch.float64)
        mixed = Scatterers(atoms.lattice, atoms.positions, atoms.occupancy, atoms.kind, kinds, shares,
                           atoms.u_iso_angstrom2)
        roots.append(strong(reflection_peaks(mixed, CUK, 40.0))[1, 1]**0.5)  # 200, where all scatter in phase
    assert roots[1] == pytest.approx((roots[0] + roots[2]) / 2, rel=1e-9)


def test_platelets_lie_flat_and_a_mean_over_directions_stays():
    atoms, normals = scatterers([polar()]), torch.nn.functional.normalize(
        torch.randn(4000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    plain = reflection_peaks(atoms, CUK, 60.0)
    flat = reflection_peaks(atoms, CUK, 60.0, orientation=PreferredOrientation(
        torch.tensor([[0.0, 0, 1]], dtype=torch.float64), torch.tensor([0.5], dtype=torch.float64)))
    ratio = (flat.intensity / plain.intensity)[plain.intensity > 1e-9]
    assert ratio.max() == pytest.approx(0.5**-3) and ratio.min() == pytest.approx(0.5**1.5)
    g = torch.tensor([[[0.0, 0.3, 0.4]]], dtype=torch.float64).expand(4000, 1, 3)
    weight = PreferredOrientation(normals, torch.full((4000,), 0.7, dtype=torch.float64)).weight(g, g.norm(dim=-1))
    assert weight.mean() == pytest.approx(1, abs=0.03)


@pytest.mark.slow
def test_gradients_reach_cell_sites_occupancies_and_shares():
    atoms = scatterers([polar()], 0.01)

    def intensities(lattice, positions, occupancy, shares):
        peaks = reflection_peaks(Scatterers(lattice, positions, occupancy, atoms.kind, atoms.elements, shares,
                                            atoms.u_iso_angstrom2), CUK, 30.0)
        return peaks.intensity, peaks.two_theta_degree

    leaves = [part.clone().requires_grad_() for part in (atoms.lattice, atoms.positions, atoms.occupancy, atoms.shares)]
    assert torch.autograd.gradcheck(intensities, leaves, eps=1e-6, atol=1e-5, rtol=1e-4)


def test_an_element_without_a_form_factor_is_refused():
    crystal = replace(polar(), numbers=np.where(polar().numbers == 8, 99, polar().numbers))
    with pytest.raises(InputError, match="Z = 99"):
        scatterers([crystal])
