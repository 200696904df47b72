import json
import re
import shutil
from typing import Any

import numpy as np
import pytest

from cbedgan.ranking.methods import MethodConfig, load_methods, plan, trained_for, windows
from cbedgan.ranking.rank import RankConfig, beside, finished_runs, rank
from cbedgan.ranking.scores import Answers, Ranking, RankingVerdicts
from classifier.foundation.config import load_config, parse_config
from classifier.foundation.errors import InputError
from classifier.pattern.measurement import CONDITIONS
from classifier.statistics.trials import Trials
from project import CONFIGS
from running import verb
from tiny import toml

JUDGEMENT: dict[str, Any] = {"reference": "cross_entropy", "judged": ["balanced_accuracy", "few_recall"],
                             "unit": "structure_type", "replicates": 200, "seed": 0, "alpha": 0.05, "band": 0.02,
                             "minimum_units": 3}


def rank_config(**changes: Any) -> RankConfig:
    return parse_config({"seeds": [0, 1, 2], "judgement": {**JUDGEMENT, **changes}}, RankConfig, source="test")


@pytest.fixture
def methods(compare_config, tmp_path):
    """Cross-entropy, its ensemble and its adjustment, which stand on the same trainings, and another loss."""
    train = compare_config().classifier.model_dump(mode="json")
    made = {"cross_entropy": {}, "adjusted": {"post_hoc": {"kind": "logit_adjustment", "taus": [1.0]}},
            "ensemble": {"ensemble": 3}, "focal": {"train": {**train, "loss": {"kind": "focal", "gamma": 2.0}}}}
    folder = tmp_path / "methods"
    folder.mkdir()
    for name, content in made.items():
        (folder / f"{name}.toml").write_text(toml({"label": name, "paper": "of one", "train": train, **content}))
    return folder


@pytest.fixture
def call(split_stacks, methods, tmp_path):
    stacks, split = split_stacks
    return {"methods": methods, "stacks": stacks, "split": split, "out": tmp_path / "ranking", "workers": 1}


@pytest.mark.slow
def test_the_ranking_is_whole_alone_shared_and_resumable(call):
    path = rank(rank_config(), **call)
    page, report = path.read_text(), json.loads((call["out"] / "report.json").read_text())
    assert path == call["out"] / "report.html"
    assert {method["name"] for method in report["methods"]} == {"cross_entropy", "adjusted", "ensemble", "focal"}
    assert len(report["differences"]) == 6
    assert all(row["verdict"] in ("helped", "hurt", "no difference", "cannot tell") for row in report["differences"])
    order = [method["scores"]["balanced_accuracy"]["estimate"] for method in report["methods"]]
    assert order == sorted(order, reverse=True) and page.count('src="data:image/png;base64,') == 2
    assert not re.search(r'src="(?!data:)|href=|url\(|@import|https?:', page)
    assert (call["out"] / "ranking.txt").read_text().count("\n") > 5
    runs = sorted(call["out"].glob("*/*/predictions.npz"))
    assert [len(list(call["out"].glob(f"{kind}/*/result.json"))) for kind in ("trainings", "heads", "ensembles")] == [
        6, 3, 1]
    before = [run.stat().st_mtime_ns for run in runs]
    (call["out"] / "report.json").unlink()
    rank(rank_config(), **call)
    assert [run.stat().st_mtime_ns for run in runs] == before
    assert json.loads((call["out"] / "report.json").read_text()) == report


@pytest.mark.slow
def test_a_ranking_under_a_condition_shows_the_ideal_one_beside_it(call, compare_config):
    for path in call["methods"].glob("*.toml"):
        path.unlink()
    train = {**compare_config().classifier.model_dump(mode="json"), "judged_under": ["counted_1e4"],
             "measurement": {"electrons": 1e4}}
    for name, content in {"cross_entropy": {}, "ensemble": {"ensemble": 3}}.items():
        (call["methods"] / f"{name}.toml").write_text(toml({"label": name, "paper": "", "train": train, **content}))
    config = parse_config({"seeds": [0, 1, 2], "judgement": JUDGEMENT, "condition": "counted_1e4"}, RankConfig,
                          source="test")
    page = rank(config, **call).read_text()
    report = json.loads((call["out"] / "report.json").read_text())
    assert report["condition"] == "counted_1e4" and report["beside"] == ["ideal"]
    single = next(method for method in report["methods"] if method["name"] == "cross_entropy")
    results = [json.loads(path.read_text()) for path in sorted(call["out"].glob("trainings/*/result.json"))]
    assert single["beside"]["ideal"]["balanced_accuracy"] == pytest.approx(
        np.mean([result["test"]["balanced_accuracy"] for result in results]))
    assert sorted(single["scores"]["balanced_accuracy"]["per_seed"]) == pytest.approx(
        sorted(result["conditions"]["counted_1e4"]["test"]["balanced_accuracy"] for result in results))
    assert "balanced accuracy, ideal" in page and "balanced accuracy, ideal" in (
        call["out"] / "ranking.txt").read_text()
    with pytest.raises(InputError, match="must have been judged under the condition 'counted'"):
        rank(config.model_copy(update={"condition": "counted"}), **{**call, "out": call["out"].parent / "again"},
             runs=[])


