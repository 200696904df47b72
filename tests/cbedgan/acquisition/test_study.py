import json
import re
import shutil

import pytest

from cbedgan.acquisition.study import acquire
from classifier.foundation.errors import InputError
from classifier.samples.split import load_split

pytestmark = pytest.mark.slow


@pytest.fixture
def call(base, tmp_path):
    return {"stacks": base.stacks, "split": base.split_path, "out": tmp_path / "study", "workers": 1}


def _labelled(base, folder):
    return {path.stem: set(load_split(path, stack_digest=base.split.stack_digest).materials["train"])
            for path in (folder / "splits").glob("*.json")}


def test_rounds_grow_and_a_cut_study_goes_on_to_the_same_end(call, base, acquire_config):
    path = acquire(acquire_config(), **call)
    page, report = path.read_text(), json.loads((call["out"] / "report.json").read_text())
    assert page.count('src="data:image/png;base64,') == 1
    assert not re.search(r'src="(?!data:)|href=|url\(|@import|https?:', page)
    assert (call["out"] / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert report["labelled_materials"] == [5, 8] and set(report["strategies"]) == {"random", "bald"}
    first = {name: found["balanced_accuracy"]["curve_of_seed"] for name, found in report["strategies"].items()}
    assert [seed[0] for seed in first["random"]] == [seed[0] for seed in first["bald"]]  # one start for all
    sets = _labelled(base, call["out"])
    assert len(sets) == 3 + 2 * 3
    for strategy in report["strategies"]:
        for seed in range(3):
            start, more = sets[f"start-seed{seed}-round0"], sets[f"{strategy}-seed{seed}-round1"]
            assert start < more <= set(base.split.materials["train"])
    asked = {path.parent.name for path in (call["out"] / "runs").glob("*-member1/result.json")}
    assert asked == {f"start-seed{seed}-round0-member1" for seed in range(3)}  # nobody is asked after the last round
    # What is left after a kill: some splits of a round, some of its trainings, no report.
    for name in ("report.json", "report.html", "result.json", "splits/bald-seed1-round1.json"):
        (call["out"] / name).unlink()
    for name in ("bald-seed1-round1-member0", "start-seed1-round0-member1"):
        shutil.rmtree(call["out"] / "runs" / name)
    kept = call["out"] / "runs" / "random-seed0-round1-member0" / "classifier.safetensors"
    before = kept.stat().st_mtime_ns
    acquire(acquire_config(), **call)
    assert json.loads((call["out"] / "report.json").read_text()) == report
    assert _labelled(base, call["out"]) == sets and kept.stat().st_mtime_ns == before


@pytest.mark.parametrize(("changes", "key"), [
    ({"strategies": ["entropy"]}, "strategies"), ({"strategies": ["random", "random"]}, "strategies"),
    ({"seeds": [0, 1]}, "seeds"), ({"seeds": [0, 1, 1]}, "seeds"), ({"rounds": 9}, "rounds"),
    ({"strategies": ["random", "boundary"]}, "boundary")])
def test_bad_configurations_are_named(call, acquire_config, changes, key):
    with pytest.raises(InputError, match=f"acquire configuration, {key}"):
        acquire(acquire_config(**changes), **call)
    assert not call["out"].exists()


def test_boundary_trains_its_generator_on_the_first_labels(call, base, acquire_config, boundary_content):
    classifier = acquire_config().classifier.model_dump(mode="json") | {"images": 256}
    config = acquire_config(strategies=["random", "boundary"], boundary=boundary_content, classifier=classifier)
    acquire(config, **call)
    sets = _labelled(base, call["out"])
    for seed in range(3):
        run = json.loads((call["out"] / "boundary" / f"seed{seed}" / "gan" / "run.json").read_text())
        start = load_split(call["out"] / "splits" / f"start-seed{seed}-round0.json",
                           stack_digest=base.split.stack_digest)
        assert run["inputs"]["split"] == start.digest
        assert sets[f"start-seed{seed}-round0"] < sets[f"boundary-seed{seed}-round1"]
