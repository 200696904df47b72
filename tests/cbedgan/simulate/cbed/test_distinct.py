"""Do three patterns tell a crystal from its images in higher groups? Elements alike hide, elements apart do not."""

import gemmi
import numpy as np
import pytest

from cbedgan.crystal.crystals import Crystal, standard_crystal
from cbedgan.simulate.cbed.distinct import DistinctConfig, least_difference
from cbedgan.simulate.cbed.multislice import Exposure
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.cbed.stack import detectors, simulate_stacks, slabs
from classifier.foundation.config import load_config
from classifier.foundation.errors import InputError
from project import CONFIGS

CONFIG = load_config(CONFIGS / "bench/cbed_lt.toml", SimulateConfig)
HALVES = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def zincblende(first: str, second: str) -> Crystal:
    numbers = [gemmi.Element(name).atomic_number for name in (first, second) for _ in range(4)]
    return standard_crystal(5.6 * np.eye(3), np.concatenate([HALVES, HALVES + 0.25]), numbers, source="zincblende")


def caesium_chloride(first: str, second: str) -> Crystal:
    numbers = [gemmi.Element(name).atomic_number for name in (first, second)]
    return standard_crystal(3.5 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], numbers, source="CsCl")


def difference(crystal: Crystal) -> tuple[float, int]:
    axes = list(zip(slabs(crystal, CONFIG), detectors(crystal, CONFIG), strict=True))
    return least_difference(crystal, axes, Exposure(100.0, [200.0], CONFIG.multislice), tolerance_angstrom=0.1)


@pytest.mark.slow
def test_elements_apart_tell_the_group_and_elements_alike_do_not():
    apart, higher = difference(zincblende("Al", "Sb"))
    alike, higher_alike = difference(zincblende("Er", "Tm"))
    assert {higher, higher_alike} <= {225, 227}  # inversion about an atom, or about the middle of a bond
    assert alike < 0.2 * apart and apart > 0.3


def test_a_lost_centring_is_told_by_the_light_in_the_disks_that_it_makes_absent():
    """CsCl is body-centred but for its elements; the image, shifted by (1/2, 1/2, 1/2), has the same intensities."""
    bright, higher = difference(caesium_chloride("Cs", "Cl"))
    faint, _ = difference(caesium_chloride("Er", "Tm"))
    assert higher == 229 and 0 < faint < 0.02 < 0.2 < bright < 1


def test_without_a_higher_group_nothing_is_compared():
    assert difference(standard_crystal(3.6 * np.eye(3), HALVES, [29] * 4, source="Cu")) == (np.inf, 225)


def test_a_crystal_that_its_patterns_do_not_tell_is_refused_unless_told_to_keep_it():
    crystal = caesium_chloride("Er", "Tm")
    config = CONFIG.model_copy(update={"thickness_angstrom": 50.0})
    with pytest.raises(InputError, match="differ by 0.02 from those of a higher group.*from space group 229"):
        simulate_stacks(crystal, config, beam_energy_kev=100.0)
    without = config.model_copy(update={"distinct": None})
    assert simulate_stacks(crystal, without, beam_energy_kev=100.0)[0].shape == (1, 3, 64, 64)


def test_limits_are_positive_shares():
    with pytest.raises(ValueError, match="least_difference"):
        DistinctConfig(tolerance_angstrom=0.1, least_difference=0.0)
