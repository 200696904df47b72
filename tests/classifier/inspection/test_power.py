"""What held-out parts tell: kinds apart, real-derived first, each material once, few-shot groups beside all."""

from pathlib import Path

import numpy as np
import pytest

from classifier.inspection.catalog import catalog
from classifier.inspection.power import part_powers, power_table
from classifier.pattern.geometry import Detector
from classifier.samples.stackfile import SampleTable, write_stack_file
from classifier.statistics.power import DISCORDANT, detectable_difference

ROWS = [  # space group, structure type, partition, derivation, materials
    (14, "x", "train", "random", 25), (225, "x", "train", "real", 3), (14, "a", "test", "real", 4),
    (14, "b", "test", "real", 2), (225, "a", "test", "real", 3), (14, "c", "test", "random", 5),
    (14, "d", "validation", "random", 2)]


def write(path: Path, *, known: bool) -> Path:
    rows = [(group, kind, part, derivation, f"{group}-{kind}-{n}") for group, kind, part, derivation, count in ROWS
            for n in range(count) for _ in range(2 if part == "test" else 1)]
    group, kind, part, derivation, material = (list(column) for column in zip(*rows, strict=True))
    table = SampleTable.build(len(rows), sample_id=[f"s{n}" for n in range(len(rows))], space_group=group,
                              structure_type=kind, partition=part, material=material, origin="simulated",
                              **({"derivation": derivation} if known else {}))
    stacks = np.random.default_rng(0).random((len(rows), 3, 4, 4)).astype(np.float32)
    write_stack_file(path, stacks, table, detector=Detector(4, 0.5, "1/angstrom"), pose="raw", intensity_unit="x",
                     provenance={})
    return path


def test_kinds_are_apart_and_materials_count_once(tmp_path: Path):
    rows = part_powers(catalog([write(tmp_path / "set.h5", known=True)], verify=False, split=None))
    told = [(row.part, row.kind, row.shots, row.groups, row.groups_of_one_type, row.structure_types, row.materials)
            for row in rows]
    assert told == [("test", "real", "all", 2, 1, 3, 9), ("test", "real", "few", 1, 1, 1, 3),
                    ("test", "random", "all", 1, 1, 1, 5), ("validation", "random", "all", 1, 1, 1, 2)]
    group, kind = np.repeat([14, 225], [6, 3]), np.array(list("aaaabbaaa"))
    assert rows[0].detectable["0.4"] == pytest.approx(
        detectable_difference(group, kind, discordant=DISCORDANT, within_type=0.4), abs=1e-4)
    assert [row.detectable["0.1"] < row.detectable["0.4"] for row in rows] == [True] * 4
    assert power_table(rows).row_count == 4


def test_without_the_column_a_part_is_one(tmp_path: Path):
    rows = part_powers(catalog([write(tmp_path / "set.h5", known=False)], verify=False, split=None))
    assert [(row.part, row.kind, row.shots, row.materials) for row in rows] == [
        ("test", "", "all", 14), ("test", "", "few", 3), ("validation", "", "all", 2)]
