import pytest

from cbedgan.synthesis.quota import SamplingStrategy, resolve_quota
from classifier.foundation.errors import InputError


def strategy(**changes):
    return SamplingStrategy(**{"shots": ("few", "medium"), "ratio": 0.5, "base": 4, "target": 40} | changes)


COUNTS = {194: 150, 225: 80, 216: 38, 136: 21, 12: 20, 215: 3}


def test_quota_follows_the_formula_and_the_target():
    quota = resolve_quota(strategy(), stacks=COUNTS, materials=COUNTS)
    assert quota == {12: 14, 136: 15, 215: 6, 216: 2}  # 225 is above the target, 194 is many


def test_shots_count_materials_and_numbers_count_stacks():
    quota = resolve_quota(strategy(shots=("few",)), stacks={215: 30, 12: 30}, materials={215: 3, 12: 30})
    assert quota == {215: 10}


def test_a_group_without_a_quota_is_absent():
    assert resolve_quota(strategy(ratio=0.0, base=0), stacks=COUNTS, materials=COUNTS) == {}


def test_a_negative_ratio_is_refused():
    with pytest.raises(InputError, match="negative"):
        resolve_quota(strategy(ratio=-1.0), stacks=COUNTS, materials=COUNTS)
