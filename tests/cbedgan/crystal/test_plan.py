"""The plan of a set of prototypes and random crystals: quotas, sides apart by type, the same share in all parts."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from cbedgan.crystal.plan import CrystalConfig, GroupQuota, plan_group
from cbedgan.crystal.random_crystals import RandomCrystalConfig
from classifier.foundation.config import digest

pytestmark = pytest.mark.slow

RANDOM = RandomCrystalConfig(maximum_primitive_atoms=12, maximum_elements=3, minimum_distance_ratio=0.7,
                             supergroup_tolerance_angstrom=0.1, attempts=60)
BOTH = CrystalConfig(maximum_primitive_atoms=8, displacement_angstrom=0.05, attempts_per_material=20,
                     prototype_share=0.5, random=RANDOM, groups=(
                         GroupQuota(space_group=221, train=6, validation=2, test=4, reserve=2),
                         GroupQuota(space_group=33, train=3, test=2)))


def is_random(planned) -> bool:
    return planned.crystal.source.startswith("random crystal")


def test_every_part_gets_its_materials_and_the_same_share_of_each_source(plan_crystals):
    planned, _ = plan_crystals(BOTH, seed=3)
    counts = Counter((entry.crystal.space_group, entry.partition) for entry in planned)
    assert counts == {(221, "train"): 6, (221, "validation"): 2, (221, "test"): 4, (221, "reserve"): 2,
                      (33, "train"): 3, (33, "test"): 2}
    randoms = Counter(entry.partition for entry in planned if entry.crystal.space_group == 221 and is_random(entry))
    assert (randoms["train"] + randoms["reserve"], randoms["validation"], randoms["test"]) == (4, 1, 2)
    # No two prototypes of 33 are small enough: all of the group is random.
    assert all(is_random(entry) for entry in planned if entry.crystal.space_group == 33)


def test_sides_share_no_structure_type_and_no_formula_comes_twice(plan_crystals):
    planned, _ = plan_crystals(BOTH, seed=3)
    side = {"reserve": "train"}
    owners = {}
    for entry in planned:
        owners.setdefault(entry.crystal.structure_type, set()).add(side.get(entry.partition, entry.partition))
    assert {len(sides) for sides in owners.values()} == {1}
    names = [(entry.crystal.formula, entry.crystal.space_group) for entry in planned]
    assert len(set(names)) == len(names)


def test_one_group_alone_and_a_pool_plan_the_same(plan_crystals):
    planned, _ = plan_crystals(BOTH, seed=3)
    with ThreadPoolExecutor(2) as pool:
        pooled, _ = plan_crystals(BOTH, seed=3, apply=pool.map)
    alone, _ = plan_group(BOTH.groups[1], BOTH, 3, lambda crystal: None)
    materials = [entry.crystal.material for entry in planned]
    assert [entry.crystal.material for entry in pooled] == materials
    assert [entry.crystal.material for entry in alone] == materials[-5:]


def test_a_refused_random_crystal_is_replaced():
    first, _ = plan_group(BOTH.groups[1], BOTH, 3, lambda crystal: None)
    victim = first[0].crystal.material
    again, passed_over = plan_group(BOTH.groups[1], BOTH, 3,
                                    lambda crystal: "too large" if crystal.material == victim else None)
    assert (victim, "too large") in passed_over and len(again) == len(first)
    assert victim not in {entry.crystal.material for entry in again}


def test_what_is_not_used_leaves_no_trace_in_the_digest():
    plain = BOTH.model_copy(update={"prototype_share": 1.0, "random": None})
    assert set(plain.model_dump()) & {"prototype_share", "random"} == set() and digest(plain) != digest(BOTH)
