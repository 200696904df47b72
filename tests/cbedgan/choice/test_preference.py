import numpy as np
import pytest

from cbedgan.choice.preference import FLOOR, Preference, drawn


def test_weights_by_kind():
    probability = np.array([0.0, 0.5, 1.0])
    for kind, expected in (("denied", [1, 0.25, 0]), ("undecided", [0, 1, 0]), ("even", [1, 1, 1])):
        assert Preference(kind=kind).weights(probability) == pytest.approx(np.array(expected) + FLOOR)
    assert Preference(kind="denied", power=1).weights(np.array([0.75])) == pytest.approx([0.25 + FLOOR])


def test_a_draw_goes_by_weight_and_never_takes_one_twice():
    generator, weight = np.random.default_rng(0), np.array([1.0, 3.0, 6.0])
    one = [drawn(weight, 1, generator)[0] for _ in range(4000)]
    assert np.bincount(one) / 4000 == pytest.approx([0.1, 0.3, 0.6], abs=0.03)
    # Without replacement: the first stays out with 0.3 * 6 / 7 + 0.6 * 3 / 4.
    two = np.array([drawn(weight, 2, generator) for _ in range(4000)])
    assert (two[:, 0] < two[:, 1]).all()
    assert (two[:, 0] != 0).mean() == pytest.approx(0.3 * 6 / 7 + 0.6 * 3 / 4, abs=0.03)
    assert drawn(weight, 9, generator).tolist() == [0, 1, 2]
