from typing import Any

import numpy as np
import pytest

from classifier.foundation.errors import InputError
from classifier.training.sampling import PowerSampler, Strata

# Class 0: material a with 6 samples, b with 1, c with 1, d with 1; class 1: none; class 2: e with 2 samples.
CLASS_IDX = np.array([0] * 9 + [2] * 2)
MATERIAL = np.array(list("aaaaaabcd") + ["e", "e"])


def draw(**how: Any) -> np.ndarray:
    return Strata.build(CLASS_IDX, MATERIAL).draw(**how)


def many(power: float) -> np.ndarray:
    return np.concatenate([draw(batch=100, seed=0, images_seen=100 * i, power=power) for i in range(200)])


@pytest.mark.parametrize("power, expected", [(1.0, 0.8), (0.5, 2 / 3), (0.0, 0.5)])
def test_classes_are_drawn_by_the_power_of_their_materials(power: float, expected: float) -> None:
    assert (CLASS_IDX[many(power)] == 0).mean() == pytest.approx(expected, abs=0.015)


def test_materials_of_a_class_are_drawn_equally_often_whatever_their_samples() -> None:
    drawn = many(1.0)
    counts = [(MATERIAL[drawn] == name).sum() / (CLASS_IDX[drawn] == 0).sum() for name in "abcd"]
    assert counts == pytest.approx([0.25] * 4, abs=0.02) and len(np.unique(drawn)) == len(MATERIAL)


def test_a_draw_depends_on_seed_and_images_seen_alone() -> None:
    one = dict(batch=64, seed=3, images_seen=128, power=0.5)
    first = draw(**one)
    draw(**{**one, "images_seen": 192})
    assert np.array_equal(first, draw(**one)) and not np.array_equal(first, draw(**{**one, "images_seen": 192}))
    assert not np.array_equal(first, draw(**{**one, "seed": 4}))


def test_the_order_of_samples_in_the_file_does_not_matter_to_the_frequencies() -> None:
    shuffled = np.random.default_rng(1).permutation(len(CLASS_IDX))
    strata = Strata.build(CLASS_IDX[shuffled], MATERIAL[shuffled])
    assert strata.class_probability(PowerSampler(power=1.0)).tolist() == [0.8, 0.0, 0.2]
    rows = strata.draw(batch=200, seed=0, images_seen=0, power=0.0)
    assert set(MATERIAL[shuffled][rows]) == set("abcde")


def test_sample_probabilities_are_those_of_the_draw() -> None:
    strata = Strata.build(CLASS_IDX, MATERIAL)
    rows = strata.draw(batch=200_000, seed=0, images_seen=0, power=0.5)
    probability = strata.sample_probability(strata.class_probability(PowerSampler(power=0.5)))
    assert probability.sum() == pytest.approx(1)
    assert np.abs(np.bincount(rows, minlength=len(CLASS_IDX)) / len(rows) - probability).max() < 0.005


def test_an_empty_batch_is_empty_and_no_samples_is_an_error() -> None:
    assert draw(batch=0, seed=0, images_seen=0, power=1.0).shape == (0,)
    with pytest.raises(InputError):
        Strata.build(np.array([], int), np.array([], str))
