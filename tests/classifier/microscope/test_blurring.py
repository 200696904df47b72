"""Convolution by cosines: the kernel is the one that was asked for, no light is lost, no symmetry is made or broken."""

import torch

from classifier.microscope.blurring import convolved, sharp_modes, wide_modes

CPU = torch.device("cpu")


def gaussian(frequency: torch.Tensor, width: float) -> torch.Tensor:
    return torch.exp(-2 * (torch.pi * frequency * width) ** 2).expand(1, 1, -1)


def test_a_point_becomes_the_kernel_and_keeps_its_light():
    point = torch.zeros(1, 1, 40, 48)
    point[0, 0, 17, 30] = 1
    # A heat kernel of the grid has a Gaussian's variance, and a top that is higher by 1 / (4 variance): 4 %.
    for modes, apart in ((sharp_modes(40, 48, CPU), 0.05), (wide_modes(40, 48, CPU), 0.002)):
        found = convolved(point, modes, gaussian(modes.frequency, 2.5))[0, 0]
        y, x = torch.arange(40)[:, None] - 17, torch.arange(48) - 30
        wanted = torch.exp(-(x**2 + y**2) / (2 * 2.5**2)) / (2 * torch.pi * 2.5**2)
        assert (found - wanted).abs().max() < apart * wanted.max() and abs(found.sum() - 1) < 2e-3


def test_at_the_frames_edge_sharp_modes_keep_all_light_and_wide_ones_let_half_go():
    point = torch.zeros(1, 1, 32, 32)
    point[0, 0, 0, 16] = 1
    kept = [float(convolved(point, modes, gaussian(modes.frequency, 3.0)).sum())
            for modes in (sharp_modes(32, 32, CPU), wide_modes(32, 32, CPU))]
    assert abs(kept[0] - 1) < 1e-5 and 0.45 < kept[1] < 0.62


def test_narrow_kernels_have_no_negative_pixel_beside_a_bright_one():
    point = torch.zeros(1, 1, 32, 32)
    point[0, 0, 10, 10] = 1
    modes = sharp_modes(32, 32, CPU)
    for transfer in (gaussian(modes.frequency, 0.3), torch.exp(-0.5 * modes.frequency).expand(1, 1, -1)):
        assert convolved(point, modes, transfer).min() > -1e-6


def test_a_round_kernel_commutes_with_turns_and_mirrors_and_leaves_modes_as_they_are():
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for modes in (sharp_modes(32, 32, CPU), wide_modes(32, 32, CPU)):
        transfer = torch.exp(-3 * modes.frequency).expand(2, 3, -1)
        blurred = convolved(x, modes, transfer)
        for change in (lambda y: y.flip(-2), lambda y: y.transpose(-2, -1), lambda y: y.rot90(1, (-2, -1))):
            assert torch.allclose(convolved(change(x), modes, transfer), change(blurred), atol=2e-6)
    modes = sharp_modes(32, 32, CPU)
    assert torch.allclose(convolved(x, modes, torch.ones(2, 3, len(modes.frequency))), x, atol=1e-5)


def test_modes_that_were_first_asked_for_without_gradients_serve_gradients():
    with torch.inference_mode():
        sharp_modes(12, 20, CPU)
    modes, x = sharp_modes(12, 20, CPU), torch.ones(1, 1, 12, 20, requires_grad=True)
    convolved(x, modes, gaussian(modes.frequency, 1.0)).sum().backward()
    assert x.grad is not None and torch.allclose(x.grad, torch.ones(1, 1, 12, 20), atol=1e-5)
