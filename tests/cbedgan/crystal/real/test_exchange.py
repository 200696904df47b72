"""Elements that may stand for each other, and what the draw keeps: charges, distinct elements, lengths by radii."""

import gemmi
import numpy as np
import pytest

from cbedgan.crystal.prototypes import PrototypeConfig, prototypes, substituted
from cbedgan.crystal.real.exchange import exchange, like_elements, like_ions
from cbedgan.crystal.real.ions import RADIUS, charges


def named(numbers: list[int]) -> set[str]:
    return {gemmi.Element(number).name for number in numbers}


def test_ions_of_like_charge_and_radius_stand_for_each_other():
    magnesium = named(like_ions(12, 2, 1.2))
    assert {"Mg", "Fe", "Co", "Ni", "Zn"} <= magnesium and not {"Ca", "Be", "Al"} & magnesium
    assert named(like_ions(8, -2, 1.35)) == {"O", "S"} and named(like_ions(8, -2, 1.1)) == {"O"}
    assert named(like_ions(1, 1, 1.35)) == {"H"}


def test_a_metal_stands_for_a_metal_and_a_gas_for_its_family():
    copper = named(like_elements(29, 1.1))
    assert {"Cu", "Ni", "Co", "Fe"} <= copper and not {"S", "Cs"} & copper
    assert named(like_elements(15, 1.2)) == {"P", "As"}  # antimony is a quarter larger


@pytest.mark.parametrize("numbers", [[12, 8], [20, 22, 8, 8, 8], [29, 29, 79, 79]])
def test_the_draw_keeps_charges_and_elements_apart(numbers: list[int]):
    every = np.array(numbers)
    composition = dict(zip(*(some.tolist() for some in np.unique(every, return_counts=True)), strict=True))
    before = charges(tuple(composition.items()))
    for seed in range(40):
        chosen, factor = exchange(every, 1.35, np.random.default_rng(seed))
        assert set(chosen) == set(numbers) and len(set(chosen.values())) == len(chosen)
        assert 1 / 1.36 < factor < 1.36
        if before is not None:
            assert all((other, before[number]) in RADIUS for number, other in chosen.items())
    assert exchange(every, 1.35, np.random.default_rng(7)) == exchange(every, 1.35, np.random.default_rng(7))


def test_lengths_follow_the_summed_ionic_radii():
    numbers = np.array([11, 17])  # 1.02 + 1.81
    chosen, factor = exchange(numbers, 1.35, np.random.default_rng(1))
    assert factor == pytest.approx((RADIUS[chosen[11], 1] + RADIUS[chosen[17], -1]) / 2.83)


@pytest.mark.slow
def test_a_derived_material_keeps_group_and_structure_type():
    config = PrototypeConfig(substitution="charge")
    spinel = next(crystal for crystal in prototypes() if crystal.formula == "Al2MgO4")
    made = [substituted(spinel, config, np.random.default_rng(seed)) for seed in range(12)]
    kept = [crystal for crystal in made if crystal is not None]
    assert len(kept) >= 6 and len({crystal.formula for crystal in kept}) >= 5
    assert {(crystal.space_group, crystal.structure_type) for crystal in kept} == {(227, spinel.structure_type)}
