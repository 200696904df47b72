"""Centres of lattices of disks at known places; what asymmetry, noise, emptiness and a shift do to them."""

import pytest
import torch

from classifier.features.centre import centred, find_centres, find_centres_in_x

SIZE, FINE = 64, 8
SIDE = (torch.arange(SIZE * FINE) + 0.5) / FINE - SIZE / 2
Y, X = torch.meshgrid(SIDE, SIDE, indexing="ij")


def disks(x: float, y: float, lopsided: float = 0.0) -> torch.Tensor:
    """Disks of radius 5 on an oblique lattice about (x, y), [SIZE, SIZE]; lopsided: by how much one side is weaker."""
    pattern = torch.zeros(SIZE * FINE, SIZE * FINE)
    for i in range(-2, 3):
        for j in range(-2, 3):
            g_x, g_y = 16.0 * i + 5 * j, 14.0 * j
            height = 1e-3 * 0.3 ** (abs(i) + abs(j)) * (1 - lopsided * (i + j > 0))
            pattern += height * ((X - x - g_x).hypot(Y - y - g_y) < 5)
    return pattern.view(SIZE, FINE, SIZE, FINE).mean((1, 3))


def stack(*patterns: torch.Tensor) -> torch.Tensor:
    return torch.stack(patterns)[None]


def test_each_centre_is_found_by_itself_in_the_order_x_y():
    places = torch.tensor([[0.0, 0.0], [0.5, -0.25], [-0.75, 1.0]])
    found = find_centres(stack(*(disks(*place) for place in places.tolist())))
    assert found.shape == (1, 3, 2) and (found[0] - places).abs().max() < 0.04


def test_disks_of_unlike_brightness_hardly_move_the_centre():
    found = find_centres(stack(disks(0.25, 0.5, lopsided=0.6)))[0, 0]
    assert (found - torch.tensor([0.25, 0.5])).abs().max() < 0.06


def test_counting_noise_leaves_a_tenth_of_a_pixel():
    pattern = stack(*(disks(0.5, -0.25),) * 20)
    counted = torch.poisson(pattern * 1e4, generator=torch.Generator().manual_seed(0)) / 1e4
    assert (find_centres(counted) - torch.tensor([0.5, -0.25])).norm(dim=-1).median() < 0.1


def test_logarithms_are_taken_back_before_a_centre_is_looked_for():
    """Lopsided disks, which mislead the logarithm: half of one side is dark in it, and the other is not."""
    pattern = stack(*(disks(0.375, -0.5, lopsided=share) for share in (0.0, 0.6, 0.9)))
    x = torch.log1p(pattern / 1e-6) * (2 / 8.3) - 1
    error, of_logarithm = ((found - torch.tensor([0.375, -0.5])).norm(dim=-1)
                           for found in (find_centres_in_x(x), find_centres(x + 1)))
    assert error.max() < 0.05 and error.mean() < of_logarithm.mean()


def test_the_scale_of_the_intensity_makes_no_difference():
    pattern = stack(disks(0.5, -0.25))
    assert torch.allclose(find_centres(pattern * 1e-5), find_centres(pattern * 1e5), atol=1e-4)


def test_an_empty_or_even_pattern_stays_where_it_is():
    patterns = stack(torch.zeros(SIZE, SIZE), torch.full((SIZE, SIZE), 1e-4))
    assert find_centres(patterns).abs().max() < 0.01
    assert torch.allclose(centred(patterns, find_centres(patterns)), patterns, atol=1e-8)


def test_a_symmetric_pattern_stays_as_it_is_to_the_last_digits():
    noise = torch.rand(40, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    symmetric = noise + noise.flip(-1, -2)
    assert find_centres(symmetric).abs().max() < 1e-4
    assert torch.equal(centred(noise, torch.zeros(40, 3, 2)), noise)


def test_moving_by_whole_pixels_is_exact_and_brings_the_centre_to_the_middle():
    pattern = torch.rand(2, 3, 32, 48)
    moved = centred(pattern, torch.tensor([1.0, -1.0]).expand(2, 3, 2))
    assert torch.equal(moved[..., 1:, :-1], pattern[..., :-1, 1:])


@pytest.mark.parametrize("place", [(0.5, 0.25), (-0.375, 0.625)])
def test_what_is_centred_has_its_centre_in_the_middle_and_no_less_light(place):
    pattern = stack(disks(*place))
    moved = centred(pattern, find_centres(pattern))
    assert find_centres(moved).abs().max() < 0.04 and moved.min() >= 0
    assert abs(moved.sum() / pattern.sum() - 1) < 0.015


def test_gradients_pass_through_the_move_and_not_through_the_centre():
    pattern = (stack(disks(0.5, 0.25)) + torch.linspace(1, 1.01, SIZE)).requires_grad_()
    assert not find_centres(pattern).requires_grad
    (centred(pattern, find_centres(pattern))[..., 20:40, 20:40]).sum().backward()
    assert pattern.grad is not None and abs(pattern.grad.sum() - 400) < 0.01
    assert torch.allclose(pattern.grad[..., 24:36, 24:36], torch.tensor(1.0), atol=1e-5)


def test_one_pattern_does_not_depend_on_the_others():
    patterns = torch.stack([stack(disks(0.5, 0.25), disks(0, 0.3))[0], torch.rand(2, SIZE, SIZE)])
    together, alone = find_centres(patterns), find_centres(patterns[:1])
    assert torch.allclose(together[:1], alone, atol=1e-5)
