"""The two-sample test: sources that differ are told apart, halves of one are not, and the area is that of the ranks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cbedgan.crystal.census import two_sample
from cbedgan.crystal.census.against import drawn_like, told_apart, told_apart_table
from cbedgan.crystal.census.two_sample import area_under_curve, two_sample_test
from cbedgan.crystal.crystals import standard_crystal
from cbedgan.crystal.plan import CrystalConfig
from cbedgan.crystal.structure_files import FileSource
from classifier.foundation.errors import InputError


def crystals(n, stretch, seed):
    """Tetragonal cells of a random volume, each of a structure type of its own."""
    generator = np.random.default_rng(seed)
    made = []
    for i in range(n):
        edge = 4 * float(np.exp(0.1 * generator.standard_normal()))
        crystal = standard_crystal(np.diag([edge, edge, 1.5 * edge * stretch]), [[0, 0, 0], [0.5, 0.5, 0.4]], [11, 17],
                                   source="x")
        made.append(replace(crystal, structure_type=f"{seed} {i}"))
    return made


@pytest.fixture
def few_trees(monkeypatch):
    monkeypatch.setattr(two_sample, "TREES", 40)
    monkeypatch.setattr(two_sample, "REPLICATES", 100)


def test_area_under_the_curve_counts_pairs_and_weights():
    score, is_b = np.array([0.1, 0.4, 0.4, 0.8]), np.array([0, 0, 1, 1])
    assert area_under_curve(score, is_b) == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    assert area_under_curve(score, is_b, np.array([1, 0, 1, 1])) == 1
    assert np.isnan(area_under_curve(score, is_b, np.array([0, 0, 1, 1])))


@pytest.mark.slow
def test_what_differs_is_told_apart_and_what_does_not_is_not(few_trees):
    same = two_sample_test(crystals(60, 1, 0), crystals(60, 1, 1), seed=0)
    assert same.interval[0] < same.auc < same.interval[1] and abs(same.auc - 0.5) < 0.15
    longer = two_sample_test(crystals(60, 1, 0), crystals(60, 1.2, 1), seed=0)
    assert longer.auc > 0.95 and longer.by_descriptor["axis_ratio"] > 0.95
    assert longer.medians["axis_ratio"] == pytest.approx((1.5, 1.8), abs=1e-6)
    assert told_apart_table(longer, "files").row_count == 11


def test_few_structure_types_are_refused():
    with pytest.raises(InputError, match="structure types"):
        two_sample_test(crystals(9, 1, 0), [replace(one, structure_type="x") for one in crystals(9, 1, 1)], seed=0)
    with pytest.raises(InputError, match="crystals.random"):
        told_apart(CrystalConfig(groups=()), "prototypes", seed=0)


def test_each_crystal_is_met_by_one_of_its_group(tmp_path: Path, rock_salt_cif):
    (tmp_path / "salt.cif").write_text(rock_salt_cif(a=6.0))
    reference = [crystal for crystal in crystals(2, 1, 0)] + list(FileSource(kind="files", path=str(tmp_path)).draw(
        225, np.random.default_rng(0)) for _ in range(1))
    source = FileSource(kind="files", path=str(tmp_path), attempts=3)
    pairs = list(drawn_like([one for one in reference if one is not None], source, 0))
    assert [(drawn.space_group, like.space_group) for drawn, like in pairs] == [(225, 225)]
