"""rank [stage]: train every method with every seed, score all on the test part once, rank them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cbedgan.comparison.evaluate import trials_of
from cbedgan.comparison.study import training_materials
from cbedgan.comparison.trainings import train_all
from cbedgan.ranking.methods import MethodConfig, Plan, load_methods, plan, windows
from cbedgan.ranking.report import write_ranking
from cbedgan.ranking.scores import Answers, Ranking, RankingJudgement
from classifier.crystal.subgroups import direct_edges
from classifier.foundation.atomic import read_json, write_json
from classifier.foundation.config import Config, digest
from classifier.foundation.errors import InputError, require
from classifier.foundation.run import Run
from classifier.prediction.ensemble import ensemble
from classifier.prediction.predict import COLUMNS, Predictions
from classifier.prediction.scores import score
from classifier.prediction.trust import fit_temperature
from classifier.samples.split import Split, load_split
from classifier.samples.stackfile import StackFile
from classifier.statistics.metrics import material_weights


class RankConfig(Config):
    """seeds: of training, at least three, the same for every method; judgement: of the ranking."""

    seeds: tuple[int, ...]
    judgement: RankingJudgement


def rank(config: RankConfig, *, methods: Path, stacks: Path, split: Path, out: Path, workers: int,
         runs: Sequence[Path] = ()) -> Path:
    """Train methods x seeds in `workers` processes and write out/report.html, report.json and ranking.txt.

    methods: folder of *.toml, one method each. runs: finished run folders (each with predictions.npz) of methods that
    were made elsewhere, as further rows; folders that end in -seed1, -seed2, ... are one method. Rerunning resumes, and
    may add methods: what is trained stays. Returns the path of the page.
    """
    out, found = Path(out), load_methods(methods)
    foreign = finished_runs(runs)
    _check(config, found, foreign)
    with StackFile(stacks) as file:
        held = load_split(split, stack_digest=file.digest)
        materials = training_materials(held, file.table)
    run = Run.open(out, stage="rank", config=config, inputs={"stacks": held.stack_digest, "split": held.digest})
    planned = plan(found, config.seeds, stacks=stacks, split=split, out=out)
    write_json(out / "plan.json", {name: [folder.relative_to(out).as_posix() for folder in folders]
                                   for name, folders in planned.members.items()})
    train_all(planned.trainings, workers, "training methods x seeds")
    train_all(planned.heads, workers, "mending heads")
    folders = {name: (members if found[name].ensemble is None else
                      _ensembles(found[name].ensemble, members, config.seeds, materials, out))
               for name, members in planned.members.items()} | foreign
    ranking = judge(config, held, materials, folders)
    path = write_ranking(ranking, _rows(found, planned, foreign), provenance=run.provenance(), out=out)
    run.finish({"report": path.name})
    return path


def finished_runs(runs: Sequence[Path]) -> dict[str, list[Path]]:
    """Run folders by method, from folders that hold predictions.npz or hold such folders."""
    found: dict[str, list[Path]] = {}
    for given in map(Path, runs):
        folders = [given] if (given / "predictions.npz").exists() else sorted(
            path.parent for path in given.glob("*/predictions.npz"))
        if not folders:
            raise InputError(source=given, rule="must be a finished run folder, or hold some", value="no "
                             "predictions.npz", remedy="Give folders that train-clf or train-baseline wrote.")
        for folder in folders:
            found.setdefault(re.sub(r"-seed-?\d+$", "", folder.resolve().name), []).append(folder)
    return found


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
        held = [members[place] for place in sorted(chosen)]
        seeds_held = "-".join(str(seeds[place]) for place in sorted(chosen))
        folder = out / "ensembles" / f"{digest([member.name for member in held])[:12]}-seeds-{seeds_held}"
        if not (folder / "result.json").exists():
            together = ensemble([Predictions.load(member / "predictions.npz") for member in held])
            together.save(folder / "predictions.npz")
            write_json(folder / "result.json", {
                "split_digest": together.split_digest,
                **{part: score(together.take(part), materials) for part in ("validation", "test")}})
        folders.append(folder)
    return folders


def judge(config: RankConfig, split: Split, materials: np.ndarray, folders: dict[str, list[Path]]) -> Ranking:
    """Bring the test predictions in run folders {method: one a seed, or one for all} into the order of sample ids."""
    parts = {name: [_parts(folder, split) for folder in held] for name, held in folders.items()}
    tests = {name: [test for test, _ in held] for name, held in parts.items()}
    first = next(iter(tests.values()))[0]
    for name, held in tests.items():
        for found in held:
            if not np.array_equal(found.sample_id, first.sample_id) or found.class_map != first.class_map:
                raise InputError(source=f"predictions of {name}", value=f"{len(found.sample_id)} samples, "
                                 f"{len(found.class_map)} classes", rule="all methods must judge the same test samples "
                                 "and classes", remedy="Train it again on this split.")
    seeds = len(config.seeds)
    answers = {name: Answers(np.broadcast_to([test.logits for test, _ in held], (seeds, *first.logits.shape)),
                             np.broadcast_to([temperature for _, temperature in held], seeds))
               for name, held in parts.items()}
    return Ranking(config.judgement, answers, trials_of(first, config.judgement.unit), materials,
                   direct_edges(first.class_map))


def _parts(folder: Path, split: Split) -> tuple[Predictions, float]:
    """Test part in the order of sample ids, and the temperature that its validation part asks for (NaN: has none)."""
    found = Predictions.load(folder / "predictions.npz")
    if found.split_digest != split.digest:
        raise InputError(source=folder, rule="must be of the split that is judged", remedy="Train it on this split.",
                         value=f"split {found.split_digest[:12]}, not {split.digest[:12]}")
    # A probability of 0 has no logarithm that could be divided.
    found = replace(found, logits=np.maximum(found.logits, np.finfo(np.float32).min / 4))
    test, validation = found.take("test"), found.take("validation")
    order = np.argsort(test.sample_id)
    temperature = fit_temperature(
        validation.logits, found.class_map.indices(validation.space_group), material_weights(validation.material)
    ) if len(validation.logits) else float("nan")
    return replace(test, **{name: getattr(test, name)[order] for name in COLUMNS}), temperature


def _rows(methods: dict[str, MethodConfig], planned: Plan, foreign: dict[str, list[Path]]) -> dict[str, dict]:
    """What the report says of each method beside its scores."""
    rows = {}
    for name, method in methods.items():
        chosen = [read_json(folder / "result.json").get("chosen") for folder in planned.members[name]]
        rows[name] = {"label": method.label, "paper": method.paper, "images": method.train.images,
                      "ensemble": method.ensemble, "chosen": chosen if method.post_hoc is not None else None,
                      "config": method.model_dump(mode="json")}
    return rows | {name: {"label": name.replace("_", " "), "paper": "", "images": None, "ensemble": None,
                          "chosen": None, "config": None} for name in foreign}
