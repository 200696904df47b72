"""Which of the samples that belong to a stack's number is taken."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from cbedgan.gan.crystals.draw import ArmConfig
from cbedgan.synthesis.crystals import interior_stacks
from classifier.foundation.errors import InputError


@pytest.fixture
def drawn(monkeypatch):
    """Numbers of the samples that are drawn; every sample's name is its number."""
    numbers = []

    def draw(source, arm, space_group, number, *, seed, refused):
        if space_group == 33:
            raise InputError(source="33", rule="must come", value="none", remedy="Leave it out.")
        numbers.append(number)
        return SimpleNamespace(crystal=number, stack=np.zeros(1))
    monkeypatch.setattr(interior_stacks, "draw_stack", draw)
    monkeypatch.setattr(interior_stacks, "labelled", lambda one, name, told: (one.crystal, name, told["kind"]))
    return numbers


def stack(kind, number, *, group=225, refuse=()):
    fit = SimpleNamespace(crystal=lambda one: "held out" if one in refuse else "", stack=lambda one: "")
    refused = Counter()
    made = interior_stacks.interior_stack(None, ArmConfig(), kind, group, number, seed=0, fit=fit, refused=refused)
    return made, dict(refused)


def test_the_first_sample_that_may_be_trained_on_is_taken(drawn):
    assert stack("interior", 2, refuse=(100, 101)) == ((102, "interior-225-000002", "interior"), {"held out": 2})
    assert drawn == [100, 101, 102]


def test_no_sample_is_in_two_stacks(drawn):
    for kind in ("interior", "hard"):
        for number in (0, 1):
            assert stack(kind, number, refuse=range(10**12)) == (None, {"held out": 50})
    assert len(set(drawn)) == 200


def test_a_group_that_gives_no_sample_gives_no_stack(drawn):
    assert stack("interior", 0, group=33) == (None, {})
