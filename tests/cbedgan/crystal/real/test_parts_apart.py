"""Plans with real-derived and drawn held-out parts: of many types, of two, of one, of none."""

from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest

from cbedgan.crystal.plan import CrystalConfig, CrystalPlan, GroupQuota, plan_group
from cbedgan.crystal.random_crystals import RandomCrystalConfig
from cbedgan.crystal.real.parts_apart import types_by_side
from cbedgan.crystal.real.quota import RealDerivedConfig

pytestmark = pytest.mark.slow

# 221: many types; 87: two; 19: one; 27: none.
CONFIG = CrystalConfig(
    maximum_primitive_atoms=12, displacement_angstrom=0.05, attempts_per_material=20, substitution="charge",
    real_derived=RealDerivedConfig(test=6, validation=2, of_a_type=3, train_of_a_type=2, drawn_types=3),
    random=RandomCrystalConfig(maximum_primitive_atoms=12, attempts=60), groups=tuple(
        GroupQuota(space_group=group, train=4, validation=2, test=5, reserve=3) for group in (221, 87, 19, 27)))


@pytest.fixture(scope="module")
def plans() -> dict[int, CrystalPlan]:
    return {quota.space_group: plan_group(quota, CONFIG, 3, lambda crystal: None) for quota in CONFIG.groups}


def counts_of(plan: CrystalPlan) -> Counter:
    return Counter((entry.partition, entry.derivation) for entry in plan.crystals)


def short_of(plan: CrystalPlan) -> dict[str, str]:
    return {name.split(", ", 1)[1]: reason for name, reason in plan.passed_over if reason.startswith("short")}


@pytest.mark.parametrize("n, wanted", [(0, (0, 0, 0)), (1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1)), (4, (2, 1, 1)),
                                       (5, (2, 2, 1)), (22, (9, 9, 4))])
def test_test_gets_a_type_first_and_train_keeps_one_of_two(n: int, wanted: tuple[int, int, int]):
    assert types_by_side(n) == dict(zip(("test", "train", "validation"), wanted, strict=True))


def test_a_group_of_many_types_has_all_it_asks_for(plans):
    counts = counts_of(plans[221])
    assert (counts["test", "real"], counts["validation", "real"]) == (6, 2)
    assert (counts["test", "random"], counts["validation", "random"]) == (5, 2)
    assert counts["train", "real"] + counts["train", "random"] == 4 and counts["reserve", "real"] > 0
    assert "test part, real" not in short_of(plans[221])


def test_of_two_types_train_keeps_one_and_is_filled_up(plans):
    counts = counts_of(plans[87])
    assert counts["test", "real"] == 3 and ("validation", "real") not in counts
    assert counts["train", "real"] + counts["reserve", "real"] == 2  # of one type, no more than two
    assert counts["train", "real"] >= 1 and counts["reserve", "real"] >= 1  # evenly mixed
    assert sum(counts[part, name] for part in ("train", "reserve") for name in ("real", "random")) == 7
    assert short_of(plans[87]) == {"test part, real": "short: 3 of 6 crystals, 1 structure types",
                                   "validation part, real": "short: 0 of 2 crystals, 0 structure types"}


def test_a_single_type_is_for_test_and_none_is_named(plans):
    assert counts_of(plans[19])["test", "real"] == 3 and ("train", "real") not in counts_of(plans[19])
    assert set(counts_of(plans[27])) == {(part, "random") for part in ("train", "reserve", "validation", "test")}
    assert short_of(plans[27])["test part, real"] == "short: 0 of 6 crystals, 0 structure types"


def test_no_type_is_on_two_sides_and_no_formula_comes_twice(plans):
    for plan in plans.values():
        sides = defaultdict(set)
        for crystal, partition, _ in plan.crystals:
            sides[crystal.structure_type].add("train" if partition == "reserve" else partition)
        assert {len(some) for some in sides.values()} == {1}
        names = [entry.crystal.formula for entry in plan.crystals]
        assert len(set(names)) == len(names)


def test_drawn_parts_have_the_types_they_need_or_say_so(plans):
    for plan in plans.values():
        types = {entry.crystal.structure_type for entry in plan.crystals
                 if (entry.partition, entry.derivation) == ("test", "random")}
        assert len(types) >= 3 or "test part, random" in short_of(plan)


def test_a_plan_is_the_same_alone_in_a_pool_and_again(plans):
    with ThreadPoolExecutor(2) as pool:
        pooled = list(pool.map(plan_group, CONFIG.groups[1:3], [CONFIG] * 2, [3] * 2, [lambda crystal: None] * 2))
    for plan, again in zip((plans[87], plans[19]), pooled, strict=True):
        assert [(entry.crystal.material, *entry[1:]) for entry in plan.crystals] == [
            (entry.crystal.material, *entry[1:]) for entry in again.crystals]


def test_a_refused_real_crystal_is_replaced_by_the_next_of_its_type(plans):
    victim = next(entry.crystal for entry in plans[19].crystals if entry.derivation == "real")
    again = plan_group(CONFIG.groups[2], CONFIG, 3,
                       lambda crystal: "too large" if crystal.material == victim.material else None)
    real = [entry.crystal for entry in again.crystals if entry.derivation == "real"]
    assert len(real) == 3 and victim.material not in {crystal.material for crystal in real}
    assert {crystal.structure_type for crystal in real} == {victim.structure_type}
