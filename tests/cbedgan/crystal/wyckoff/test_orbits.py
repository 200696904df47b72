"""Orbits as weighted sums: equal to sums over distinct atoms, in a batch of groups, with the right gradient."""

import numpy as np
import pytest
import torch

from cbedgan.crystal.wyckoff.orbits import group_table, orbits
from cbedgan.crystal.wyckoff.table import centring, wyckoff_positions
from classifier.crystal.spacegroup import NUMBERS

HKL = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), -1).reshape(-1, 3)


def structure_factors(positions, weights):
    """sum over atoms of exp(2 pi i h x)."""
    phases = 2 * torch.pi * positions @ torch.from_numpy(HKL.T).to(torch.float64)
    return torch.einsum("...oh,...o->...h", torch.polar(torch.ones_like(phases), phases), weights.to(torch.complex128))


@pytest.mark.slow
def test_weighted_sums_are_sums_over_distinct_atoms_for_every_position_of_every_group():
    generator = np.random.default_rng(0)
    groups = [group for group in NUMBERS for _ in wyckoff_positions(group)]
    indices = [index for group in NUMBERS for index in range(len(wyckoff_positions(group)))]
    free = generator.uniform(size=(len(groups), 3))
    images, weights = orbits(group_table(), torch.tensor(groups), torch.tensor(indices), torch.from_numpy(free))
    weighted = structure_factors(images, weights)
    for site, (group, index) in enumerate(zip(groups, indices, strict=True)):
        atoms = wyckoff_positions(group)[index].atoms(free[site])
        n_centring = len(centring(group))
        assert float(weights[site].sum()) == pytest.approx(len(atoms) / n_centring)
        present = np.abs(np.exp(2j * np.pi * HKL @ centring(group).T).sum(axis=1)) > 0.5
        distinct = np.exp(2j * np.pi * HKL @ atoms.T).sum(axis=1)
        assert np.abs(distinct[~present]).max(initial=0) < 1e-9
        assert np.abs(weighted[site].numpy() * n_centring - distinct)[present].max() < 1e-9


def test_rock_salt_has_two_sites_of_weight_one():
    """F m -3 m: a and b have 4 atoms in the conventional cell, 1 in the primitive one, and 48 images of it."""
    positions = [position.letter for position in wyckoff_positions(225)]
    sites = torch.tensor([positions.index("a"), positions.index("b")])
    images, weights = orbits(group_table(), torch.tensor([225, 225]), sites, torch.rand(2, 3, dtype=torch.float64))
    assert weights.sum(-1).tolist() == pytest.approx([1, 1]) and (weights == 1 / 48).all()
    assert (images[0] % 1 == 0).all() and (images[1] % 1 == 0.5).all()


def test_a_position_that_the_group_lacks_weighs_nothing():
    _, weights = orbits(group_table(), torch.tensor([1]), torch.tensor([5]), torch.zeros(1, 3, dtype=torch.float64))
    assert (weights == 0).all()


def test_the_gradient_is_that_of_finite_differences():
    """The factor of 122 of 18 h (x, -x, z) in R -3 m and of the general position in P 2_1/c, in one batch."""
    groups, position = torch.tensor([166, 14]), torch.tensor([1, 0])
    assert wyckoff_positions(166)[1].letter == "h"
    free = torch.tensor([[0.12, 0.4, 0.27], [0.33, 0.08, 0.22]], dtype=torch.float64)

    def factor(free):
        images, weights = orbits(group_table(), groups, position, free)
        phases = 2 * torch.pi * images @ torch.tensor([1.0, 2.0, 2.0], dtype=torch.float64)
        return (torch.cos(phases) * weights).sum(-1)

    gradient = torch.autograd.functional.jacobian(lambda free: factor(free).sum(), free)
    for site, axis in np.ndindex(2, 3):
        step = torch.zeros_like(free)
        step[site, axis] = 1e-5
        difference = (factor(free + step) - factor(free - step)).sum() / 2e-5
        assert float(gradient[site, axis]) == pytest.approx(float(difference), abs=1e-6)
    assert gradient[0, 1] == 0  # y is not free on (x, -x, z)
    assert (gradient[[0, 0, 1, 1, 1], [0, 2, 0, 1, 2]].abs() > 0.1).all()


def test_the_table_moves_to_single_precision():
    table = group_table().to("cpu", torch.float32)
    images, _ = orbits(table, torch.tensor([[227, 14]]), torch.zeros(1, 2, dtype=torch.int64), torch.rand(1, 2, 3))
    assert images.shape == (1, 2, 48, 3) and images.dtype == torch.float32 and table.freedom.dtype == torch.int64
