"""What a round hands to the next: the stages are played, files are real."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from cbedgan.densify import rounds as stage
from cbedgan.densify.rounds import RoundsConfig
from classifier.foundation.atomic import write_json
from classifier.foundation.config import load_config, parse_config
from classifier.foundation.errors import InputError
from classifier.samples.split import SplitConfig, load_split, split
from classifier.samples.stackfile import StackFile, write_stack_file
from project import CONFIGS
from tiny import ARM, SPLIT, frame_of

CONTENT = {"rounds": 2, "seeds": [4, 5], "classifier": ARM, "synthesize": {"seed": 7, "sampling_strategy": {}},
           "distort": {"seed": 9, "paths": {"materials": 1}, "source": {"kind": "natural"}}}


@pytest.fixture
def played(monkeypatch, tiny_stack_file, tmp_path):
    """played() runs the stage and gives what each stage was asked, in order; files carry what a round needs."""
    stacks = tiny_stack_file()
    parted = split(parse_config(SPLIT, SplitConfig, source="test"), stacks=stacks, out=tmp_path / "split.json")
    calls = []

    def synthesize(config, *, out, paths, classifiers, **given):
        if out.exists():
            return out
        calls.append(("synthesize", config.seed, paths.parent.name, [path.parent.name for path in classifiers]))
        with StackFile(stacks) as file:
            write_stack_file(out, file.read([0, 1]), file.table.take([0, 1]), **frame_of(file),
                             provenance={"seed": config.seed})
        return out

    def train_all(jobs, workers, description):
        for job in jobs:
            if (job.out / "result.json").exists():  # as train-clf keeps what is finished
                continue
            names = [] if job.source is None else StackFile(job.source).table.sample_id.tolist()
            calls.append(("train", job.config.seed, sorted({name[:7] for name in names}), len(names)))
            write_json(job.out / "result.json", {"validation": {
                "balanced_accuracy": 0.5 + len(names) / 10, "recall_by_shot": {"few": 0.25, "medium": None,
                                                                               "many": 1.0}}})

    def distort(config, *, classifiers, out, **given):
        calls.append(("distort", config.seed, [str(path.parent.relative_to(tmp_path / "out")) for path in classifiers]))
        numbers = range(len(classifiers))
        write_json(out / "paths.json", {
            "provenance": {"inputs": {f"classifier {k}": str(path) for k, path in enumerate(classifiers)}},
            "training_materials": {"194": 3}, "paths": [{
                "space_group": 194, "subgroup": 63, "state": ["crossed" for _ in numbers],
                "t_star": [0.1 / (k + 1) for k in numbers]}]})
        return out / "report.html"

    monkeypatch.setattr(stage, "synthesize_crystals", synthesize)
    monkeypatch.setattr(stage, "train_all", train_all)
    monkeypatch.setattr(stage, "distort", distort)
    monkeypatch.setattr(stage, "load_crystals", lambda path, split_digest: SimpleNamespace(digest="g"))
    monkeypatch.setattr(stage, "load_classifier", lambda path: SimpleNamespace(digest=str(path)))

    def run():
        calls.clear()
        stage.rounds(parse_config(CONTENT, RoundsConfig, source="test"), generator=tmp_path / "g", stacks=stacks,
                     split=parted, out=tmp_path / "out", workers=1)
        return list(calls)
    return run


def test_every_round_looks_where_the_newest_classifiers_fail_and_keeps_what_was_added(played, tmp_path):
    calls = played()
    pair = ["classifier-4", "classifier-5"]
    assert [call for call in calls if call[0] == "synthesize"] == [
        ("synthesize", 8, "round-0", pair), ("synthesize", 9, "round-1", pair)]
    assert [call[1:] for call in calls if call[0] == "train"] == [
        (seed, names, 2 * len(names)) for names in ([], ["round-1"], ["round-1", "round-2"]) for seed in (4, 5)]
    asked = [call[1:] for call in calls if call[0] == "distort"]
    assert [seed for seed, _ in asked] == [9, 10, 11]  # new crystals every round
    assert asked[0][1] == [f"round-0/{name}" for name in pair]
    assert asked[2][1] == [f"round-{number}/{name}" for number in (0, 2) for name in pair]


def test_the_report_compares_each_round_with_the_first(played, tmp_path):
    played()
    rows = json.loads((tmp_path / "out/report.json").read_text())["rows"]
    assert [row["added"] for row in rows] == [0, 2, 4]
    assert [row["balanced"] for row in rows] == pytest.approx([0.5, 0.7, 0.9]) and rows[0]["medium"] is None
    # Of two classifiers the lower: 0.05 of round 0; 0.1 / 4 of the third and fourth.
    assert [row["t_star"] for row in rows] == pytest.approx([0.05, 0.025, 0.025])
    assert [row["t_star_first"] for row in rows] == pytest.approx([0.05] * 3)
    assert (tmp_path / "out/curve.png").exists() and "few-shot" in (tmp_path / "out/report.html").read_text()


def test_a_finished_round_is_not_made_again(played, tmp_path):
    played()
    (tmp_path / "out/result.json").unlink()
    before = (tmp_path / "out/round-2/added.h5").stat().st_mtime_ns
    again = played()
    assert {call[0] for call in again} == {"distort"}  # which itself keeps what is there
    assert (tmp_path / "out/round-2/added.h5").stat().st_mtime_ns == before and not played()
    with StackFile(tmp_path / "out/round-2/added.h5") as file:
        assert len(set(file.table.sample_id)) == 4
        assert file.provenance["split_digest"] == load_split(tmp_path / "split.json", stack_digest=StackFile(
            next(tmp_path.glob("tiny*.h5"))).identity).digest


def test_held_out_crystals_are_no_place_to_densify():
    with pytest.raises(InputError, match='must be "drawn"'):
        parse_config(CONTENT | {"distort": {"seed": 9, "paths": {"materials": 1}, "crystals": "test"}}, RoundsConfig,
                     source="test")


def test_the_configuration_of_the_demo_is_that_of_its_stages():
    config = load_config(CONFIGS / "demo/rounds.toml", RoundsConfig)
    for name in ("distort", "synthesize"):
        own, alone = getattr(config, name), load_config(CONFIGS / f"demo/{name}.toml", type(getattr(config, name)))
        changed = {key for key, value in own if value != getattr(alone, key)}
        assert changed == ({"boundary", "selection"} if name == "synthesize" else set())
    assert config.classifier == load_config(CONFIGS / "demo/train_clf.toml", type(config.classifier))
    assert np.ptp(config.seeds) == 1
