"""Crystals: measured groups, standard cells, structure types free of names and origins, substitution, CIF errors."""

import json

import moyopy
import numpy as np
import pytest

from cbedgan.crystal.crystals import (
    Crystal,
    centring_translations,
    measure_symmetry,
    shortest_distance_ratio,
    standard_crystal,
)
from cbedgan.crystal.plan import CrystalConfig, GroupQuota
from cbedgan.crystal.prototypes import prototypes
from cbedgan.crystal.real.families import FAMILIES
from cbedgan.crystal.structure_files import crystals_from_files
from cbedgan.crystal.substitution import distort, draw_substitution, linear_scale
from classifier.foundation.errors import InputError

pytestmark = pytest.mark.slow

HALVES = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
WURTZITE = np.array([[3.8, 0, 0], [-1.9, 1.9 * 3**0.5, 0], [0, 0, 6.2]])
WURTZITE_SITES = np.array([[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0.5], [1 / 3, 2 / 3, 0.38], [2 / 3, 1 / 3, 0.88]])
CONFIG = CrystalConfig(maximum_primitive_atoms=8, groups=(GroupQuota(space_group=186, train=4, test=3),
                               GroupQuota(space_group=225, train=5, test=3)))


def rocksalt(a: float = 5.64, cation: int = 11, shift: float = 0.0) -> Crystal:
    positions = np.concatenate([HALVES, HALVES + 0.5]) + shift
    return standard_crystal(a * np.eye(3), positions, [cation] * 4 + [17] * 4, source="rocksalt")


def test_rocksalt_is_measured_and_named():
    crystal = rocksalt()
    assert (crystal.space_group, crystal.formula) == (225, "ClNa") and crystal.structure_type == "225_AB_a_b"
    assert crystal.material.startswith("225-ClNa-") and crystal.n_primitive == 2


def test_structure_type_knows_neither_origin_nor_elements_nor_cell():
    swapped = standard_crystal(6.0 * np.eye(3), np.concatenate([HALVES + 0.5, HALVES]), [9] * 4 + [3] * 4, source="LiF")
    shifted = rocksalt(shift=0.137)
    primitive = standard_crystal(*rocksalt().primitive(), source="primitive")
    assert {c.structure_type for c in (rocksalt(), swapped, shifted, primitive)} == {"225_AB_a_b"}
    zincblende = standard_crystal(5.4 * np.eye(3), np.concatenate([HALVES, HALVES + 0.75]), [30] * 4 + [16] * 4,
                                  source="ZnS")
    assert (zincblende.space_group, zincblende.structure_type) == (216, "216_AB_a_c")
    caesium_chloride = standard_crystal(4.1 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], [55, 17], source="x")
    assert caesium_chloride.structure_type == "221_AB_a_b"


def test_prototypes_of_one_type_under_several_names_are_one():
    named = {p.source.removeprefix("AFLOW prototype "): p for p in prototypes() if p.space_group == 166}
    assert named["A_hR2_166_c"].structure_type == "166_A_c"
    types = [p.structure_type for p in prototypes() if "A_hR2_166_c" in p.source]
    assert len(types) == 3 and len(set(types)) == 1


def test_wrong_prototype_tags_yield_to_the_measurement():
    measured = {p.source.split()[-1]: p.space_group for p in prototypes()}
    assert measured["AB3_tI16_140_b_ah"] == 123 and measured["AB_oP8_33_a_a"] == 62


def test_primitive_cell_holds_the_same_crystal():
    for prototype in prototypes()[::12]:
        lattice, positions, numbers = prototype.primitive()
        assert len(numbers) == prototype.n_primitive and np.linalg.det(lattice) > 0
        assert np.linalg.det(prototype.lattice) / np.linalg.det(lattice) == pytest.approx(
            len(prototype.numbers) / len(numbers))
        assert standard_crystal(lattice, positions, numbers, source="p").structure_type == prototype.structure_type


def test_record_rebuilds_the_crystal_to_the_last_bit():
    for prototype in prototypes()[::25]:
        again = Crystal.from_record(json.loads(json.dumps(prototype.record())))
        for name in ("lattice", "positions", "numbers"):
            np.testing.assert_array_equal(getattr(again, name), getattr(prototype, name))
        assert again.material == prototype.material


def test_substitution_keeps_families_and_never_makes_two_elements_one():
    numbers = np.array([12, 20, 38, 56, 4])  # five alkaline earths: only a permutation is left
    for seed in range(20):
        drawn = draw_substitution(numbers, np.random.default_rng(seed))
        assert sorted(drawn) == sorted(drawn.values()) == sorted(numbers.tolist())
    assert len({name for family in FAMILIES for name in family}) == sum(map(len, FAMILIES))


