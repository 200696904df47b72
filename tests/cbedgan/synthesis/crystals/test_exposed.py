"""Which crystals and stacks are refused, and why."""

from collections import Counter

import numpy as np
import pytest
import torch

from cbedgan.crystal.crystals import standard_crystal
from cbedgan.gan.crystals.instrument import Instrument
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.held_out import HeldOut
from cbedgan.synthesis.crystals.copies import Copies, coarse
from cbedgan.synthesis.crystals.exposed import Fit, exposed, labelled
from classifier.foundation.config import parse_config
from classifier.pattern.intensity import IntensityConfig, IntensityTransform
from small_crystals import SIMULATE

INSTRUMENT = Instrument(parse_config(SIMULATE, SimulateConfig, source="test"))
TRANSFORM = IntensityTransform.fit(np.full((1, 3, 16, 16), 0.1, np.float32), IntensityConfig())


@pytest.fixture(scope="module")
def salt():
    return standard_crystal(2.82 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]), [[0, 0, 0], [0.5, 0.5, 0.5]], [11, 17],
                            source="test")


def fit(*, types=(), formulas=(), real=None, limit=0.0):
    real = torch.zeros(1, 3 * 16 * 16) if real is None else coarse(torch.from_numpy(real)[None], TRANSFORM)
    return Fit(HeldOut(frozenset(types), frozenset(formulas), "split"), Copies(TRANSFORM, real, limit))


def made(crystal, space_group, allowed):
    refused = Counter()
    return exposed(crystal, space_group, INSTRUMENT, np.random.default_rng(0), allowed, refused), dict(refused)


def test_a_crystal_of_its_group_becomes_a_synthetic_row(salt):
    one, refused = made(salt, 225, fit())
    row = labelled(one, "boundary-225-undistorted-000003", {"kind": "boundary"}).row
    assert refused == {} and row.space_group.tolist() == [225] and row.structure_type.tolist() == [salt.structure_type]
    assert row.sample_id.tolist() == ["boundary-225-undistorted-000003"] and row.material.tolist() == [salt.material]
    assert row.origin.tolist() == ["synthetic"] and row.partition.tolist() == ["train"]


def test_another_label_than_what_is_measured_is_refused(salt):
    assert made(salt, 216, fit()) == (None, {"another group": 1})


def test_types_and_formulas_of_the_held_out_parts_are_refused(salt):
    for held in (fit(types=[(225, salt.structure_type)]), fit(formulas=[(225, "ClNa")])):
        assert made(salt, 225, held) == (None, {"validation or test hold its type or formula": 1})
    assert made(salt, 225, fit(formulas=[(216, "ClNa")]))[0] is not None  # of another group


def test_a_near_copy_of_a_real_stack_is_refused(salt):
    stack = made(salt, 225, fit())[0].stack
    assert made(salt, 225, fit(real=stack, limit=0.1)) == (None, {"copy of a real stack": 1})
    assert made(salt, 225, fit(real=stack[:, ::-1].copy(), limit=0.1))[1] == {}
