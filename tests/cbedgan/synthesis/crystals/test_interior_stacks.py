"""Which of the samples that belong to a stack's number is taken."""

from collections import Counter
from types import SimpleNamespace

import pytest

from cbedgan.gan.crystals.draw import ArmConfig
from cbedgan.synthesis.crystals import interior_stacks
from classifier.foundation.errors import InputError


@pytest.fixture
def drawn(monkeypatch):
    """Numbers of the samples that are drawn; every sample's name is its number."""
    numbers = []

    def draw(source, arm, space_group, number, *, seed, refused, against, views):
        if space_group == 33:
            raise InputError(source="33", rule="must come", value="none", remedy="Leave it out.")
        assert against("any") == "held out" and views
        numbers.append(number)
        return SimpleNamespace(crystal=number, stack=number)
    monkeypatch.setattr(interior_stacks, "draw_stack", draw)
    monkeypatch.setattr(interior_stacks, "labelled", lambda one, name, told: (one.crystal, name, told["kind"]))
    return numbers


def stack(kind, number, *, group=225, copies=()):
    fit = SimpleNamespace(crystal=lambda one: "held out", stack=lambda one: "copy" if one in copies else "")
    refused = Counter()
    made = interior_stacks.interior_stack(None, ArmConfig(), kind, group, number, seed=0, fit=fit, refused=refused)
    return made, dict(refused)


def test_the_first_sample_that_is_no_copy_is_taken(drawn):
    assert stack("interior", 2, copies=(16, 17)) == ((18, "interior-225-000002", "interior"), {"copy": 2})
    assert drawn == [16, 17, 18]


def test_no_sample_is_in_two_stacks(drawn):
    for kind in ("interior", "hard"):
        for number in (0, 1):
            assert stack(kind, number, copies=range(10**12)) == (None, {"copy": 8})
    assert len(set(drawn)) == 32


def test_a_group_that_gives_no_sample_gives_no_stack(drawn):
    assert stack("interior", 0, group=33) == (None, {})
