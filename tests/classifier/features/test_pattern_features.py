import math

import pytest
import torch

from classifier.features.pattern_features import feature_names, pattern_features

SIZE = 64
SMALLEST = math.log(1e-4)


def pattern(*orders: tuple[int, float, float]) -> torch.Tensor:
    """[1, 1, SIZE, SIZE]: sum of amplitude cos(m (azimuth - degrees)), of (m, amplitude, degrees), off the beam."""
    side = (torch.arange(SIZE) - SIZE / 2 + 0.5) / (SIZE / 2)
    azimuth, radius = torch.atan2(side[:, None], side[None, :]), torch.hypot(side[:, None], side[None, :])
    waves = [size * torch.cos(m * (azimuth - math.radians(degrees))) for m, size, degrees in orders]
    return (sum(waves) * radius * (1 - radius).clamp(min=0))[None, None]


def feature(x: torch.Tensor, name: str) -> float:
    return float(pattern_features(x)[0, 0, feature_names().index(name)])


def test_every_feature_has_one_name() -> None:
    names = feature_names()
    assert len(set(names)) == len(names) == pattern_features(torch.zeros(2, 3, 32, 32)).shape[-1]


@pytest.mark.parametrize("order, allowed", [(2, {2}), (3, {3}), (4, {2, 4}), (6, {2, 3, 6})])
def test_what_a_turn_forbids(order: int, allowed: set[int]) -> None:
    x = pattern((order, 1.0, 10.0))
    for fold in (2, 3, 4, 6):
        share = feature(x, f"share forbidden by a {fold}-fold axis, the whole pattern")
        # Bilinear sampling leaves a little of what the axis forbids.
        assert (share < math.log(0.01)) if fold in allowed else (share > math.log(0.98))


def test_mirror_lines_are_found_at_any_angle() -> None:
    x = pattern((2, 1.0, 33.0), (4, 0.5, 33.0))
    assert feature(x, "share forbidden by a mirror at best line 1, the whole pattern") < math.log(0.005)
    assert feature(x, "angle from best line 1 to 2") == pytest.approx(0.5, abs=0.01)  # the normal is the other
    # Line 33 or 123: both lie 57 or 33 degrees from g1's normal.
    assert feature(x, "angle of best line 1 from g1's normal") * 90 == pytest.approx(57, abs=1.1) or (
        feature(x, "angle of best line 1 from g1's normal") * 90 == pytest.approx(33, abs=1.1))
    assert feature(x, "share forbidden by a mirror at 75 degrees, the whole pattern") > math.log(0.3)


def test_polarity_is_the_difference_of_a_lines_ends() -> None:
    polar, even = pattern((1, 1.0, 0.0)), pattern((2, 1.0, 0.0))
    assert feature(polar, "polarity along g1, ring 16") > 0.3
    assert feature(even, "polarity along g1, ring 16") < 0.01 < 0.1 < feature(even, "light along g1, ring 16")


def test_a_half_turn_changes_nothing_and_a_mirror_only_what_names_an_angle() -> None:
    x = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    features, mirrored = pattern_features(x), pattern_features(x.flip(-2))
    torch.testing.assert_close(pattern_features(x.flip(-1, -2)), features, atol=2e-3, rtol=1e-3)
    names = feature_names()
    for degrees in (15, 60):
        here, there = (names.index(f"share forbidden by a mirror at {line} degrees, band 3 of 8")
                       for line in (degrees, 180 - degrees))
        torch.testing.assert_close(mirrored[..., here], features[..., there], atol=1e-3, rtol=1e-3)
    steady = [k for k, name in enumerate(names) if "forbidden by a 4-fold" in name or "order" in name]
    torch.testing.assert_close(mirrored[..., steady], features[..., steady], atol=1e-3, rtol=1e-3)


def test_size_in_pixels_changes_the_sampling_alone() -> None:
    x = pattern((4, 1.0, 0.0), (1, 0.2, 0.0))
    small = torch.nn.functional.avg_pool2d(x, 2)
    name = "share forbidden by a 4-fold axis, the whole pattern"
    assert feature(small, name) == pytest.approx(feature(x, name), abs=0.15)


def test_an_empty_pattern_has_finite_features_and_gradients_reach_the_patterns() -> None:
    x = torch.zeros(1, 3, 32, 32, requires_grad=True)
    pattern_features(x).sum().backward()
    assert x.grad is not None and torch.isfinite(pattern_features(x)).all() and torch.isfinite(x.grad).all()
    varied = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(1)).requires_grad_()
    pattern_features(varied).square().mean().backward()
    assert varied.grad is not None and float(varied.grad.abs().min()) >= 0 and float(varied.grad.abs().sum()) > 0