def test_what_stands_beside_is_what_every_run_was_judged_under(tmp_path):
    for seed, conditions in enumerate((["counted", "counted_1e5"], ["counted"])):
        told = {"test": {"balanced_accuracy": 0.2 + 0.4 * seed, "recall_by_shot": {"few": None}}}
        (tmp_path / str(seed)).mkdir()
        (tmp_path / str(seed) / "result.json").write_text(json.dumps(
            {**told, "conditions": dict.fromkeys(conditions, told)}))
    mean = {"balanced_accuracy": pytest.approx(0.4), "few_recall": None}
    folders = [tmp_path / "0", tmp_path / "1"]
    assert beside(folders, "ideal") == {"counted": mean} and beside(folders, "counted") == {"ideal": mean}
    assert beside([tmp_path], "ideal") == {}


def test_real_derived_crystals_stand_first_beside_the_ranking(tmp_path):
    def part(value: float) -> dict:
        return {"balanced_accuracy": value, "recall_by_shot": {"few": value / 2}}

    kinds = {"real": part(0.3), "random": part(0.9)}
    noisy = {"test": {**part(0.5), "derivations": {"real": part(0.2), "random": part(0.7)}}}
    (tmp_path / "result.json").write_text(json.dumps({
        "test": {**part(0.6), "derivations": kinds}, "conditions": {"counted": noisy}}))
    told = beside([tmp_path], "ideal")
    assert list(told) == ["real", "random", "counted"] and told["real"] == {"balanced_accuracy": 0.3,
                                                                            "few_recall": 0.15}
    under = beside([tmp_path], "counted")
    assert list(under) == ["real", "random", "ideal"] and under["real"]["balanced_accuracy"] == 0.2


@pytest.mark.slow
def test_a_ranking_goes_on_after_a_lost_run_and_takes_finished_ones(call):
    rank(rank_config(), **call)
    report = json.loads((call["out"] / "report.json").read_text())
    planned = json.loads((call["out"] / "plan.json").read_text())
    lost, *kept = (call["out"] / folder / "result.json" for folder in planned["cross_entropy"])
    elsewhere = shutil.copytree(kept[0].parent, call["out"].parent / "elsewhere")
    lost.unlink()
    before = [path.stat().st_mtime_ns for path in kept]
    (call["methods"] / "focal.toml").unlink()
    rank(rank_config(), **call, runs=[elsewhere])
    again = json.loads((call["out"] / "report.json").read_text())
    assert lost.exists() and [path.stat().st_mtime_ns for path in kept] == before
    assert {method["name"] for method in again["methods"]} == {"cross_entropy", "adjusted", "ensemble", "elsewhere"}
    scores = [{method["name"]: method["scores"] for method in held["methods"]} for held in (report, again)]
    assert scores[0]["cross_entropy"] == scores[1]["cross_entropy"]
    foreign = next(method for method in again["methods"] if method["name"] == "elsewhere")
    assert len(set(foreign["scores"]["top_1"]["per_seed"])) == 1


def test_compare_with_methods_says_that_it_is_called_rank(capsys):
    arguments = ["compare", "--config", "none.toml", "--stacks", "a", "--split", "b", "--out", "c", "--methods", "d"]
    code = verb(*arguments)
    said = capsys.readouterr().err
    assert code == 2 and said.count("\n") == 1 and "cbedgan rank --methods d" in said


def test_equal_trainings_are_planned_once(call, methods):
    planned = plan(load_methods(methods), [0, 1, 2], stacks=call["stacks"], split=call["split"], out=call["out"])
    assert len(planned.trainings) == 6 and len(planned.heads) == 3
    assert planned.members["ensemble"] == planned.members["cross_entropy"] != planned.members["focal"]
    assert [job.classifier.parent for job in planned.heads] == planned.members["cross_entropy"]
    assert [job.config.seed for job in planned.heads] == [0, 1, 2]


def test_windows_hold_every_member_equally_often():
    assert windows(4, 2) == [[0, 1], [1, 2], [2, 3], [3, 0]]
    assert {tuple(sorted(chosen)) for chosen in windows(3, 3)} == {(0, 1, 2)}


