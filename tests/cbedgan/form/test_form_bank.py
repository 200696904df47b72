"""Forms drawn from training stacks: which, how often, and how far nets may be deformed."""

import math

import pytest
import torch

from cbedgan.bench.made_up import made_up_form
from cbedgan.form.form import COLUMNS, invariants, parts
from cbedgan.form.form_bank import NUMBERS, FormBank, deformed, with_symmetry_of
from cbedgan.form.indexed_net import FREEDOMS

SQUARE, HEXAGONAL = ((1.0, 0.0), (0.0, 1.0)), ((1.0, 0.0), (-0.5, math.sqrt(3) / 2))
RECTANGULAR, OBLIQUE = ((1.0, 0.0), (0.0, 1.3)), ((1.0, 0.0), (0.3, 1.2))
CENTRED = ((0.5, 0.9), (0.5, -0.9))  # rhombic, g1 = (1, 0) is their sum
FREE = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0), (0, 0, 0))  # every strain of the plane
DRAWS = torch.Generator().manual_seed(0)


def form(net, *, azimuth=0.0, share=(0.0, 0.0, 0.0, 0.0), radius=0.3, **more):
    return made_up_form(net, radius=radius, azimuth=azimuth, share=share, **{"freedom": FREE} | more)[None, None]


def strained(one, amount=0.05):
    """The same form [1, 1, COLUMNS] after 32 strains."""
    return deformed(one.expand(32, 1, COLUMNS), amount * torch.randn(32, FREEDOMS, generator=DRAWS))


def bank(classes):
    """Forms that tell their row by their radius."""
    forms = torch.cat([form(SQUARE, radius=0.1 + 0.01 * row) for row in range(len(classes))])
    return FormBank(forms, torch.tensor(classes))


def row_of(drawn):
    return ((parts(drawn).radius[:, 0] - 0.1) / 0.01).round().long()


@pytest.mark.parametrize("net", [SQUARE, HEXAGONAL, RECTANGULAR, OBLIQUE, CENTRED],
                         ids=["square", "hexagonal", "rectangular", "oblique", "centred"])
def test_g1_stays_of_length_1_along_x(net):
    index = torch.linalg.solve(torch.tensor(net).T, torch.tensor([1.0, 0.0])).round()
    g1 = index @ parts(strained(form(net))).net
    torch.testing.assert_close(g1.flatten(0, 1), torch.tensor([[1.0, 0.0]]).expand(32, 2), atol=1e-5, rtol=0)


@pytest.mark.parametrize("net", [SQUARE, HEXAGONAL], ids=["square", "hexagonal"])
def test_square_and_hexagonal_nets_have_nothing_to_change(net):
    torch.testing.assert_close(parts(strained(form(net))).net, parts(form(net)).net.expand(32, 1, 2, 2), atol=1e-5,
                               rtol=0)


def test_rectangular_nets_stay_rectangular_and_change_their_ratio():
    net = parts(strained(form(RECTANGULAR))).net[:, 0]
    assert float(net[:, 0, 1].abs().max()) < 1e-5 and float(net[:, 1, 0].abs().max()) < 1e-5
    assert float(net[:, 1, 1].std()) > 0.02


def test_rhombic_nets_keep_vectors_of_one_length():
    length = parts(strained(form(CENTRED))).net[:, 0].norm(dim=-1)
    torch.testing.assert_close(length[:, 0], length[:, 1])
    assert float(length[:, 0].std()) > 0.01


def test_oblique_nets_change_ratio_and_angle():
    second = parts(strained(form(OBLIQUE))).net[:, 0, 1]
    assert float(second[:, 0].std()) > 0.02 and float(second[:, 1].std()) > 0.02


def test_mirror_lines_turn_with_the_net_and_all_else_stays():
    line = math.atan2(0.9, 0.5)  # along the first vector of a rhombic net, whatever symmetry it has
    changed = parts(strained(form(CENTRED, azimuth=line, share=(0.2, 0, 0, 0.7))))
    first = changed.net[:, 0, 0]
    turned = torch.atan2(first[:, 1], first[:, 0]) - changed.azimuth[:, 0]
    assert float(torch.sin(turned).abs().max()) < 1e-5
    assert (changed.radius == 0.3).all() and torch.equal(changed.share[3, 0], torch.tensor([0.2, 0, 0, 0.7]))


def test_only_what_the_crystal_leaves_free_changes():
    fixed = form(OBLIQUE, freedom=((0, 0, 0),) * FREEDOMS)
    torch.testing.assert_close(strained(fixed), fixed.expand(32, 1, COLUMNS))
    sheared = parts(strained(form(RECTANGULAR, freedom=((0, 0.5, 0),) + ((0, 0, 0),) * (FREEDOMS - 1)))).net[:, 0]
    assert float(sheared[:, 1, 0].abs().max()) < 1e-6 and 0.01 < float(sheared[:, 1, 1].std()) < 0.05


