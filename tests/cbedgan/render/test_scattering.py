"""Diffraction by a plate: textbook cases, light that is kept, and what many slices converge to."""

import math

import pytest
import torch

from cbedgan.render.scattering import beam_intensities

DRAWS = torch.Generator().manual_seed(0)


def potential(phase: torch.Tensor, layers: int = 1) -> torch.Tensor:
    return phase.to(torch.complex64).expand(layers, 1, *phase.shape)


def two_beams(coupling: float, curvature: float, k: torch.Tensor, slices: int) -> torch.Tensor:
    """The diffracted beam at g = (1, 0) for incident directions (k, 0)."""
    phase = torch.tensor([[0.0, coupling], [coupling, 0.0]])
    direction = torch.stack((k, torch.zeros_like(k)), 1)[None]
    g = torch.tensor([[[0.0, 0.0], [1.0, 0.0]]])
    return beam_intensities(potential(phase), g, torch.tensor([curvature]), direction, slices)[0]


@pytest.mark.parametrize("coupling", [0.1, 1.0, 3.0])
def test_two_beams_swing_as_the_textbook_says(coupling):
    # Two-beam theory: I_g = sin^2(pi t s') (coupling / (pi s' t))^2, s'^2 = s^2 + (coupling / (pi t))^2.
    k = torch.linspace(-0.9, -0.1, 17)
    found = two_beams(coupling, 1.5, k, slices=200)
    deviation = math.pi * 1.5 * (2 * k + 1) / 2  # pi s t
    swing = torch.sqrt(deviation.square() + coupling**2)
    wanted = (coupling * torch.sin(swing) / swing).square()
    torch.testing.assert_close(found[1], wanted, atol=0.02, rtol=0.02)
    torch.testing.assert_close(found.sum(0), torch.ones(17), atol=1e-3, rtol=0)


def test_no_light_is_lost_however_strong_the_potential_is():
    phase = 30 * torch.randn(9, 9, generator=DRAWS)
    direction = torch.rand(1, 5, 2, generator=DRAWS) - 0.5
    g = torch.cat((torch.zeros(1, 2), torch.randn(8, 2, generator=DRAWS)))[None]
    found = beam_intensities(potential(phase + phase.T), g, torch.tensor([0.7]), direction, 6)
    torch.testing.assert_close(found.sum(1), torch.ones(1, 5), atol=1e-3, rtol=0)


def test_an_absorbing_plate_takes_the_light_that_its_mean_says():
    phase = torch.zeros(2, 2, dtype=torch.complex64) + 0.3j * torch.eye(2)
    found = beam_intensities(potential(phase), torch.zeros(1, 2, 2), torch.tensor([1.0]), torch.zeros(1, 1, 2), 5)
    assert float(found[0, 0, 0]) == pytest.approx(math.exp(-0.6), rel=1e-3)


def test_the_bright_field_has_a_half_turn_but_where_layers_tell_up_from_down():
    # Reciprocity: a plate that is equal from both sides shows as much for k as for -k, whatever its projection is.
    g = torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    direction = torch.tensor([[[0.2, 0.1], [-0.2, -0.1]]])
    place = torch.rand(3, 2, generator=DRAWS)
    apart = (g[:, None] - g) @ place.T
    one_atom = torch.polar(torch.ones_like(apart), 2 * math.pi * apart).movedim(-1, 0)  # [3, 5, 5]
    together = one_atom.sum(0, keepdim=True)
    def asymmetry(layers: torch.Tensor) -> float:
        found = beam_intensities(layers[:, None], g[None], torch.tensor([1.0]), direction, 12)[0, 0]
        return float((found[0] - found[1]).abs())
    assert asymmetry(together) < 1e-5 < 1e-3 < asymmetry(3 * one_atom)


def test_padding_and_neighbours_change_nothing():
    phase = torch.randn(3, 3, generator=DRAWS)
    phase, g = phase + phase.T, torch.tensor([[[0.0, 0.0], [1.0, 0.2], [-0.3, 1.0]]])
    direction, curvature = torch.rand(1, 4, 2, generator=DRAWS), torch.tensor([0.8])
    alone = beam_intensities(potential(phase), g, curvature, direction, 6)
    padded = torch.nn.functional.pad(phase, (0, 2, 0, 2))
    both = torch.stack((padded, torch.randn(5, 5, generator=DRAWS))).to(torch.complex64)[None]
    wide = torch.nn.functional.pad(g, (0, 0, 0, 2))
    found = beam_intensities(both, wide.expand(2, -1, -1), curvature.expand(2), direction.expand(2, -1, -1), 6)
    torch.testing.assert_close(found[0, :3], alone[0])
    assert (found[0, 3:] == 0).all()


def test_gradients_are_those_of_small_differences():
    phase = torch.randn(3, 3, generator=DRAWS)
    phase, g = (phase + phase.T).double(), torch.randn(1, 3, 2, generator=DRAWS).double()
    direction = torch.rand(1, 2, 2, generator=DRAWS).double()
    def shown(real: torch.Tensor, curvature: torch.Tensor) -> torch.Tensor:
        return beam_intensities(torch.complex(real, torch.zeros_like(real))[None, None], g, curvature, direction, 4)
    curvature = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(shown, (phase.requires_grad_(), curvature))
