"""Symmetry residuals of patterns made with a known symmetry, and of patterns that break it."""

import math

import numpy as np
import pytest
import torch

from classifier.pattern.symmetry import mirror_residual, n_fold_residual

SIZE = 48
SIDE = np.arange(SIZE) - SIZE / 2 + 0.5
X, Y = np.meshgrid(SIDE, SIDE)


def spots(*places: tuple[float, float, float]) -> np.ndarray:
    """Smooth spots at (radius in pixels, azimuth in degrees, height) around a bright centre, [SIZE, SIZE]."""
    pattern = 5 * np.exp(-(X**2 + Y**2) / 18)
    for radius, azimuth, height in places:
        x, y = radius * math.cos(math.radians(azimuth)), radius * math.sin(math.radians(azimuth))
        pattern += height * np.exp(-((X - x) ** 2 + (Y - y) ** 2) / 18)
    return pattern


def ring(n: int, start: float = 10.0) -> np.ndarray:
    return spots(*((14, start + 360 * k / n, 1.0) for k in range(n)))


@pytest.mark.parametrize("n", [2, 3, 4, 6])
def test_a_ring_of_n_spots_has_an_n_fold_axis(n: int) -> None:
    assert n_fold_residual(ring(n), n) < 0.003


@pytest.mark.parametrize(("made", "asked"), [(2, 3), (2, 4), (3, 2), (4, 3), (3, 6), (3, 4)])
def test_a_symmetry_that_is_not_there_leaves_a_large_residual(made: int, asked: int) -> None:
    assert n_fold_residual(ring(made), asked) > 0.3


def test_quarter_turns_are_exact_on_the_pixel_grid() -> None:
    noise = np.random.default_rng(0).random((SIZE, SIZE))
    fourfold = sum(np.rot90(noise, k) for k in range(4))
    assert n_fold_residual(fourfold, 4) < 1e-12 and 0.4 < n_fold_residual(noise, 2) < 0.6


def test_a_weaker_spot_breaks_the_axis_a_little() -> None:
    broken = spots((14, 0, 1.0), (14, 120, 1.0), (14, 240, 0.8))
    assert 0.002 < n_fold_residual(broken, 3) < 0.1


def test_mirror_lines_are_found_at_any_azimuth() -> None:
    pattern = spots((14, 37, 1.0), (10, 37 + 50, 0.7), (10, 37 - 50, 0.7))
    assert mirror_residual(pattern) < 0.003 and mirror_residual(pattern, math.radians(37)) < 0.003
    assert mirror_residual(pattern, math.radians(90)) > 0.2


def test_the_mirror_line_along_x_maps_rows_to_rows() -> None:
    noise = np.random.default_rng(1).random((SIZE, SIZE))
    assert mirror_residual(noise + noise[::-1], 0.0) < 1e-12
    assert mirror_residual(noise + noise[:, ::-1], math.pi / 2) < 1e-12
    assert mirror_residual(noise - noise[::-1], 0.0) > 1 - 1e-9


def test_a_chiral_pattern_has_an_axis_but_no_mirror() -> None:
    pinwheel = spots(*((r, 120 * k + a, 1.0) for k in range(3) for r, a in ((9, 0), (16, 25))))
    assert n_fold_residual(pinwheel, 3) < 0.003 and mirror_residual(pinwheel) > 0.05


def test_batches_equal_single_patterns_and_torch_equals_numpy() -> None:
    stack = np.stack([[ring(2), ring(3)], [ring(4), ring(6)]]).astype(np.float32)
    for measure in (lambda x: n_fold_residual(x, 3), mirror_residual):
        batched = measure(stack)
        assert isinstance(batched, np.ndarray) and batched.shape[:2] == (2, 2)
        np.testing.assert_allclose(batched[1, 0], measure(stack[1, 0]), atol=1e-12)
        assert isinstance(measure(torch.from_numpy(stack)), torch.Tensor)
        np.testing.assert_allclose(measure(torch.from_numpy(stack)).numpy(), batched, atol=1e-12)


def test_a_flat_pattern_counts_as_symmetric() -> None:
    assert n_fold_residual(np.full((8, 8), 0.3), 4) == 0 and mirror_residual(np.zeros((8, 8))) == 0
