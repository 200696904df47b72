"""Symmetry, brightness and disks of patterns that have or lack them by construction; collapse within a group."""

import numpy as np
import pytest
import torch

from cbedgan.fidelity.brightness import Brightness, brightness_figures
from cbedgan.fidelity.collapse import collapsed, spread_ratio
from cbedgan.fidelity.disks import disk_figures
from cbedgan.fidelity.features import random_features, symmetry_features
from cbedgan.fidelity.symmetry import shown_symmetries, symmetry_figures, symmetry_residuals
from classifier.pattern.geometry import Detector

DRAWS = torch.Generator().manual_seed(0)


def noise(n: int, size: int = 16) -> torch.Tensor:
    return torch.randn(n, 1, size, size, generator=DRAWS)


def fourfold(x: torch.Tensor) -> torch.Tensor:
    return sum(x.rot90(k, (-2, -1)) for k in range(4)) / 2


def test_only_the_symmetries_that_real_stacks_show_are_asked_for():
    real, class_idx = torch.cat([fourfold(noise(20)), noise(20)]), torch.arange(2).repeat_interleave(20)
    residuals = symmetry_residuals(real)
    shown = shown_symmetries(residuals, class_idx, 3)
    assert shown[0, 0].tolist() == [True, False, True, False, False] and not shown[1:].any()
    same = symmetry_figures(residuals, class_idx, residuals, class_idx, shown)
    assert same["ratio"] == 1.0 and same["difference"] == 0 and same["kept"] == 1.0 and set(same["groups"]) == {0}
    lost = symmetry_residuals(torch.cat([noise(20), noise(20)]))
    found = symmetry_figures(lost, class_idx, residuals, class_idx, shown)
    assert found["ratio"] > 10 and found["kept"] == 0 and found["kept_real"] == 1
    everywhere = symmetry_residuals(torch.cat([fourfold(noise(20)), fourfold(noise(20))]))
    found = symmetry_figures(everywhere, class_idx, residuals, class_idx, shown)
    assert found["added"] > 0.2 > 0.05 > found["added_real"] and found["difference"] > 0.1
    assert symmetry_residuals(torch.zeros(4, 1, 16)) is None


def test_residual_ratio_is_that_of_the_means():
    residuals = torch.full((4, 1, 5), 0.04)
    shown = torch.ones(1, 1, 5, dtype=torch.bool)
    found = symmetry_figures(2 * residuals, torch.zeros(4).long(), residuals, torch.zeros(4).long(), shown)
    assert found["ratio"] == pytest.approx(2.0) and found["groups"][0]["ratio"] == pytest.approx(2.0)
    assert found["difference"] == found["groups"][0]["difference"] == pytest.approx(0.04)
    assert found["operations"]["mirror"] == {"generated": pytest.approx(0.08), "real": pytest.approx(0.04)}


def test_twice_the_intensity_is_a_total_of_two_and_the_logarithm_of_two():
    x = torch.rand(10, 3, 16, 16, generator=DRAWS) + 0.1
    found = brightness_figures(Brightness.of(2 * x), Brightness.of(x))
    assert found == {"profile": pytest.approx(0.30103, abs=1e-4), "total": pytest.approx(2.0),
                     "total_distance": pytest.approx(0.30103, abs=1e-4)}
    flat = Brightness.of(torch.full((1, 1, 8, 8), 3.0))
    assert flat.profile.shape == (1, 1, 4) and torch.allclose(flat.profile, torch.tensor(3.0)) and flat.total == 192


def test_light_between_the_disks_is_seen():
    detector = Detector(64, 4 / 64, "shortest_g")
    side = (torch.arange(64) - 31.5) * 4 / 64
    x, y = side[None] - side[None].round(), side[:, None] - side[:, None].round()
    disks = (torch.hypot(x, y) < 0.4).float() * torch.exp(-(side[None]**2 + side[:, None]**2) / 2)
    clean, foggy = (disk_figures((disks + fog)[None].numpy(), detector) for fog in (1e-6, 2e-2))
    assert clean["found"] == 1.0 and clean["shortest_g"] == pytest.approx(1.0, abs=0.02)
    assert clean["disk_radius"] == pytest.approx(0.4, abs=0.05)
    assert clean["light_between"] < 1e-3 and (foggy["found"] == 0 or foggy["light_between"] > 0.02)
    assert disk_figures(np.ones((2, 64, 64)), detector) == {"found": 0.0}


def test_a_collapsed_class_raises_the_alarm():
    class_idx = torch.tensor([0] * 20 + [1] * 20)
    real, made = torch.randn(2, 40, 8, generator=DRAWS)
    made[20:] *= 0.1
    found = spread_ratio(made, class_idx, real, class_idx)
    assert collapsed(found) == [1] and collapsed({}, found, {0: 0.4, 2: 0.6}) == [0, 1]
    assert found[0] == pytest.approx(1.0, abs=0.3) and found[1] == pytest.approx(0.1, abs=0.03)
    assert spread_ratio(made[:1], class_idx[:1], real[:1], class_idx[:1]) == {}


def test_random_features_are_the_same_at_every_call_and_leave_the_generator_of_numbers_alone():
    x, state = torch.randn(4, 3, 16, 16), torch.get_rng_state()
    first, second = (random_features(3, 16)(x) for _ in range(2))
    assert torch.equal(first, second) and first.std(0).min() > 0 and torch.equal(state, torch.get_rng_state())
    assert symmetry_features(x) is None and symmetry_features(noise(2, 32)).shape[0] == 2
