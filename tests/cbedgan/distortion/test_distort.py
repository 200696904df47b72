"""The stage: from classifiers and a set to thresholds in angstrom, the crystals beside them, and a report."""

import json
import sys

import pytest

from cbedgan.crystal.cif import crystals_from_cif
from cbedgan.crystal.crystals import Crystal, measure_symmetry
from cbedgan.distortion import distort as stage
from cbedgan.distortion.distort import DistortConfig, distort
from cbedgan.distortion.modes import Mode
from cbedgan.distortion.parts import simulate_path
from cbedgan.simulate.workers import in_pool
from classifier.crystal.subgroups import MAXIMAL_SUBGROUPS
from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError
from small_crystals import SIMULATE, SOURCE


def config(**changes):
    return parse_config({"seed": 2, "source": SOURCE, "paths": {"materials": 1}, "render": SIMULATE["render"],
                         "thresholds": {"points": 5, "simulated_rounds": 1}, "paths_at_once": 3,
                         "replicates": 100, **changes}, DistortConfig, source="test")


@pytest.fixture(scope="module")
def done(seen, tmp_path_factory):
    out = tmp_path_factory.mktemp("distort") / "out"
    page = distort(config(simulated=1), classifiers=seen.classifiers, stacks=seen.stacks, split=seen.split, out=out,
                   workers=1)
    assert page == out / "report.html" and page.stat().st_size > 2000
    return out, json.loads((out / "paths.json").read_text())


def test_every_path_leads_from_a_group_into_a_maximal_subgroup_that_is_a_class(done):
    _, content = done
    assert {(path["space_group"], path["subgroup"]) for path in content["paths"]} == {(194, 63), (63, 12)}
    for path in content["paths"]:
        assert path["subgroup"] in MAXIMAL_SUBGROUPS[path["space_group"]]
        crystal = Crystal.from_record(path["crystal"])
        mode = Mode.of(path["mode"])
        assert [measure_symmetry(*mode.cell(crystal, t), precision_angstrom=1e-3).number for t in (0, 0.15)] == [
            path["space_group"], path["subgroup"]]


def test_residuals_of_what_is_lost_grow_from_nothing_and_the_sentence_says_where(done):
    out, content = done
    for path in content["paths"]:
        assert path["lost"]["elements"] and len(path["residuals"]) == 3
        bar, shown = 0.02, []
        for pattern, some in zip(path["lost"]["patterns"], path["residuals"], strict=True):
            assert len(some) == len(pattern["operations"])
            for lost, values in zip(pattern["operations"], some, strict=True):
                assert values[0] == 0 and len(values) == 1 + len(path["distortion_angstrom"])
                places = [t for t, value in zip(path["distortion_angstrom"], values[1:], strict=True) if value >= bar]
                shown += [] if lost["stays_in_projection"] else places[:1]
        if path["t_shown"] is not None:
            assert path["t_shown"] <= min(shown) and f"from {path['t_shown']:.3g} angstrom on" in path["text"]
        else:
            assert not shown and "no turn or mirror line" in path["text"]
    report = json.loads((out / "report.json").read_text())
    for row in report["pairs"]:
        estimate = next(iter(row["arms"].values()))["t_star"]["estimate"]
        assert row["text"] in (out / "report.txt").read_text()
        assert f"from {'> end' if estimate is None else f'{estimate:.3g}'} (" in row["text"]


def test_thresholds_lie_where_margins_change_their_sign(done):
    _, content = done
    assert content["arms"] == {"arm48": [0, 1], "arm96": [2]}
    for path in content["paths"]:
        for member in range(3):
            margins, places = path["margins"][member], [0, *path["distortion_angstrom"]]
            if path["state"][member] == "denied":
                assert margins[0] >= 0 and path["t_star"][member] is None
            elif path["state"][member] == "never":
                assert max(margins) < 0 and path["t_star"][member] is None
            else:
                k = next(k for k, margin in enumerate(margins) if margin >= 0)
                assert max(places[k - 1], 1e-6) <= path["t_star"][member] <= places[k]
                low, high = path["bracket"][member]
                assert low <= path["t_star"][member] <= high
    (checked,) = [path for path in content["paths"] if "t_star_simulated" in path]
    assert any(state == "crossed" for state in checked["state"]) and len(checked["t_star_simulated"]) == 3


def test_the_crystals_on_both_sides_have_the_subgroup(done):
    out, content = done
    written = [(path, name) for path in content["paths"] for name in path["cif"]]
    assert {name for _, name in written} == {file.name for file in (out / "cif").glob("*")}
    far = [(path, name) for path, name in written if name.endswith("above.cif") and max(
        t or 0 for t in path["t_star"]) > 0.05]
    for path, name in far:
        assert crystals_from_cif(out / "cif" / name)[0].space_group == path["subgroup"]


