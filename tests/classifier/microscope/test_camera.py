"""The camera: what its noise scatters by, where it saturates, which pixels are dead."""

import numpy as np
import pytest
import torch
from scipy.stats import poisson

from classifier.microscope.camera import counts, read_out, steady_counts

NAMES = ("gain", "dark_electrons", "readout_electrons", "full_well", "dead_share")


def read(rate: torch.Tensor, **values: float) -> torch.Tensor:
    told = {"full_well": 100.0} | values
    drawn = {f"camera.{name}": torch.full(rate.shape[:2], told.get(name, 0.0)) for name in NAMES}
    first, second = ([torch.Generator().manual_seed(seed + start) for seed in range(len(rate))] for start in (0, 99))
    return read_out(rate, drawn, first, second)


def test_each_source_of_noise_adds_its_own_variance_and_no_light():
    flat = torch.full((20, 1, 64, 64), 400.0)
    for values, variance in (({}, 400), ({"gain": 0.1}, 400 + 0.01 * (400**2 + 400)),
                             ({"readout_electrons": 30.0}, 1300), ({"dark_electrons": 500.0}, 900)):
        found = read(flat, **values)
        assert abs(found.mean() / 400 - 1) < 0.005 and abs(found.var() / variance - 1) < 0.03


def test_without_errors_of_the_camera_counts_are_whole_and_are_never_negative_with_them():
    dim = torch.full((5, 1, 32, 32), 0.5)
    assert torch.equal(read(dim), read(dim).round())
    noisy = read(dim, readout_electrons=2.0, dark_electrons=1.0)
    assert noisy.min() == 0 and (noisy == 0).float().mean() > 0.2


def test_a_full_well_cuts_the_brightest_pixels_of_its_own_pattern():
    rate = torch.full((1, 2, 16, 16), 100.0)
    rate[0, 0, :8], rate[0, 1] = 1e4, 1e3
    found = read(rate, full_well=0.5)[0]
    assert (found[0, :8] == 5000).all() and found[0, 8:].max() < 200 and (found[1] == 500).all()


def test_dead_pixels_read_nothing_and_are_as_many_as_asked_for():
    found = read(torch.full((10, 1, 64, 64), 1e4), dead_share=0.02)
    assert abs((found == 0).float().mean() - 0.02) < 0.003 and found[found > 0].min() > 9e3


@pytest.mark.parametrize("expected", [0.02, 3.0, 31.0, 33.0, 1e5])
def test_steady_counts_are_quantiles_of_poisson_numbers(expected):
    rate = torch.full((2, 1, 64, 64), expected)
    generators = [torch.Generator().manual_seed(seed) for seed in (3, 4)]
    even = np.stack([torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).numpy()
                     for seed in (3, 4)])
    found = steady_counts(rate, generators).numpy()
    exact = poisson.ppf(even, float(rate[0, 0, 0, 0]))
    assert (found != exact).mean() < 2e-3 and np.abs(found - exact).max() <= 1


def test_steady_counts_of_rates_that_hardly_differ_hardly_differ():
    rate = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 100

    def apart(count):
        once, again = (count(rate * factor, [torch.Generator().manual_seed(5)]) for factor in (1.0, 1.001))
        return again - once

    assert apart(steady_counts).min() >= 0 and apart(steady_counts).max() <= 1
    assert abs(apart(steady_counts).mean() - 0.05) < 0.01 and apart(counts).abs().max() > 10
