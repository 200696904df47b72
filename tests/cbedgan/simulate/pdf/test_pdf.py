"""Pair distribution functions beside a slow Fourier integral of Debye's sum; invariance; gradients."""

from dataclasses import replace
from itertools import product
from math import pi

import numpy as np
import pytest
import torch

from cbedgan.crystal.crystals import Crystal, standard_crystal
from cbedgan.crystal.vibration import debye_waller
from cbedgan.simulate.pdf.pairs import pairs_within
from cbedgan.simulate.pdf.pdf_config import PdfConfig
from cbedgan.simulate.pdf.render_pdf import min_max, pdf, render_pdf
from cbedgan.simulate.powder.scatterers import Scatterers, scatterers

LIU = PdfConfig()
SHARP = PdfConfig(most_angstrom=14.0, q_damp=0.12, q_broad=0.02, delta_1_angstrom=0.3, delta_2_angstrom2=1.0,
                  vibration="by_element")


def nickel() -> Crystal:
    return standard_crystal(3.52 * np.eye(3), [[0, 0, 0], [0, .5, .5], [.5, 0, .5], [.5, .5, 0]], [28] * 4, source="Ni")


def rutile() -> Crystal:
    u = 0.3053
    return standard_crystal(np.diag([4.594, 4.594, 2.959]), [[0, 0, 0], [.5, .5, .5], [u, u, 0], [-u, -u, 0],
                                                             [.5 + u, .5 - u, .5], [.5 - u, .5 + u, .5]],
                            [22, 22, 8, 8, 8, 8], source="TiO2")


def layered() -> Crystal:
    """A long cell, whose first Bragg peaks lie below q_least."""
    return standard_crystal(np.diag([3.1, 3.4, 15.5]), [[0, 0, 0], [.5, .5, .12], [0, .5, .31]], [56, 26, 8],
                            source="layers")


def shells(crystal: Crystal, radius: float) -> tuple[np.ndarray, ...]:
    """(distance, variance without correlation, sum of Z Z) of ordered pairs, by plain loops over the sites."""
    lattice, positions, numbers = crystal.lattice, crystal.positions, crystal.numbers
    reach = (radius * np.linalg.norm(np.linalg.inv(lattice), axis=0)).astype(int) + 2
    cells = np.array(list(product(*(range(-n, n + 1) for n in reach)))) @ lattice
    distances, variances, weights = [], [], []
    for i in range(len(numbers)):
        for j in range(len(numbers)):
            d = np.linalg.norm((positions[j] - positions[i]) @ lattice + cells, axis=1)
            d = np.round(d[(d > 1e-6) & (d < radius)], 5)
            d, count = np.unique(d, return_counts=True)
            distances.append(d)
            weights.append(count * float(numbers[i] * numbers[j]))
            variances.append(np.full(len(d), sum(debye_waller(int(numbers[k])) for k in (i, j)) / (8 * pi**2)))
    every = np.stack([np.concatenate(distances), np.concatenate(variances)])
    kinds, where = np.unique(every, axis=1, return_inverse=True)
    return kinds[0], kinds[1], np.bincount(where.ravel(), np.concatenate(weights))


def slow(crystal: Crystal, config: PdfConfig, radius: float) -> np.ndarray:
    """F(Q) by Debye's sum over pairs to `radius`, G(r) by its Fourier integral from q_least to q_most."""
    d, variance, weight = shells(crystal, radius)
    if config.vibration != "by_element":
        variance = np.full(len(d), 2 * config.vibration)
    variance = variance * (1 - config.delta_1_angstrom / d - config.delta_2_angstrom2 / d**2 + (config.q_broad * d)**2)
    weight = weight * np.exp(-0.5 * (config.q_damp * d)**2) / d
    place, share = np.polynomial.legendre.leggauss(int(9 * (radius + config.most_angstrom)))
    q, share = (np.array([config.q_least, config.q_most]) @ [(1 - place) / 2, (1 + place) / 2],
                share * (config.q_most - config.q_least) / 2)
    f = np.array([(weight * np.exp(-0.5 * variance * one**2)) @ np.sin(one * d) for one in q])
    f *= len(crystal.numbers) / crystal.numbers.sum()**2
    return 2 / pi * (share * f) @ np.sin(np.outer(q, config.r_angstrom()))


