"""Structure factors of a few scatterers: by hand, symmetric as the form says, and layered along the beam."""

import math

import pytest
import torch

from cbedgan.bench.made_up import made_up_form
from cbedgan.form.form import parts
from cbedgan.form.pattern_symmetry import beam_parities, operations
from cbedgan.render.beams import select_beams
from cbedgan.render.constants import RenderConstants
from cbedgan.render.projected_potential import Scatterers, structure_factors

CONSTANTS = RenderConstants()
RECTANGULAR = ((1.0, 0.0), (0.0, 1.3))
NO_LAYERS = torch.zeros(1)


def scatterers(*place, height=0.0, amount=1.0, screening=1e3, damping=0.0):
    """Equal scatterers of one pattern at these places, points unless told otherwise."""
    def column(value):
        return torch.full((1, len(place)), value)
    return Scatterers(torch.tensor([place]), column(height), column(amount), column(screening), column(damping))


def factors(atoms, *, layering=NO_LAYERS, weakness=1.0, parity=(1, 1, 1, 1), **form):
    """Potential [layers, count] and the index hk [count, 2] of its points."""
    known = parts(made_up_form(RECTANGULAR, **form)[None])
    points = select_beams(known, 2.0, CONSTANTS).points
    weight = operations(known.azimuth, known.share).weight
    parities = beam_parities(known.share, torch.tensor([parity]))
    found = structure_factors(atoms, points, weight, parities, torch.tensor([weakness]), layering, CONSTANTS.layers)
    assert found.shape == (CONSTANTS.layers, points.count + 1) and (found[:, -1] == 0).all()
    hk = torch.zeros(points.count, 2)
    first = points.operation == 0
    hk[points.point[first]] = points.hk[first].round()
    return found[:, :-1], hk


def test_two_atoms_give_the_sum_of_their_waves():
    found, hk = factors(scatterers((0.0, 0.0), (0.25, 0.1), amount=0.7))
    wanted = 0.7 * (1 + torch.polar(torch.ones(len(hk)), 2 * math.pi * hk @ torch.tensor([0.25, 0.1])))
    for layer in found:
        torch.testing.assert_close(layer, wanted, atol=1e-4, rtol=1e-4)


def test_an_atoms_wave_falls_off_to_half_at_its_screening_and_with_its_damping():
    found, hk = factors(scatterers((0.0, 0.0), screening=1.0, damping=0.2))
    at = {tuple(index): float(value.real) for index, value in zip(hk.int().tolist(), found[0], strict=True)}
    assert at[0, 0] == pytest.approx(1) and at[1, 0] == pytest.approx(0.5 * math.exp(-0.2))
    assert at[0, 1] == pytest.approx(math.exp(-0.2 * 1.69) / (1 + 1.69), rel=1e-4)


def test_potentials_are_real_in_space_and_as_symmetric_as_the_form_says():
    place = ((0.1, 0.27), (0.33, 0.05))
    found, hk = factors(scatterers(*place))
    at = {tuple(index): value for index, value in zip(hk.int().tolist(), found[0], strict=True)}
    assert all(abs(value - at[-h, -k].conj()) < 1e-4 for (h, k), value in at.items())
    assert max(abs(float(value.imag)) for value in at.values()) > 0.1
    even, _ = factors(scatterers(*place), share=(1, 0, 0, 0))
    assert float(even.imag.abs().max()) < 1e-4
    mirrored, hk = factors(scatterers(*place), share=(0, 0, 0, 1), azimuth=0.0)
    at = {tuple(index): value for index, value in zip(hk.int().tolist(), mirrored[0], strict=True)}
    assert all(abs(value - at[h, -k]) < 1e-4 for (h, k), value in at.items())


def test_a_glide_puts_odd_points_of_its_line_out():
    found, hk = factors(scatterers((0.1, 0.27), (0.33, 0.05)), share=(0, 0, 0, 1), azimuth=0.0, glide=(1, 0))
    odd = (hk[:, 1] == 0) & (hk[:, 0] % 2 != 0)
    assert float(found[0, odd].abs().max()) < 1e-5 and float(found[0, (hk[:, 0] % 2 != 0) & ~odd].abs().min()) > 1e-3


def test_layers_differ_by_where_scatterers_stand_and_are_the_projection_on_average():
    atoms = scatterers((0.0, 0.0), (0.3, 0.2))._replace(height=torch.tensor([[0.0, 0.4]]))
    plain, _ = factors(atoms)
    layered, _ = factors(atoms, layering=torch.tensor([0.3]))
    torch.testing.assert_close(layered.mean(0), plain[0], atol=1e-4, rtol=1e-4)
    assert float((layered[0] - layered[1]).abs().max()) > 0.3


def test_a_centre_of_inversion_turns_the_order_of_layers_round_and_a_two_fold_axis_does_not():
    atoms, there = scatterers((0.1, 0.27), (0.33, 0.05), height=0.2), torch.tensor([0.4])
    for parity, own, other in ((-1, [0, 2, 1], [0, 1, 2]), (1, [0, 1, 2], [0, 2, 1])):
        found, _ = factors(atoms, layering=there, parity=(parity, 1, 1, 1), share=(0.97, 0, 0, 0))
        assert float((found - found[own].conj()).abs().max()) < 0.1  # as near as both images' weights
        assert float((found - found[other].conj()).abs().max()) > 0.3


def test_weak_points_are_as_weak_as_told():
    plain, hk = factors(scatterers((0.0, 0.0)), strong=(2, 0, 1))
    weak, _ = factors(scatterers((0.0, 0.0)), strong=(2, 0, 1), weakness=0.1)
    odd = hk[:, 0] % 2 != 0
    torch.testing.assert_close(weak[:, odd], 0.1 * plain[:, odd])
    torch.testing.assert_close(weak[:, ~odd], plain[:, ~odd])
