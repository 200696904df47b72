"""Plasmon losses: how much light has lost energy, how far it goes, and that all of it is there."""

import torch

from classifier.microscope.plasmons import _k0, passed

LOSSES, ANGLE, CUTOFF = (torch.full((1, 1), value) for value in (0.5, 0.01, 0.4))


def test_no_light_is_lost_and_beyond_all_angles_the_share_without_a_loss_is_left():
    transfer = passed(LOSSES, ANGLE, CUTOFF, torch.tensor([0.0, 1e-4, 1e4]))[0, 0]
    assert transfer[0] == 1 and abs(transfer[1] - 1) < 1e-4
    assert abs(transfer[2] - torch.exp(torch.tensor(-0.5))) < 1e-4


def test_one_loss_has_the_lorentzian_that_was_asked_for():
    # The transform of 1 / (t^2 + a^2) - 1 / (t^2 + c^2) in two dimensions, integrated numerically.
    t = torch.logspace(-6, 2, 400001, dtype=torch.float64)
    kernel = 1 / (t**2 + 0.01**2) - 1 / (t**2 + 0.4**2)
    frequency = torch.tensor([0.3, 2.0, 9.0], dtype=torch.float64)
    wanted = [torch.trapezoid(kernel * torch.special.bessel_j0(2 * torch.pi * q * t) * t, t)
              / torch.trapezoid(kernel * t, t) for q in frequency]
    found = passed(LOSSES, ANGLE, CUTOFF, frequency.float())[0, 0].log() / 0.5 + 1
    assert torch.allclose(found.double(), torch.stack(wanted), atol=2e-4)


def test_the_table_of_k0_is_torchs():
    x = torch.logspace(-5, 1, 500)
    assert torch.allclose(_k0(x), torch.special.modified_bessel_k0(x), rtol=1e-3, atol=1e-7)