def test_linear_scale_is_the_ratio_of_summed_radii():
    # covalent radii (angstrom): Na 1.66, K 2.03, Cl 1.02
    assert linear_scale(np.array([11, 17]), {11: 19, 17: 17}) == pytest.approx((2.03 + 1.02) / (1.66 + 1.02))


def test_distortion_moves_only_what_symmetry_leaves_free():
    generator = np.random.default_rng(3)
    cubic = rocksalt()
    lattice, positions = distort(cubic.lattice, cubic.positions, _symmetry(cubic), generator, strain=0.02,
                                 displacement_angstrom=0.1)
    np.testing.assert_allclose(lattice / lattice[0, 0], np.eye(3), atol=1e-9)
    np.testing.assert_allclose(positions, cubic.positions, atol=1e-9)
    assert lattice[0, 0] != pytest.approx(5.64, abs=1e-4)
    wurtzite = standard_crystal(WURTZITE, WURTZITE_SITES, [30, 30, 16, 16], source="ZnS")
    lattice, positions = distort(wurtzite.lattice, wurtzite.positions, _symmetry(wurtzite), generator, strain=0.02,
                                 displacement_angstrom=0.1)
    np.testing.assert_allclose(positions[:, :2], wurtzite.positions[:, :2], atol=1e-7)
    heights = (positions - wurtzite.positions)[:, 2] * wurtzite.lattice[2, 2]
    assert heights[0] == pytest.approx(heights[1]) and heights[2] == pytest.approx(heights[3])
    assert 1e-3 < abs(heights[0] - heights[2]) < 0.5
    strained = standard_crystal(lattice, positions, wurtzite.numbers, source="x")
    assert strained.structure_type == wurtzite.structure_type == "186_AB_b_b"
    ratio = np.linalg.norm(lattice[2]) / np.linalg.norm(lattice[0])
    assert abs(ratio / (6.2 / 3.8) - 1) > 1e-3


def test_shortest_distance_counts_periodic_images():
    polonium = standard_crystal(3.0 * np.eye(3), [[0, 0, 0]], [84], source="Po")  # radius 1.40 angstrom
    assert shortest_distance_ratio(polonium.lattice, polonium.positions, polonium.numbers) == pytest.approx(3.0 / 2.8)


def test_plan_meets_its_quotas_and_keeps_the_parts_apart(plan_crystals):
    planned, _ = plan_crystals(CONFIG, seed=0)
    for quota in CONFIG.groups:
        here = [p for p in planned if p.crystal.space_group == quota.space_group]
        train = {p.crystal.structure_type for p in here if p.partition == "train"}
        test = {p.crystal.structure_type for p in here if p.partition == "test"}
        assert sum(p.partition == "train" for p in here) == quota.train
        assert sum(p.partition == "test" for p in here) == quota.test and train and test and not train & test
    names = [(p.crystal.formula, p.crystal.space_group) for p in planned]
    assert len(set(names)) == len(names)
    for p in planned:
        assert _symmetry(p.crystal).number == p.crystal.space_group
        assert p.crystal.n_primitive <= CONFIG.maximum_primitive_atoms


def test_plan_is_a_function_of_the_seed(plan_crystals):
    first, again, other = (plan_crystals(CONFIG, seed=seed)[0] for seed in (0, 0, 1))
    assert [p.crystal.record() for p in first] == [p.crystal.record() for p in again]
    assert [p.crystal.material for p in first] != [p.crystal.material for p in other]


def test_a_refused_crystal_is_replaced_by_the_next_of_its_type(plan_crystals):
    planned, _ = plan_crystals(CONFIG, seed=0)
    victim = planned[0].crystal
    replaced, passed_over = plan_crystals(CONFIG, seed=0,
                                          refuse=lambda c: "too large" if c.material == victim.material else None)
    assert passed_over == [(victim.material, "too large")]
    assert replaced[0].crystal.structure_type == victim.structure_type
    assert victim.material not in {p.crystal.material for p in replaced} and len(replaced) == len(planned)


def test_an_impossible_quota_is_refused(plan_crystals):
    greedy = CONFIG.model_copy(update={"groups": (GroupQuota(space_group=205, train=500, test=3),)})
    with pytest.raises(InputError, match="space group 205.*500 train"):
        plan_crystals(greedy.model_copy(update={"maximum_primitive_atoms": 16, "attempts_per_material": 2}), seed=0)
    with pytest.raises(InputError, match="230.*0 structure types"):
        plan_crystals(CONFIG.model_copy(update={"groups": (GroupQuota(space_group=230, train=1, test=1),)}), seed=0)


