"""Moves keep the group of crystals of every system; the network that chooses them says nothing untrained."""

import numpy as np
import pytest
import torch

from cbedgan.crystal.crystals import measure_symmetry
from cbedgan.crystal.natural_crystals import NaturalConfig
from cbedgan.gan.crystals.network.crystal_generator import CrystalGenerator, CrystalGeneratorConfig, size_of
from cbedgan.gan.crystals.network.described import group_description
from cbedgan.gan.crystals.network.movable import Movable, movable
from cbedgan.gan.crystals.network.moves import Moves, moved, nearness

GROUPS = (2, 9, 14, 33, 62, 88, 122, 148, 160, 176, 194, 205, 216, 230)  # of all systems, centrings and poles


def drawn(space_group: int, seed: int = 0) -> Movable:
    """The first crystal that the natural source draws."""
    for draw in range(60):
        crystal = NaturalConfig(kind="natural").draw(space_group, np.random.default_rng([seed, space_group, draw]))
        if crystal is not None:
            return movable(crystal)
    raise AssertionError(space_group)


def stirred(config: CrystalGeneratorConfig, *, by: float = 0.3) -> CrystalGenerator:
    """A network with weights far from those that it begins with."""
    torch.manual_seed(0)
    network = CrystalGenerator(config)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(by * torch.randn_like(parameter))
    return network


def still(one: Movable) -> Moves:
    return Moves(torch.zeros(len(one.first), 3), torch.zeros(3, 3), torch.zeros(len(one.elements)))


@pytest.mark.parametrize("space_group", GROUPS)
def test_a_moved_crystal_has_its_group_and_moves_by_some_tenths_of_an_angstrom(space_group):
    one = drawn(space_group)
    network = stirred(CrystalGeneratorConfig(kind="crystals"))
    moves, = network(torch.randn(1, network.latent_dim, generator=torch.Generator().manual_seed(1)), [one])
    after = moved(one, moves, np.zeros(len(one.elements)))
    crystal = after.crystal("moved")
    assert measure_symmetry(crystal.lattice, crystal.positions, crystal.numbers).number == space_group
    far = ((after.sites - one.sites) @ one.lattice).norm(dim=1).max()
    assert (far > 0.01) == bool(one.turn[one.first].abs().amax((1, 2)).gt(1e-6).any()) and far < 0.3 + 1e-6
    assert not torch.allclose(after.lattice, one.lattice, atol=1e-3)


def test_an_untrained_network_changes_nothing():
    some = [drawn(14), drawn(225)]
    network = CrystalGenerator(CrystalGeneratorConfig(kind="crystals"))
    for one, moves in zip(some, network(torch.randn(2, network.latent_dim), some), strict=True):
        after = moved(one, moves, np.full(len(one.elements), 0.5)).crystal("same")
        assert np.abs(after.lattice - one.crystal.lattice).max() < 1e-12
        assert np.abs(after.positions - one.crystal.positions).max() < 1e-12
        assert (after.numbers == one.crystal.numbers).all()


def test_gradients_reach_every_parameter():
    some = [drawn(14), drawn(160)]
    network = stirred(CrystalGeneratorConfig(kind="crystals"), by=0.1)
    total = torch.zeros(())
    for one, moves in zip(some, network(torch.randn(2, network.latent_dim), some), strict=True):
        after = moved(one, moves, np.zeros(len(one.elements)))
        total = total + after.sites.sin().sum() + after.lattice.square().sum() + after.part.sum()
    total.backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())


def test_steps_turn_with_the_crystal_and_do_not_know_its_origin():
    one = drawn(9)
    shifted = movable(type(one.crystal)(**{**vars(one.crystal), "positions": (
        one.crystal.positions + [0.17, 0.0, 0.31]) % 1.0}))  # the poles of group 9
    network, z = stirred(CrystalGeneratorConfig(kind="crystals")), torch.randn(1, 16)
    first, second = network(z, [one])[0], network(z, [shifted])[0]
    assert torch.allclose(first.step, second.step, atol=1e-4) and torch.allclose(first.strain, second.strain, atol=1e-5)


def test_elements_change_as_often_as_the_steps_say_and_never_become_one():
    one = drawn(225)
    element_steps = torch.zeros(len(one.elements), requires_grad=True)
    up = still(one)._replace(element_steps=element_steps + 0.3)
    changed = [(moved(one, up, np.full(len(one.elements), (k + 0.5) / 10)).number != one.elements).all()
               for k in range(10)]
    assert sum(changed) == 3
    for chance in np.random.default_rng(0).random((50, len(one.elements))):
        number = moved(one, still(one)._replace(element_steps=3 * torch.ones(len(one.elements))), chance).number
        assert len(set(number)) == len(one.elements)


def test_each_kind_of_move_counts_by_the_most_that_it_may_be():
    one, config = drawn(14), CrystalGeneratorConfig(kind="crystals", shift_angstrom=0.2, growth=0.3, element_steps=0.0)
    farthest = Moves(torch.tensor([[0.2, 0.0, 0.0]]).expand(len(one.first), 3), 0.1 * torch.eye(3),
                     5 * torch.ones(len(one.elements)))
    assert float(size_of(still(one), config)) == 0
    assert float(size_of(farthest, config)) == pytest.approx(2)  # sites and volume; elements may not move at all


def test_atoms_that_come_nearer_than_allowed_cost():
    one = drawn(62)
    assert float(nearness(moved(one, still(one), np.zeros(len(one.elements))), 0.8)) == pytest.approx(0, abs=1e-20)
    strain = -0.2 * torch.eye(3)
    strain.requires_grad_()
    cost = nearness(moved(one, still(one)._replace(strain=strain), np.zeros(len(one.elements))), 0.9)
    gradient, = torch.autograd.grad(cost, strain)
    assert cost > 0 and gradient.trace() < 0


def test_a_description_tells_groups_apart_that_differ_by_screws_glides_or_hand_alone():
    rows = [group_description(space_group) for space_group in range(1, 231)]
    assert len({row.tobytes() for row in rows}) > 200
    for one, other in ((4, 3), (14, 11), (62, 55), (225, 227), (194, 191)):
        assert not np.allclose(rows[one - 1], rows[other - 1])