def test_some_paths_are_drawn_beside_their_crystals(done):
    out, content = done
    crossed = [number for number, path in enumerate(content["paths"]) if "crossed" in path["state"]]
    assert crossed and {strip["number"] for strip in content["strips"]} <= set(crossed)
    page = (out / "report.html").read_text()
    for strip in content["strips"]:
        assert (out / "strips" / strip["png"]).read_bytes().startswith(b"\x89PNG")
        path = content["paths"][strip["number"]]
        assert strip["why"] in page and all(f'href="cif/{name}"' in page for name in path["cif"])
        assert strip["places"]["undistorted"] == 0 and strip["places"]["end"] == path["end_angstrom"]


def test_a_finished_folder_is_kept_and_another_run_refused(done, seen):
    out, _ = done
    before = (out / "paths.json").read_bytes()
    call = {"classifiers": seen.classifiers, "stacks": seen.stacks, "split": seen.split, "out": out}
    distort(config(simulated=1), **call)
    assert (out / "paths.json").read_bytes() == before
    with pytest.raises(InputError, match="config_digest may not change"):
        distort(config(seed=3), **call)


def test_a_run_that_was_killed_goes_on_and_ends_as_if_it_had_not_been(done, seen, tmp_path, monkeypatch):
    whole, (out, parts) = done[1], (tmp_path / "out", tmp_path / "out.parts")
    call = {"classifiers": seen.classifiers, "stacks": seen.stacks, "split": seen.split, "out": out}
    with monkeypatch.context() as patch:
        patch.setattr(stage, "in_pool", lambda function, *some, **more: in_pool(function, *some, **more)
                      if function is not simulate_path else sys.exit(143))
        with pytest.raises(SystemExit):
            distort(config(simulated=1), **call, workers=2)
    assert not out.exists() and sorted(part.stem for part in parts.glob("paths-*.json"))[0] == "paths-000000"
    (parts / "paths-000000.json").unlink()
    kept = {part.name: part.stat().st_mtime_ns for part in parts.glob("*.json")}
    with pytest.raises(InputError, match="config_digest may not change"):
        distort(config(seed=3), **call)
    with monkeypatch.context() as patch:
        patch.setattr(stage.shutil, "rmtree", lambda *_, **__: None)
        distort(config(simulated=1), **call)
    assert {name: (parts / name).stat().st_mtime_ns for name in kept} == kept
    again = json.loads((out / "paths.json").read_text())
    del again["paths_per_second"], (whole := dict(whole))["paths_per_second"]
    assert again == whole
    assert {file.name: file.read_bytes() for file in (out / "cif").iterdir()} == {
        file.name: file.read_bytes() for file in (done[0] / "cif").iterdir()}


def test_held_out_crystals_are_those_of_the_set(seen, tmp_path):
    page = distort(config(crystals="test", source=None), classifiers=seen.classifiers[:1], stacks=seen.stacks,
                   split=seen.split, out=tmp_path / "out")
    content = json.loads((page.parent / "paths.json").read_text())
    assert {path["space_group"] for path in content["paths"]} <= {194, 63, 12} and content["arms"] == {"arm48": [0]}


def test_under_a_condition_thresholds_are_those_of_the_mean_over_copies_with_one_noise_a_path(done, seen, tmp_path):
    call = {"classifiers": seen.classifiers[:1], "stacks": seen.stacks, "split": seen.split}
    page = distort(config(condition="ordinary", draws=2, groups=[194], between={}), **call, out=tmp_path / "out")
    told, ideal = json.loads((page.parent / "paths.json").read_text()), done[1]
    assert told["provenance"]["config"]["condition"] == "ordinary" and "condition" not in ideal["provenance"]["config"]
    assert told["paths"]
    for path, same in zip(told["paths"], [one for one in ideal["paths"] if one["space_group"] == 194], strict=True):
        assert path["mode"] == same["mode"] and path["t_data"] == pytest.approx(same["t_data"], rel=1e-4)
        assert path["margins"][0] != same["margins"][0] and "ordinary patterns" in path["text"]
    assert "likelier in\nordinary patterns (logits of 2 copies" in page.read_text()
    assert told["between"] == {"unrelated_pairs": 0, "arcs": []}  # each is a subgroup of the one before
    assert "0 paths, of 0 of 0 pairs" in (page.parent / "report.txt").read_text()
    with pytest.raises(InputError, match="must have the view"):
        distort(config(view="tilted"), **call, out=tmp_path / "other")


def test_a_source_goes_with_drawn_crystals_alone():
    with pytest.raises(InputError, match="goes with"):
        config(crystals="test")
    with pytest.raises(InputError, match="goes with"):
        config(source=None)
