"""The count of crystals by source: groups and types counted once, missing groups as ranges, look-alikes marked."""

import numpy as np
import pytest

from cbedgan.crystal.census.counts import count_source, count_sources, ranges, source_table
from cbedgan.crystal.crystals import standard_crystal
from cbedgan.crystal.plan import CrystalConfig
from classifier.foundation.errors import InputError


def caesium_chloride(edge: float):
    return standard_crystal(edge * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], [55, 17], source="x")


def test_a_source_is_counted():
    polonium = standard_crystal(3.4 * np.eye(3), [[0, 0, 0]], [84], source="x")
    tetragonal = standard_crystal(np.diag([4.0, 4.0, 5.0]), [[0, 0, 0]], [84], source="x")
    crystals = [caesium_chloride(4.1), caesium_chloride(4.2), polonium, tetragonal]
    count = count_source("mine", crystals, {tetragonal.material, "another"})
    assert (count.crystals, count.groups, count.structure_types, count.look_alikes) == (4, 2, 3, 1)
    assert len(count.missing) == 228 and not {123, 221} & set(count.missing) and source_table([count]).row_count == 1


@pytest.mark.parametrize(("numbers", "text"), [
    ([], "none"), ([5], "5"), ([1, 2, 3, 7, 9, 10], "1-3 7 9-10"), (range(1, 231), "1-230")])
def test_missing_groups_are_listed_as_ranges(numbers, text):
    assert ranges(numbers) == text


def test_a_configuration_without_a_source_to_draw_from_is_refused():
    with pytest.raises(InputError, match="crystals.random"):
        count_sources(CrystalConfig(groups=()), seed=0, tries=1, files=None)
