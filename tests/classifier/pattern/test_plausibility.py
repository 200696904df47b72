import numpy as np
import pytest

from classifier.pattern.geometry import Detector
from classifier.pattern.intensity import IntensityConfig, IntensityTransform
from classifier.pattern.plausibility import CHECKS, Plausibility, measure

DETECTOR = Detector(32, 1 / 12, "shortest_g")  # the shortest g takes 12 pixels
TRANSFORM = IntensityTransform(IntensityConfig(floor=1e-3), high=8.0)


@pytest.fixture
def stack(disk_pattern):
    """stack(degrees, scale): three patterns [1, 3, H, W] of a square lattice in canonical pose, turned by degrees."""
    def make(degrees: float = 0.0, scale: float = 12.0, seed: int = 0):
        angle, length = np.radians(degrees), scale
        lattice = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) * length
        patterns = [disk_pattern(32, lattice, 0.475 * length, fringes=True, seed=3 * seed + place,
                                 amplitude=lambda h, k: 1.0 / (1 + h * h + k * k)) for place in range(3)]
        # Friedel's law does not hold for fringes drawn at random: a pattern and its half turn are averaged.
        return np.stack([pattern + pattern[::-1, ::-1] for pattern in patterns])[None] + 1e-4
    return make


@pytest.fixture
def plausible(stack):
    training = np.concatenate([stack(seed=seed) for seed in range(12)])
    return Plausibility.fit(measure(training, TRANSFORM, DETECTOR, shift_pixels=1), 1)


def complaints(plausible, stack: np.ndarray) -> str:
    return "; ".join(plausible.complaints(measure(stack, TRANSFORM, DETECTOR, shift_pixels=1)[0]))


def test_patterns_like_those_of_training_pass_also_moved_as_far_as_in_training(plausible, stack) -> None:
    usual = stack(seed=50)
    assert complaints(plausible, usual) == "" and complaints(plausible, np.roll(usual, 1, axis=3)) == ""


def test_what_is_wrong_is_named(plausible, stack) -> None:
    usual = stack(seed=50)
    random = np.random.default_rng(0)
    saturated = np.minimum(usual, np.quantile(usual, 0.7))
    for wrong, named in ((np.roll(usual, 4, axis=2), "badly centred"), (stack(45.0, seed=50), "canonical pose: turned"),
                         (stack(scale=16.0, seed=50), "scale"), (usual * 1e4, "another intensity scale"),
                         (random.random(usual.shape), "blurred or noisy"), (np.ones_like(usual), "flat"),
                         (np.ones_like(usual), "saturated or constant"), (saturated, "saturated or constant"),
                         (np.full_like(usual, np.nan), "flat")):
        assert named in complaints(plausible, wrong)


def test_one_bad_pattern_of_three_is_enough_and_is_counted(plausible, stack) -> None:
    one = stack(seed=50)
    one[0, 1] *= 1e4
    assert "another intensity scale (pattern 2:" in complaints(plausible, one)


def test_measurements_of_a_known_pattern() -> None:
    pattern = np.zeros((1, 3, 32, 32))
    pattern[..., 16, 17] = 100.0  # one bright pixel at x = 1.5, y = 0.5
    found = dict(zip(CHECKS, measure(pattern, TRANSFORM, DETECTOR, shift_pixels=0)[0, 0], strict=True))
    assert found["total"] == pytest.approx(2.0) and found["offset"] == pytest.approx(np.hypot(1.5, 0.5))
    assert found["plateau"] == pytest.approx(1 / 1024)
    # Its half turn is elsewhere: uncorrelated.
    assert found["asymmetry"] == pytest.approx(1.0, abs=0.01)


def test_without_canonical_pose_its_checks_say_nothing(stack) -> None:
    raw = Detector(32, 0.1, "1/angstrom")
    found = measure(stack(), TRANSFORM, raw, shift_pixels=0)[0]
    assert (found[:, [list(CHECKS).index(name) for name in ("direct_disk", "first_disk")]] == 0).all()


def test_the_range_survives_a_checkpoint(plausible) -> None:
    again = Plausibility.from_state(plausible.state())
    assert np.array_equal(again.low, plausible.low) and np.array_equal(again.high, plausible.high)
    assert again.shift_pixels == 1
