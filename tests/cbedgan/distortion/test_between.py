"""Arcs between unrelated groups: which group is where, which pairs have none, what a known classifier makes of one."""

from types import SimpleNamespace

import numpy as np
import pytest

from cbedgan.crystal.crystals import measure_symmetry, standard_crystal
from cbedgan.distortion import crossed_arcs
from cbedgan.distortion.between import Arc, BetweenConfig, arcs_of, kept_by, unrelated
from cbedgan.distortion.modes import random_mode
from cbedgan.distortion.paths import SymmetryPath
from cbedgan.distortion.report.words import between_groups
from cbedgan.distortion.symmetry.subgroups import maximal_subgroups, operations_of
from classifier.crystal.spacegroup import ClassMap

CLASSES = ClassMap((139, 166, 216, 221, 225))


@pytest.fixture(scope="module")
def paths():
    """Of fluorite: its maximal subgroups of the same cell are F432, F-43m, Fm-3, I4/mmm and R-3m."""
    fcc = np.array([[0, 0, 0], [0, .5, .5], [.5, 0, .5], [.5, .5, 0]])
    fluorite = standard_crystal(5.46 * np.eye(3), np.concatenate([fcc, fcc + 0.25, fcc + 0.75]), [20] * 4 + [9] * 8,
                                source="test")
    operations, made = operations_of(fluorite), []
    held = SimpleNamespace(crystal=fluorite)
    for kept in maximal_subgroups(operations.product):
        mode = random_mode(fluorite, operations, kept, 0.25, np.random.default_rng(1))
        if mode is not None:
            group = measure_symmetry(*mode.cell(fluorite, 0.1), precision_angstrom=1e-3).number
            made.append(SymmetryPath(held, group, None, mode, 0.5))
            assert kept_by(mode, operations) == set(kept)
    return [path for path in made if path.subgroup in CLASSES.space_groups]


def test_the_group_is_the_first_at_the_beginning_the_second_at_the_end_and_a_common_one_between(paths):
    arcs = arcs_of(paths, CLASSES, BetweenConfig(), 0.5)
    assert {path.subgroup for path in paths} >= {139, 166} and (139, 166) in [arc.groups for arc in arcs]
    for arc in arcs:
        angles = {0.0: arc.groups[0], 1.0: arc.common, 45.0: arc.common, 89.0: arc.common, 90.0: arc.groups[1]}
        for angle, group in angles.items():
            assert measure_symmetry(*arc.cell(angle), precision_angstrom=1e-4).number == group


def test_related_groups_have_none_and_atoms_must_not_touch(paths):
    assert not unrelated(ClassMap((139, 225))).any() and unrelated(ClassMap((139, 166)))[0, 1]
    alone = [path for path in paths if path.subgroup == 139]
    assert len(alone) == 1 and arcs_of(alone, CLASSES, BetweenConfig(), 0.5) == []
    assert arcs_of([], CLASSES, BetweenConfig(), 0.5) == []
    assert arcs_of(paths, CLASSES, BetweenConfig(), 1.5) == []


def test_a_known_classifier_crosses_where_it_says_and_its_doubts_are_lengths(paths, monkeypatch):
    (one,) = [arc for arc in arcs_of(paths, CLASSES, BetweenConfig(), 0.5) if arc.groups == (139, 166)]
    arc = Arc.of(one.record(), one.held)
    cells = {arc.cell(angle)[0].tobytes() + arc.cell(angle)[1].tobytes(): angle for angle in np.linspace(0, 90, 7)}

    def angle_of(cell):
        known = cells.get(cell[0].tobytes() + cell[1].tobytes())
        return min(np.linspace(0, 90, 9001), key=lambda a: np.abs(arc.cell(a)[0] - cell[0]).max()) \
            if known is None else known

    monkeypatch.setattr(crossed_arcs, "patterns", lambda some: np.array([angle_of(cell) for _, cell in some]))

    def logits(angles, names):
        lead = (angles - 30) / 10  # log p(166) - log p(139)
        third = np.where(angles > 80, 4.0, -9.0)  # F-43m, likelier than either at the end alone
        return np.stack([-lead / 2, lead / 2, third, 0 * lead - 9, 0 * lead - 9], 1)[None]

    panel = SimpleNamespace(class_map=CLASSES, logits=logits)
    (found,) = crossed_arcs.measure_arcs([arc], panel, BetweenConfig(points=7, tolerance=1e-2, rounds=12))
    assert found["angle"][0] == pytest.approx(30, abs=0.3) and found["changes"] == [1]
    assert found["answers"][0] == [139, 139, 139, 166, 166, 166, 216] and found["crossed"] == [False]
    # Both above a tenth where the margin is within log 9, that is for 44 degrees.
    assert found["thickness_angstrom"][0] == pytest.approx(arc.radius * np.radians(20 * np.log(9)), rel=0.03)
    assert 0 < found["third"][0] < 0.1 and found["common_named"] == [0.0]


def test_the_report_says_how_many_pairs_have_no_path():
    assert "For the other 7 no drawn crystal" in between_groups({"arcs": 4, "drawn_pairs": 3, "unrelated_pairs": 10})
