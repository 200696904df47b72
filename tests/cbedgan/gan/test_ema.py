"""The half-life of the averaged generator."""

import torch
from torch import nn

from cbedgan.gan.ema import EmaConfig, ema_decay, update_ema


def test_a_weight_fades_to_one_half_within_the_half_life():
    decay = ema_decay(10**9, 50, EmaConfig(half_life_images=1000))
    assert abs(decay ** (1000 / 50) - 0.5) < 1e-12


def test_the_half_life_grows_with_the_images_seen_and_starts_at_zero():
    assert ema_decay(0, 50, EmaConfig(half_life_images=1000)) == 0
    assert ema_decay(500, 50, EmaConfig(half_life_images=1000, ramp_up=0.1)) == 0.5
    assert ema_decay(500, 50, EmaConfig(half_life_images=1000, ramp_up=0.0)) == 0


def test_parameters_are_averaged_unless_their_share_is_nothing_and_buffers_copied():
    average, current = nn.Linear(1, 1), nn.Linear(1, 1)
    for network, value in ((average, 1.0), (current, 3.0)):
        network.register_buffer("mean_sample", torch.tensor(value))
        for parameter in network.parameters():
            nn.init.constant_(parameter, value)
    update_ema(average, current, torch.tensor(0.0))
    assert average.weight.item() == 1.0
    update_ema(average, current, torch.tensor(0.25))
    assert average.weight.item() == 1.5 and average.mean_sample == 3.0 and current.weight.item() == 3.0
