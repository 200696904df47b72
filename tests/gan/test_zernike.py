"""Zernike contents: orthonormal over the disk, and moved as the places they are looked at are."""

from __future__ import annotations

import math

import pytest
import torch

from cbedgan.gan.pattern_symmetry import turned
from cbedgan.gan.zernike import azimuthal_orders, modes, moved, polynomials

ORDER = 5
DRAWS = torch.Generator().manual_seed(0)


def polar(radius, azimuth):
    return torch.stack((radius * torch.cos(azimuth), radius * torch.sin(azimuth)), -1)


def test_modes_are_those_of_the_books():
    assert modes(3) == [(0, 0), (1, 1), (2, 0), (2, 2), (3, 1), (3, 3)]
    assert azimuthal_orders(3).tolist() == [0, 1, 0, 2, 1, 3]


def test_lowest_polynomials_are_those_written_out():
    u = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, -0.5], [0.3, 0.4]])
    x, y, square = u[:, 0], u[:, 1], u.square().sum(1)
    found = polynomials(2, u)
    expected = torch.stack((torch.ones(4), 2 * x, math.sqrt(3) * (2 * square - 1), math.sqrt(6) * (x * x - y * y),
                            torch.zeros(4), 2 * y, torch.zeros(4), math.sqrt(6) * 2 * x * y), 1)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_they_are_orthonormal_over_the_disk():
    # Midpoints of rings of equal area and of sectors: the mean over them is that over the disk.
    rings, sectors = 4000, 24
    radius = ((torch.arange(rings, dtype=torch.float64) + 0.5) / rings).sqrt()
    azimuth = 2 * math.pi * torch.arange(sectors, dtype=torch.float64) / sectors
    values = polynomials(ORDER, polar(radius[:, None], azimuth).flatten(0, 1))
    products = values.T @ values / len(values)
    orders = azimuthal_orders(ORDER)
    expected = torch.diag(torch.cat((torch.ones_like(orders), (orders > 0).float()))).double()
    torch.testing.assert_close(products, expected, atol=1e-5, rtol=0)


def test_beyond_the_rim_they_are_those_of_the_nearest_point_of_it():
    azimuth = torch.tensor([0.3, 2.0, -1.2])
    outside, rim = (polynomials(ORDER, polar(torch.full((3,), radius), azimuth)) for radius in (1.7, 1.0))
    torch.testing.assert_close(outside, rim, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("mirrored", [False, True])
def test_moved_contents_show_at_a_place_what_the_others_show_at_its_image(mirrored):
    coefficients = torch.randn(3, 2 * len(modes(ORDER)), generator=DRAWS, dtype=torch.float64)
    angle = torch.tensor([0.7, -2.0, math.pi / 2], dtype=torch.float64)
    flip = torch.full((3,), mirrored)
    u = torch.rand(50, 2, generator=DRAWS, dtype=torch.float64) * 2 - 1
    shown = moved(coefficients, ORDER, angle, flip) @ polynomials(ORDER, u).T
    images = (turned(angle, flip)[:, None] @ u[..., None]).squeeze(-1)
    expected = torch.stack([row @ polynomials(ORDER, image).T
                            for row, image in zip(coefficients, images, strict=True)])
    torch.testing.assert_close(shown, expected, atol=1e-5, rtol=1e-5)


def test_moving_by_nothing_changes_nothing_and_two_mirrors_undo_each_other():
    coefficients = torch.randn(4, 2 * len(modes(ORDER)), generator=DRAWS)
    has_sine = torch.cat((torch.ones(len(modes(ORDER))), (azimuthal_orders(ORDER) > 0).float()))
    coefficients = coefficients * has_sine
    none, flip = torch.zeros(4, dtype=torch.bool), torch.ones(4, dtype=torch.bool)
    torch.testing.assert_close(moved(coefficients, ORDER, torch.zeros(4), none), coefficients)
    angle = torch.linspace(-3, 3, 4)
    torch.testing.assert_close(moved(moved(coefficients, ORDER, angle, flip), ORDER, angle, flip), coefficients)
    torch.testing.assert_close(moved(moved(coefficients, ORDER, angle, none), ORDER, -angle, none), coefficients)
