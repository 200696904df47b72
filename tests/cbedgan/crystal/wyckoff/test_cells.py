"""Cells by system: the metric has the symmetry of the point group, parameters come back, gradients are right."""

import numpy as np
import pytest
import torch

from cbedgan.crystal.wyckoff.cells import free_shape, lattices, volume_and_shape
from cbedgan.crystal.wyckoff.orbits import group_table
from classifier.foundation.errors import InputError

EVERY = torch.arange(1, 231)


def shapes(seed=0, spread=1.0):
    return spread * torch.from_numpy(np.random.default_rng(seed).normal(size=(230, 5)))


def test_the_metric_is_invariant_under_every_operation_and_the_volume_is_as_asked():
    volume = torch.linspace(50, 500, 230, dtype=torch.float64)
    cells = lattices(EVERY, volume, shapes())
    assert torch.allclose(torch.linalg.det(cells), volume, rtol=1e-12)
    metric = (cells @ cells.mT)[:, None]
    rotations, present = group_table().rotations[1:], group_table().present[1:]
    change = (rotations.mT @ metric @ rotations - metric).abs().amax((-1, -2)) * present
    assert (change.amax(-1) / metric.abs().amax((-1, -2, -3))).max() < 1e-14


@pytest.mark.parametrize("group, free", [(2, [1, 1, 1, 1, 1]), (14, [1, 1, 0, 1, 0]), (62, [1, 1, 0, 0, 0]),
                                         (139, [0, 1, 0, 0, 0]), (166, [0, 1, 0, 0, 0]), (194, [0, 1, 0, 0, 0]),
                                         (227, [0, 0, 0, 0, 0])])
def test_each_system_has_its_freedom(group, free):
    assert free_shape(torch.tensor(group)).tolist() == free
    shape = torch.full((5,), 0.2, dtype=torch.float64).requires_grad_()
    cell = lattices(torch.tensor(group), torch.tensor(100.0, dtype=torch.float64), shape)
    cell.square().sum().backward()
    assert (shape.grad != 0).tolist() == free


def test_wurtzite_zinc_sulphide_by_hand():
    """a = 3.82, c = 6.26 angstrom, hexagonal; then monoclinic with beta = 100 degrees."""
    volume = torch.tensor(3.82**2 * 6.26 * 3**0.5 / 2, dtype=torch.float64)
    shape = torch.tensor([9.0, np.log(6.26 / 3.82), 9.0, 9.0, 9.0], dtype=torch.float64)
    cell = lattices(torch.tensor(186), volume, shape)
    assert cell.numpy() == pytest.approx(np.array([[3.82, 0, 0], [-1.91, 1.91 * 3**0.5, 0], [0, 0, 6.26]]))
    beta = np.radians(100)
    given = torch.tensor([[5.0, 0, 0], [0, 6.0, 0], [7 * np.cos(beta), 0, 7 * np.sin(beta)]], dtype=torch.float64)
    volume, shape = volume_and_shape(torch.tensor(14), given)
    assert float(volume) == pytest.approx(210 * np.sin(beta)) and shape[[2, 4]].tolist() == [0, 0]
    assert lattices(torch.tensor(14), volume, shape).numpy() == pytest.approx(given.numpy())


def test_shapes_come_back():
    volume, shape = torch.full((230,), 80.0, dtype=torch.float64), shapes()
    again = volume_and_shape(EVERY, lattices(EVERY, volume, shape))
    assert torch.allclose(again[0], volume)
    assert torch.allclose(again[1], torch.where(free_shape(EVERY), shape, 0.0), atol=1e-8)


def test_extreme_angles_still_make_a_cell_in_single_precision():
    shape = torch.tensor([0.0, 0.0, 50.0, -50.0, 50.0]).requires_grad_()
    cell = lattices(torch.tensor(1), torch.tensor(100.0), shape)
    cell.sum().backward()
    assert float(torch.linalg.det(cell.detach())) == pytest.approx(100, rel=1e-3) and shape.grad.isfinite().all()


def test_a_left_handed_and_a_flat_cell_are_refused():
    with pytest.raises(InputError, match="right-handed"):
        volume_and_shape(torch.tensor(1), torch.diag(torch.tensor([1.0, 1.0, -1.0])))
    with pytest.raises(InputError, match="far from flat"):
        volume_and_shape(torch.tensor(1), torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 1, 0.1]]))


def test_the_gradient_of_a_triclinic_cell_is_that_of_finite_differences():
    shape = torch.tensor([0.1, -0.2, 0.3, 0.15, -0.25], dtype=torch.float64, requires_grad=True)
    volume = torch.tensor(90.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v, s: lattices(torch.tensor(2), v, s), (volume, shape))
