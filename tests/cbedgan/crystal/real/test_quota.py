"""The numbers of real-derived crystals: what a configuration may say."""

import pytest

from cbedgan.crystal.plan import CrystalConfig, GroupQuota
from cbedgan.crystal.real.quota import RealDerivedConfig
from classifier.foundation.config import digest, parse_config
from classifier.foundation.errors import InputError

FULL = {"test": 4, "validation": 2, "of_a_type": 2, "train_of_a_type": 3, "drawn_types": 5}


def test_every_number_must_be_said_and_sensible():
    assert parse_config(FULL, RealDerivedConfig, source="x").drawn_types == 5
    for faulty in ({**FULL, "of_a_type": 0}, {**FULL, "test": -1}, {"test": 4}):
        with pytest.raises(InputError):
            parse_config(faulty, RealDerivedConfig, source="x")


def test_a_set_without_it_is_named_as_before():
    plain = CrystalConfig(groups=(GroupQuota(space_group=225, train=1, test=1),))
    assert "real_derived" not in plain.model_dump() and "known_types" not in plain.model_dump()
    assert digest(plain) != digest(plain.model_copy(update={"real_derived": RealDerivedConfig(**FULL)}))