def test_patterns_of_a_stack_are_strained_together():
    pair = torch.cat((form(RECTANGULAR), form(RECTANGULAR, freedom=[[0, -1, 0]] * FREEDOMS)), 1)
    net = parts(deformed(pair, torch.tensor([[0.0, 0.02, 0, 0, 0]]))).net[0]
    assert net[:, 1, 1].tolist() == pytest.approx([1.3 * 1.02, 1.3 * 0.98])


def test_no_strain_changes_nothing():
    one = form(OBLIQUE, azimuth=0.4, share=(0.1, 0.2, 0.3, 0.4))
    torch.testing.assert_close(deformed(one, torch.zeros(1, FREEDOMS)), one)


def test_equal_numbers_draw_equal_forms_whatever_stands_beside_them():
    held = bank([0, 1, 0, 1, 1])
    normal, class_idx = torch.randn(6, NUMBERS, generator=DRAWS), torch.tensor([0, 1, 1, 0, 1, 0])
    drawn = held.draw(class_idx, normal, 0.05)
    assert drawn.shape == (6, 1, COLUMNS)
    torch.testing.assert_close(held.draw(class_idx[2:4], normal[2:4], 0.05), drawn[2:4])
    assert not torch.equal(held.draw(class_idx, -normal, 0.05), drawn)


def test_every_stack_of_a_class_is_drawn_evenly_and_no_other():
    held = bank([2, 0, 2, 1, 2, 0, 2])
    middle = (torch.arange(400) + 0.5) / 400
    normal = torch.zeros(400, NUMBERS)
    normal[:, 0] = torch.special.ndtri(middle)
    for k, rows in ((0, [1, 5]), (1, [3]), (2, [0, 2, 4, 6])):
        found = torch.bincount(row_of(held.draw(torch.full((400,), k), normal, 0.0)), minlength=7)
        assert found.nonzero().flatten().tolist() == rows and int(found.max() - found[rows].min()) <= 1


def test_the_farthest_numbers_still_choose_a_stack_of_the_class():
    normal = torch.zeros(2, NUMBERS)
    normal[:, 0] = torch.tensor([-40.0, 40.0])
    assert row_of(bank([1, 0, 1, 0]).draw(torch.ones(2, dtype=torch.int64), normal, 0.0)).tolist() == [0, 2]


@pytest.mark.parametrize("absent", [1, 5])
def test_a_class_without_stacks_is_drawn_from_all(absent):
    normal = torch.zeros(100, NUMBERS)
    normal[:, 0] = torch.linspace(-3, 3, 100)
    found = row_of(bank([0, 2, 2, 4]).draw(torch.full((100,), absent), normal, 0.0))
    assert found.unique().tolist() == [0, 1, 2, 3]


def test_symmetry_of_another_form_where_the_net_has_it():
    held = form(RECTANGULAR, azimuth=math.pi / 2, share=(0.9, 0, 0, 0.5))
    found = parts(with_symmetry_of(held, form(SQUARE, azimuth=0.7, share=(0.3, 0.8, 0.6, 0.2))))
    assert torch.equal(found.net, parts(held).net) and float(found.radius) == pytest.approx(0.3)
    torch.testing.assert_close(found.share, torch.tensor([0.3, 0, 0, 0.2]).expand(1, 1, 4))
    assert float(found.azimuth) == pytest.approx(math.pi / 2)  # its own line, which its net has


def test_glides_of_another_form_where_the_net_is_rectangular_and_keeps_the_mirror():
    other = form(RECTANGULAR, share=(1.0, 0, 0, 1.0), glide=(1, 0))
    assert parts(with_symmetry_of(form(RECTANGULAR), other)).glide.flatten().tolist() == [1, 0]
    assert parts(with_symmetry_of(form(CENTRED), other)).glide.flatten().tolist() == [0, 0]
    plain = form(RECTANGULAR, share=(1.0, 0, 0, 0))
    assert parts(with_symmetry_of(form(RECTANGULAR, glide=(1, 1)), plain)).glide.flatten().tolist() == [0, 0]


def test_a_net_without_a_mirror_line_takes_none():
    found = parts(with_symmetry_of(form(OBLIQUE), form(SQUARE, share=(1.0, 0, 1.0, 1.0))))
    assert torch.equal(found.share, torch.tensor([1.0, 0, 0, 0]).expand(1, 1, 4))


def test_invariants_do_not_see_turns_and_mirrors():
    draws = torch.rand(5, 3, COLUMNS, generator=DRAWS) + 0.1
    turn = torch.tensor([[math.cos(0.7), math.sin(0.7)], [math.sin(0.7), -math.cos(0.7)]])
    moved = draws.clone()
    moved[..., :4] = (parts(draws).net @ turn).flatten(-2)
    moved[..., 5] += 1.0
    torch.testing.assert_close(invariants(moved), invariants(draws))
