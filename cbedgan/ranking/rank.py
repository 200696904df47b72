"""rank [stage]: train every method with every seed, score all on the test part once, rank them."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from cbedgan.comparison.evaluate import trials_of
from cbedgan.comparison.study import training_materials
from cbedgan.comparison.trainings import train_all
from cbedgan.ranking.methods import MethodConfig, RankingRuns, load_methods, plan, trained_for, windows
from cbedgan.ranking.report import BESIDE, write_ranking
from cbedgan.ranking.scores import Answers, Ranking, RankingVerdicts
from classifier.crystal.subgroups import direct_edges
from classifier.foundation.atomic import read_json, write_json
from classifier.foundation.config import Config, added, digest
from classifier.foundation.errors import InputError, require
from classifier.foundation.run import Run
from classifier.pattern.condition import Condition
from classifier.prediction.ensemble import ensemble
from classifier.prediction.predict import COLUMNS, Predictions, predictions_path
from classifier.prediction.scores import score
from classifier.samples.sampletable import DERIVATIONS
from classifier.samples.split import Split, load_split
from classifier.samples.stackfile import StackFile
from classifier.statistics.calibration_maps import fit_temperature
from classifier.statistics.metrics import material_weights


class RankConfig(Config):
    """seeds: of training, at least three, the same for every method; judgement: of the ranking.

    condition: under which the methods are ranked; one beside "ideal" needs runs that were judged_under it.
    trained_for: on patterns of which condition all methods are trained, in place of what their files measure.
    """

    seeds: tuple[int, ...]
    judgement: RankingVerdicts
    condition: Condition = added("ideal")
    trained_for: Condition | None = added(None)


def rank(config: RankConfig, *, methods: Path, stacks: Path, split: Path, out: Path, workers: int,
         runs: Sequence[Path] = ()) -> Path:
    """Train methods x seeds in `workers` processes and write out/report.html, report.json and ranking.txt.

    Rerunning resumes, and may add methods: what is trained stays. Returns the path of the page.

    Parameters
    ----------
    config : seeds and verdicts
    methods : folder of *.toml, one method each
    stacks, split : files
    out : run folder
    workers : processes
    runs : finished run folders of methods that were made elsewhere, as further rows; -seed1, -seed2, ... are one method
    """
    out, configs = Path(out), load_methods(methods)
    if config.trained_for is not None:
        configs = trained_for(configs, config.trained_for, config.condition)
    foreign = finished_runs(runs)
    _check(config, configs, foreign)
    with StackFile(stacks) as file:
        parted = load_split(split, stack_digest=file.identity)
        materials = training_materials(parted, file.table)
    with Run.open(out, stage="rank", config=config,
                  inputs={"stacks": parted.stack_digest, "split": parted.digest}) as run:
        planned = plan(configs, config.seeds, stacks=stacks, split=split, out=out)
        write_json(out / "plan.json", {name: [folder.relative_to(out).as_posix() for folder in folders]
                                       for name, folders in planned.members.items()})
        train_all(planned.trainings, workers, "training methods x seeds")
        train_all(planned.heads, workers, "mending heads")
        folders = {name: members if size is None else _ensembles(size, members, config.seeds, materials, out)
                   for name, members in planned.members.items() for size in [configs[name].ensemble]} | foreign
        ranking = ranking_of(config, parted, materials, folders)
        rows = {name: row | {"beside": beside(folders[name], config.condition)}
                for name, row in _rows(configs, planned, foreign).items()}
        path = write_ranking(ranking, rows, provenance=run.provenance(), out=out)
        run.finish({"report": path.name})
    return path


def finished_runs(runs: Sequence[Path]) -> dict[str, list[Path]]:
    """Run folders by method, from folders that hold predictions.npz or hold such folders."""
    methods: dict[str, list[Path]] = {}
    for given in map(Path, runs):
        folders = [given] if (given / "predictions.npz").exists() else sorted(
            path.parent for path in given.glob("*/predictions.npz"))
        if not folders:
            raise InputError(source=given, rule="must be a finished run folder, or hold some", value="no "
                             "predictions.npz", remedy="Give folders that train-clf or train-baseline wrote.")
        for folder in folders:
            methods.setdefault(re.sub(r"-seed-?\d+$", "", folder.resolve().name), []).append(folder)
    return methods


def _check(config: RankConfig, methods: dict[str, MethodConfig], foreign: dict[str, list[Path]]) -> None:
    seeds = len(config.seeds)
    require([
        (len(set(config.seeds)) == seeds >= 3, "seeds", "must be at least three different", config.seeds),
        (config.judgement.reference in methods, "judgement.reference",
         f"must be among the methods {', '.join(methods)}", config.judgement.reference),
        *((method.ensemble is None or method.ensemble <= seeds, f"{name}.ensemble",
           f"must be at most the {seeds} seeds", method.ensemble) for name, method in methods.items()),
        *((name not in methods, f"--runs {name}", "must differ from the names of the methods", name)
          for name in foreign),
        *((len(folders) in (1, seeds), f"--runs {name}", f"must be one run, or one for each of the {seeds} seeds",
           len(folders)) for name, folders in foreign.items()),
    ], source="rank", remedy="Correct it.")


def _ensembles(size: int, members: list[Path], seeds: Sequence[int], materials: np.ndarray, out: Path) -> list[Path]:
    """Write predictions and result of each ensemble of `size` networks; return the run folder for each seed."""
    folders = []
    for chosen in windows(len(seeds), size):
        chosen_members = [members[place] for place in sorted(chosen)]
        seeds_held = "-".join(str(seeds[place]) for place in sorted(chosen))
        folder = out / "ensembles" / f"{digest([member.name for member in chosen_members])[:12]}-seeds-{seeds_held}"
        if not (folder / "result.json").exists():
            told: dict[str, dict] = {}
            split_digest = ""
            for condition in get_args(Condition):
                paths = [predictions_path(member, condition) for member in chosen_members]
                if all(path.exists() for path in paths):
                    together = ensemble([Predictions.load(path) for path in paths])
                    together.save(predictions_path(folder, condition))
                    split_digest = together.split_digest
                    told[condition] = {part: score(together.take(part), materials) for part in ("validation", "test")}
            ideal = told.pop("ideal")
            write_json(folder / "result.json", {"split_digest": split_digest, **ideal,
                                                **({"conditions": told} if told else {})})
        folders.append(folder)
    return folders


def ranking_of(config: RankConfig, split: Split, materials: np.ndarray, folders: dict[str, list[Path]]) -> Ranking:
    """Bring all test predictions into the order of sample ids.

    Parameters
    ----------
    config : seeds, condition and verdicts
    split : of all
    materials : int [K], training materials of each class
    folders : {method: run folder of each seed, or one for all}
    """
    parts = {name: [_parts(folder, split, config.condition) for folder in of_seeds]
             for name, of_seeds in folders.items()}
    tests = {name: [test for test, _ in of_seeds] for name, of_seeds in parts.items()}
    first = next(iter(tests.values()))[0]
    for name, of_seeds in tests.items():
        for one in of_seeds:
            if not np.array_equal(one.sample_id, first.sample_id) or one.class_map != first.class_map:
                raise InputError(source=f"predictions of {name}", value=f"{len(one.sample_id)} samples, "
                                 f"{len(one.class_map)} classes", rule="all methods must answer the same test samples "
                                 "and classes", remedy="Train it again on this split.")
    seeds = len(config.seeds)
    answers = {name: Answers(np.broadcast_to([test.logits for test, _ in of_seeds], (seeds, *first.logits.shape)),
                             np.broadcast_to([temperature for _, temperature in of_seeds], seeds))
               for name, of_seeds in parts.items()}
    return Ranking(config.judgement, answers, trials_of(first, config.judgement.unit), materials,
                   direct_edges(first.class_map))


def _parts(folder: Path, split: Split, condition: Condition) -> tuple[Predictions, float]:
    """Test part in the order of sample ids, and the temperature that its validation part asks for (NaN: has none)."""
    path = predictions_path(folder, condition)
    if not path.exists():
        raise InputError(source=folder, rule=f"must have been judged under the condition {condition!r} of the ranking",
                         value=f"no {path.name}", remedy=f"Train it with judged_under = [{condition!r}].")
    predictions = Predictions.load(path)
    if predictions.split_digest not in split.names:
        raise InputError(source=folder, rule="must be of the split that is ranked", remedy="Train it on this split.",
                         value=f"split {predictions.split_digest[:12]}, not {split.digest[:12]}")
    # A probability of 0 has no logarithm that could be divided.
    predictions = replace(predictions, logits=np.maximum(predictions.logits, np.finfo(np.float32).min / 4))
    test, validation = predictions.take("test"), predictions.take("validation")
    order = np.argsort(test.sample_id)
    temperature = fit_temperature(
        validation.logits, predictions.class_map.indices(validation.space_group), material_weights(validation.material)
    ) if len(validation.logits) else float("nan")
    return replace(test, **{name: getattr(test, name)[order] for name in COLUMNS}), temperature


def beside(folders: Sequence[Path], ranked: Condition) -> dict[str, dict[str, float | None]]:
    """{name: {score: mean over runs}} on the test part: of real-derived and of random crystals apart, where the stacks
    say which are which, under the condition of the ranking; and of all under each other condition.

    What some run does not tell is left out.
    """
    results = [read_json(folder / "result.json") for folder in folders if (folder / "result.json").exists()]
    told: dict[str, dict[str, float | None]] = {}
    for condition in get_args(Condition):
        judged = (result if condition == "ideal" else result.get("conditions", {}).get(condition, {})
                  for result in results)
        tests: list[dict[str, Any]] = [part for part in (one.get("test") for one in judged) if part]
        seen = {condition: tests} if condition != ranked else {
            name: [part for part in (test.get("derivations", {}).get(name) for test in tests) if part]
            for name in DERIVATIONS[1:]}
        told |= {name: _means(parts) for name, parts in seen.items() if parts and len(parts) == len(folders)}
    return {name: told[name] for name in BESIDE if name in told}


def _means(tests: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    values = {"balanced_accuracy": [test["balanced_accuracy"] for test in tests],
              "few_recall": [test["recall_by_shot"]["few"] for test in tests]}
    return {name: None if None in of_runs else float(np.mean(of_runs)) for name, of_runs in values.items()}


def _rows(methods: dict[str, MethodConfig], planned: RankingRuns, foreign: dict[str, list[Path]]) -> dict[str, dict]:
    """What the report says of each method beside its scores."""
    rows = {}
    for name, method in methods.items():
        chosen = [read_json(folder / "result.json").get("chosen") for folder in planned.members[name]]
        rows[name] = {"label": method.label, "paper": method.paper, "images": method.train.images,
                      "ensemble": method.ensemble, "chosen": chosen if method.post_hoc is not None else None,
                      "config": method.model_dump(mode="json")}
    return rows | {name: {"label": name.replace("_", " "), "paper": "", "images": None, "ensemble": None,
                          "chosen": None, "config": None} for name in foreign}