@pytest.mark.parametrize(("content", "rule"), [
    ({"seeds": [0, 1]}, "seeds: must be at least three"), ({"judgement": {**JUDGEMENT, "reference": "none"}}, "among")])
def test_bad_configurations_are_named(call, content, rule):
    config = parse_config({"seeds": [0, 1, 2], "judgement": JUDGEMENT, **content}, RankConfig, source="test")
    with pytest.raises(InputError, match=rule):
        rank(config, **call)


def test_a_folder_without_methods_or_runs_is_named(tmp_path):
    with pytest.raises(InputError, match="a folder of methods"):
        load_methods(tmp_path)
    with pytest.raises(InputError, match="finished run folder"):
        finished_runs([tmp_path])


def test_runs_of_one_method_belong_together(tmp_path):
    for name in ("forest-seed1", "forest-seed2", "prior"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "predictions.npz").touch()
    assert {name: len(held) for name, held in finished_runs([tmp_path]).items()} == {"forest": 2, "prior": 1}


def test_scores_and_differences_of_known_logits():
    """Two classes of four units; the reference is right on the first class alone, the other method everywhere."""
    classes = np.repeat([0, 1], 4)
    trials = Trials.of(classes, np.array([f"unit {i}" for i in range(8)]), 2)
    first = np.tile([2.0, 0.0], (3, 8, 1))
    right = np.tile(np.eye(2)[classes] * 20, (3, 1, 1))
    judgement = parse_config(JUDGEMENT, RankingVerdicts, source="test")
    answers = {"cross_entropy": Answers(first, np.array([1.0, 2.0, 4.0])), "right": Answers(right, np.full(3, np.nan))}
    ranking = Ranking(judgement, answers, trials, np.array([200, 5]), np.array([[False, True], [True, False]]))
    scores = ranking.scores("cross_entropy")
    confidence = 1 / (1 + np.exp(-2.0))
    expected = {"balanced_accuracy": 0.5, "few_recall": 0, "many_recall": 1, "top_1": 0.5, "top_6": 1,
                "macro_f1": (2 * 4 / (4 + 8)) / 2, "calibration_error": confidence - 0.5,
                "direct_edge_enrichment": 1}  # with two classes every error lies on the one edge there is
    for name, value in expected.items():
        assert scores[name]["estimate"] == pytest.approx(value), name
        assert scores[name]["per_seed"] == pytest.approx([value] * 3), name
    scaled = 1 / (1 + np.exp(-2.0 / np.array([1, 2, 4]))) - 0.5
    assert scores["scaled_calibration_error"]["per_seed"] == pytest.approx(scaled)
    assert scores["scaled_calibration_error"]["estimate"] == pytest.approx(scaled.mean())
    assert ranking.scores("right")["scaled_calibration_error"]["estimate"] is None
    few = next(row for row in ranking.differences() if row["score"] == "few_recall")
    assert few["estimate"] == 1 and few["verdict"] == "helped" and few["units"] == 4 and few["groups"] == 1


def test_every_method_of_the_published_comparison_is_complete():
    config = load_config(CONFIGS / "bench/compare_methods.toml", RankConfig)
    methods = load_methods(CONFIGS / "imbalance")
    assert config.judgement.reference in methods and len(config.seeds) == 5
    base = methods[config.judgement.reference].train
    own = {"loss", "mixup_alpha", "sampling_power", "model"}
    for name, method in methods.items():
        assert isinstance(method, MethodConfig) and "20" in method.paper, name
        assert method.train.model_dump(exclude=own) == base.model_dump(exclude=own), name


def test_all_methods_can_be_trained_for_another_condition_and_keep_all_else():
    methods = load_methods(CONFIGS / "imbalance")
    mine = {"measurement", "judged_under", "ideal_share", "model", "intensity"}
    for condition, ranked, measurement, judged, ideal_share, floor in (
            ("ordinary", "ordinary", CONDITIONS["ordinary"], ("ordinary",), 0.4, 1e-6),
            ("ideal", "ideal", None, (), 0.0, 1e-6), ("ideal", "ordinary", None, ("ordinary",), 0.0, 1e-6),
            ("poor", "ordinary", CONDITIONS["poor"], ("poor", "ordinary"), 0.4, 1e-5)):
        for name, method in trained_for(methods, condition, ranked).items():
            train = method.train
            assert (train.measurement, train.judged_under, train.ideal_share) == (measurement, judged, ideal_share)
            assert train.intensity == methods[name].train.intensity.model_copy(update={"floor": floor})
            assert train.model.centre == (condition != "ideal")
            assert train.model.head == methods[name].train.model.head
            assert train.model_dump(exclude=mine) == methods[name].train.model_dump(exclude=mine), name
