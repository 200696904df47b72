"""What may differ between stacks of one material: thickness, entry plane, azimuth; drawn, recorded, made again."""

import json

import numpy as np
import pytest

from cbedgan.crystal.crystals import Crystal, standard_crystal
from cbedgan.crystal.plan import CrystalConfig
from cbedgan.simulate.cbed.simulate_config import SimulateConfig, ThicknessRange
from cbedgan.simulate.cbed.stack import conditions, resimulate, simulate_stacks

CONFIG = SimulateConfig.model_validate({
    "seed": 0, "thickness_angstrom": 60.0, "maximum_steps": 1e9,
    "multislice": {"g_max_inv_angstrom": 1.6, "merge_angstrom": 0.4},
    "detector": {"size_pixels": 16, "directions_across": 4, "samples_per_pixel": 1},
    "crystals": CrystalConfig(maximum_primitive_atoms=8, strain=0.0, displacement_angstrom=0.0, attempts_per_material=1,
                              groups=())})
DRAWN = CONFIG.model_copy(update={"thickness_angstrom": ThicknessRange(least=40.0, most=90.0),
                                  "randomised": ("entry_plane", "azimuth")})


def orthorhombic() -> Crystal:
    sites = [[0, 0, 0.1], [0.5, 0.5, 0.6], [0.2, 0.4, 0.35], [0.8, 0.6, 0.35], [0.7, 0.9, 0.85], [0.3, 0.1, 0.85]]
    return standard_crystal(np.diag([3.9, 4.6, 5.3]), sites, [26, 26, 8, 8, 8, 8], source="test")


def test_a_series_of_thicknesses_comes_from_one_run_and_equals_single_runs():
    series = CONFIG.model_copy(update={"thickness_angstrom": (30.0, 60.0)})
    stacks, rows = simulate_stacks(orthorhombic(), series, beam_energy_kev=100.0)
    assert stacks.shape == (2, 3, 16, 16) and len(set(rows.sample_id.tolist())) == 2
    assert (rows.thickness_angstrom[0] < rows.thickness_angstrom[1]).all()
    again = resimulate(series, str(rows.provenance[1]))
    np.testing.assert_array_equal(again, stacks[1])


def test_conditions_follow_from_material_energy_and_seed_alone():
    crystal = orthorhombic()
    first, again = conditions(crystal, DRAWN, 100.0), conditions(crystal, DRAWN, 100.0)
    np.testing.assert_array_equal(first.entry_plane, again.entry_plane)
    assert 40 <= first.thickness_angstrom[0] <= 90 and (first.entry_plane < 1).all()
    other = conditions(crystal, DRAWN, 110.0)
    seeded = conditions(crystal, DRAWN.model_copy(update={"seed": 1}), 100.0)
    assert first.thickness_angstrom != other.thickness_angstrom != seeded.thickness_angstrom
    fixed = conditions(crystal, CONFIG, 100.0)
    assert fixed.thickness_angstrom == 60 and not fixed.entry_plane.any() and not fixed.azimuth_rad.any()


@pytest.mark.slow
def test_drawn_conditions_are_recorded_and_the_stack_is_made_again():
    crystal = orthorhombic()
    (stack,), row = simulate_stacks(crystal, DRAWN, beam_energy_kev=100.0)
    wanted = conditions(crystal, DRAWN, 100.0)
    assert json.loads(row.provenance[0])["entry_plane"] == wanted.entry_plane.tolist()
    assert (np.abs(row.thickness_angstrom[0] - wanted.thickness_angstrom) < 4).all()
    np.testing.assert_array_equal(resimulate(DRAWN, str(row.provenance[0])), stack)
    (plain,), _ = simulate_stacks(crystal, CONFIG, beam_energy_kev=100.0)
    assert not np.allclose(plain, stack, rtol=0.05)


@pytest.mark.parametrize("pose", ["raw", "canonical"])
def test_azimuth_turns_a_raw_pattern_and_only_the_record_of_a_canonical_one(pose: str):
    crystal = orthorhombic()
    detector = CONFIG.detector.model_copy(update={"pose": pose})
    still = CONFIG.model_copy(update={"detector": detector})
    turned = still.model_copy(update={"randomised": ("azimuth",)})
    angle = conditions(crystal, turned, 100.0).azimuth_rad
    (first,), row = simulate_stacks(crystal, still, beam_energy_kev=100.0)
    (second,), other = simulate_stacks(crystal, turned, beam_energy_kev=100.0)
    apart = np.abs(first - second).sum() / first.sum()
    assert apart > 0.02 if pose == "raw" else apart == 0
    sign = 1 if pose == "raw" else -1
    difference = other.azimuth_rad[0] - row.azimuth_rad[0] - sign * angle
    np.testing.assert_allclose(np.exp(1j * difference), 1, atol=1e-9)
    assert (np.abs(other.azimuth_rad) <= np.pi).all()