def test_axis_is_that_of_liu():
    r = LIU.r_angstrom()
    assert len(r) == 209 and r[0] == 1.5 and np.diff(r) == pytest.approx(pi / 23) and r[-1] <= 30


@pytest.mark.slow
@pytest.mark.parametrize("crystal, config, radius", [
    (nickel(), LIU, 110.0), (rutile(), SHARP, 38.0), (layered(), SHARP, 38.0)])
def test_functions_are_those_of_a_slow_reference(crystal, config, radius):
    wanted = slow(crystal, config, radius)
    made = render_pdf([crystal], config, dtype=torch.float64)[0].numpy()
    assert np.abs(made - wanted).max() < 1e-3 * np.abs(wanted).max()


def test_nickels_first_peak_is_where_its_neighbours_are():
    curve = render_pdf([nickel()], LIU)[0]
    near = LIU.r_angstrom() < 3.2
    assert abs(LIU.r_angstrom()[near][curve[near].argmax()] - 3.52 / 2**0.5) < pi / 23


def supercell(atoms: Scatterers) -> Scatterers:
    shifts = torch.cartesian_prod(*[torch.arange(2, dtype=atoms.lattice.dtype)] * 3)
    positions = ((atoms.positions[0] + shifts[:, None]) / 2).reshape(1, -1, 3)
    return replace(atoms, lattice=2 * atoms.lattice, positions=positions, occupancy=atoms.occupancy.repeat(1, 8),
                   kind=atoms.kind.repeat(1, 8))


@pytest.mark.parametrize("config", [LIU, SHARP])
def test_a_supercell_changes_nothing(config):
    atoms = scatterers([layered()], config.vibration)
    one, eight = pdf(atoms, config), pdf(supercell(atoms), config)
    assert float((one - eight).abs().max() / one.abs().max()) < 1e-9


def test_many_crystals_come_in_order_and_as_alone():
    crystals = [nickel(), rutile(), layered()]
    together = render_pdf(crystals, SHARP, dtype=torch.float64)
    stacked = pdf(scatterers(crystals, "by_element"), SHARP)
    assert together.numpy() == pytest.approx(stacked.numpy(), abs=1e-9)
    assert render_pdf(crystals, SHARP).numpy() == pytest.approx(together.numpy(), abs=2e-3)
    assert render_pdf(crystals[1:2], SHARP, dtype=torch.float64)[0].numpy() == pytest.approx(together[1].numpy())


def test_pairs_of_nickel_are_counted():
    atoms = scatterers([nickel()])
    pairs = pairs_within(atoms, atoms.occupancy, 3.6)
    first = pairs.distance_angstrom < 3.0
    counts = [float(pairs.weight[which].sum()) for which in (first, ~first)]
    assert counts == pytest.approx([12, 6])


@pytest.mark.slow
def test_gradients_reach_cell_sites_and_occupancies():
    atoms, config = scatterers([rutile()]), PdfConfig(most_angstrom=3.0, step_angstrom=0.5)

    def curve(lattice, positions, occupancy):
        return pdf(replace(atoms, lattice=lattice, positions=positions, occupancy=occupancy), config)

    leaves = [part.clone().requires_grad_() for part in (atoms.lattice, atoms.positions, atoms.occupancy)]
    # The table is interpolated in the distance, and so is the slope.
    assert torch.autograd.gradcheck(curve, leaves, eps=1e-6, atol=1e-4, rtol=1e-3)


def test_min_max_is_between_0_and_1():
    made = min_max(torch.tensor([[2.0, -2.0, 0.0]]))
    assert made.tolist() == [[1.0, 0.0, 0.5]]
