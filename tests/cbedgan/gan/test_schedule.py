"""Schedules at their ends and in the middle."""

import pytest

from cbedgan.gan.schedule import Schedule


@pytest.mark.parametrize(("share", "value"), [(-1, 2.0), (0, 2.0), (0.5, 1.0), (1, 0.0), (3, 0.0)])
def test_half_a_cosine_from_start_to_end(share, value):
    assert Schedule(start=2.0, end=0.0).at(share) == pytest.approx(value)


def test_schedules_may_rise():
    assert Schedule(start=0.9, end=0.99).at(0.25) == pytest.approx(0.9 + 0.09 * 0.1464466)
