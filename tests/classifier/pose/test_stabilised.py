"""Faulty pixels are put right and sound ones kept; the noise alone tells the electrons, and is made even."""

import numpy as np
import pytest

from classifier.pose.stabilised import counts_per_unit, mended, stabilised


def hill(electrons):
    """A bright hill on a faint plain, whose pixels hold that many electrons on average."""
    x, y = np.meshgrid(*2 * [np.arange(96) - 40.0])
    shape = 0.05 + np.exp(-(x**2 + y**2) / 400)
    return np.random.default_rng(0).poisson(shape / shape.mean() * electrons).astype(float)


@pytest.mark.parametrize("electrons", [0.3, 3.0, 300.0])
def test_hot_and_dead_pixels_are_mended_and_few_others(electrons):
    sound = hill(electrons)
    faulty = sound.copy()
    hot, dead = [(3, 90), (40, 40), (70, 22)], [(42, 36), (35, 45)]
    faulty[tuple(np.transpose(hot))] = 30 * sound.max()
    faulty[tuple(np.transpose(dead))] = 0
    new = mended(faulty)
    for place in hot + (dead if electrons > 100 else []):
        assert new[place] == pytest.approx(sound[place], abs=8 * np.sqrt(sound[place] + 1))
    others = new != faulty
    others[tuple(np.transpose(hot + dead))] = False
    assert others.mean() < 0.005


def test_a_bright_line_is_no_fault():
    pattern = np.full((32, 32), 10.0)
    pattern[np.arange(32), np.arange(32)] = 1000.0
    assert np.array_equal(mended(pattern), pattern)


@pytest.mark.parametrize("electrons", [0.3, 3.0, 300.0])
def test_the_noise_tells_the_electrons_in_any_unit(electrons):
    assert counts_per_unit(hill(electrons) / 250) == pytest.approx(250, rel=0.2)


def test_noise_is_even_on_the_new_scale():
    draw = np.random.default_rng(1)
    pattern = np.concatenate([draw.poisson(2.0, (64, 64)), draw.poisson(50.0, (64, 64))], 1).astype(float)
    level = stabilised(pattern)
    faint, bright = level[:, :60].std(), level[:, 68:].std()
    assert faint == pytest.approx(1, abs=0.15) and bright == pytest.approx(0.8, abs=0.15)  # a part stands for the model


def test_nothing_is_found_in_nothing():
    assert not mended(np.zeros((16, 16))).any() and np.isfinite(stabilised(np.zeros((16, 16)))).all()
