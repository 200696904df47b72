from dataclasses import replace

import numpy as np
import pytest

from classifier.explanation.explain import disk_bases, disk_radii, explain_answers, explanation_text, field_radii
from classifier.pattern.geometry import ViewConfig
from classifier.prediction.answers import Answer
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import write_stack_file
from drawn_disks import DETECTOR, RADIUS, drawn, four_mm, glide

RECTANGLE = np.array([[1.0, 0.0], [0.0, 1.15]])


@pytest.fixture(scope="module")
def stacks(tmp_path_factory):
    return written(tmp_path_factory.mktemp("explained") / "mine.h5", "simulated")


def written(path, origin, provenance=""):
    """A file of one stack: 4mm, 2mm with a dark row, and nothing; its name is none for a file."""
    strength = 10 ** np.random.default_rng(1).uniform(-3, 0, (7, 7))
    stack = np.stack([drawn(np.eye(2), four_mm), drawn(RECTANGLE, glide),
                      drawn(RECTANGLE, lambda h, k, x, y: strength[h, k] * np.ones_like(x))])
    table = SampleTable.build(1, sample_id=["mine/1"], origin=origin, provenance=[provenance], beam_energy_kev=100.0,
                              convergence_semi_angle_mrad=[[3.0, 3.0, np.nan]],
                              pixel_size_inv_angstrom=[[0.08107 / (16 * RADIUS)] * 3])  # 3 mrad: 0.08107 / angstrom
    write_stack_file(path, stack[None], table, detector=DETECTOR, pose="canonical", intensity_unit="counts",
                     provenance={})
    return path


ANSWER = Answer("mine/1", (), ((139, 0.9), (87, 0.1)), (), (), {}, (), 0.0)


def test_answers_are_explained_by_their_patterns_and_drawn(stacks, tmp_path):
    view = ViewConfig(half_width=2.0, size_pixels=64)
    (answer,) = explain_answers([ANSWER], stacks, view, pictures=tmp_path / "new")
    assert answer.explanation is not None
    *claimed, groups = answer.explanation
    assert {(one["pattern"], one["claim"]) for one in claimed} == {
        (1, "four-fold"), (1, "mirror"), (2, "two-fold"), (2, "mirror"), (2, "dark_row"), (3, "no_half_turn"),
        (3, "no_mirror")}
    assert groups["claim"] == "groups" and not groups["agrees"] and set(groups["excluded"]) == {139, 87}
    assert groups["zone_axes"][0] == [0, 0, 1] and groups["zone_axes"][2] is None
    assert (tmp_path / "new/mine_1.png").read_bytes().startswith(b"\x89PNG")
    assert "pattern 1: 4mm: four-fold about the beam" in explanation_text([answer]).plain


def test_only_what_was_explained_is_written():
    assert "explanation" not in ANSWER.to_json()
    assert replace(ANSWER, explanation=({"claim": "mirror"},)).to_json()["explanation"] == [{"claim": "mirror"}]


def test_the_radius_of_disks_follows_from_the_semi_angle():
    table = SampleTable.build(1, sample_id=["a"], beam_energy_kev=100.0,
                              convergence_semi_angle_mrad=[[3.7, np.nan, 3.7]],
                              pixel_size_inv_angstrom=[[0.01, 0.01, np.nan]])
    radius = disk_radii(table, DETECTOR)  # 3.7 mrad / 0.0370 angstrom = 0.1 / angstrom = 10 pixels
    assert radius[0, 0] == pytest.approx(10 / 16, rel=1e-3) and np.isnan(radius[0, 1:]).all()


def test_the_field_of_imported_patterns_is_known():
    table = SampleTable.build(2, sample_id=["a", "b"], pixel_size_inv_angstrom=[[0.01, 0.02, np.nan], [0.01] * 3],
                              provenance=['{"field_inv_angstrom": [0.2, 0.2, 0.2]}', ""])
    field = field_radii(table, DETECTOR)
    assert field[0].tolist() == pytest.approx([20 / 16, 10 / 16, np.inf]) and np.isinf(field[1]).all()


def test_the_lattice_that_the_import_found_is_known():
    table = SampleTable.build(2, sample_id=["a", "b"],
                              provenance=['{"disk_lattice": [[[1, 0], [0.5, 1.2]], null, null]}', "{}"])
    (first, *rest), other = disk_bases(table)
    assert first is not None and first.tolist() == [[1.0, 0.0], [0.5, 1.2]] and [*rest, *other] == [None] * 5


@pytest.mark.parametrize("origin, provenance", [("experimental", ""), ("simulated", '{"specimen": []}')])
def test_where_the_beam_may_be_tilted_no_mirror_line_and_no_half_turn_is_denied(tmp_path, origin, provenance):
    view = ViewConfig(half_width=2.0, size_pixels=64)
    (answer,) = explain_answers([ANSWER], written(tmp_path / "a.h5", origin, provenance), view)
    said = {(one["pattern"], one["claim"]) for one in (answer.explanation or ())[:-1] if one["claim"] != "zone_axis"}
    assert said == {(1, "four-fold"), (1, "mirror"), (2, "two-fold"), (2, "mirror"), (2, "dark_row")}