@pytest.fixture
def write_cif(tmp_path, rock_salt_cif):
    """write_cif(name, symmetry=..., element=, x=, occupancy= of chlorine): a CIF in tmp_path, by default sound."""
    def write(name="salt.cif", *, element="Cl1-", x="0.5", occupancy="1", **symmetry):
        path = tmp_path / name
        path.write_text(rock_salt_cif(type_symbol=("Na", element), fract_x=("0", x), occupancy=("1", occupancy),
                                      **symmetry))
        return path
    return write


def test_cif_file_and_folder(tmp_path, write_cif):
    write_cif()
    write_cif("bromide.cif", element="Br")
    crystals = crystals_from_files(tmp_path)
    assert [c.formula for c in crystals] == ["BrNa", "ClNa"]
    assert {c.structure_type for c in crystals} == {"225_AB_a_b"}
    assert crystals_from_files(tmp_path / "salt.cif")[0].material == rocksalt().material


@pytest.mark.parametrize(("fault", "rule"), [
    ({"occupancy": "0.5"}, "fully occupied"),
    ({"symmetry": ""}, "state its symmetry"),
    ({"symmetry": "_symmetry_space_group_name_H-M 'Q q q'"}, "state its symmetry"),
    ({"element": "Xx"}, "known element"),
    ({"x": "?"}, "known element and coordinates"),
    ({"x": "0.45"}, "on top of each other")])
def test_cif_faults_name_the_file_and_the_way_out(write_cif, fault, rule):
    path = write_cif(**fault)
    with pytest.raises(InputError, match=rule) as caught:
        crystals_from_files(path)
    assert "salt.cif" in str(caught.value) and caught.value.remedy


def test_unreadable_or_foreign_files_are_refused(tmp_path):
    broken = tmp_path / "broken.cif"
    broken.write_text("not a CIF\n")
    poscar = tmp_path / "POSCAR"
    poscar.write_text("salt\n5.64\n1 0 0\n0 1 0\n0 0 1\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n")
    for path, rule in [(broken, "readable CIF"), (poscar, "VASP 4"), (tmp_path / "absent.cif", "readable CIF")]:
        with pytest.raises(InputError, match=rule):
            crystals_from_files(path)


def _symmetry(crystal: Crystal) -> moyopy.MoyoDataset:
    return measure_symmetry(crystal.lattice, crystal.positions, crystal.numbers)


def test_a_steady_crystal_has_one_name_whatever_the_last_bits():
    # R-3c in a primitive cell: three settings, a third of a turn apart, are as good, and zeros come with both signs.
    lattice = np.array([[5.4, 3.117691453623979, 4.2], [-5.4, 3.117691453623979, 4.2], [0.0, -6.235382907247958, 4.2]])
    ring = np.array([np.roll([0.46, 0.04, 0.25], turn) for turn in range(3)])
    sites, numbers = np.concatenate([ring, -ring, [[0, 0, 0], [0.5, 0.5, 0.5]]]), [13] * 6 + [27] * 2
    random, made = np.random.default_rng(0), []
    for _ in range(12):
        noise = [1 + random.normal(0, 2e-16, values.shape) for values in (lattice, sites)]
        made.append(standard_crystal(lattice * noise[0] + random.normal(0, 1e-16, (3, 3)), sites * noise[1], numbers,
                                     source="s", steady=True))
    assert {json.dumps(crystal.record()) for crystal in made} == {json.dumps(made[0].record())}
    assert made[0].space_group == 167 and not np.signbit(made[0].lattice[made[0].lattice == 0]).any()


def test_a_cell_so_near_a_higher_symmetry_that_its_type_cannot_be_told_is_refused():
    a, b = 1e-5, 4e-5
    strontium = [[0.12651, 0.5, 0.25], [0.37349, 0.5, 0.75], [0.87349, 0, 0.25], [0.62651, 0, 0.75]]
    vanadium = [[0.5 - a, 0.75 - b, 0.25 + a], [a, 0.25 + b, 0.75 + a], [0.5 + a, 0.25 - b, 0.25 - a],
                [1 - a, 0.75 + b, 0.75 - a], [0.25, a, 0.5], [0.25, 1 - a, 0], [0.75, 0.5 + a, 0], [0.75, 0.5 - a, 0.5]]
    with pytest.raises(InputError, match="the symmetry of a crystal must be measurable"):
        standard_crystal(np.diag([7.855548999384453, 5.564712365696075, 5.545960677696708]), strontium + vanadium,
                         [38] * 4 + [23] * 8, source="test", steady=True)


def test_centring_of_a_rhombohedral_group_is_obverse():
    assert centring_translations(146) == pytest.approx(np.array([[0, 0, 0], [2, 1, 1], [1, 2, 2]]) / 3)
