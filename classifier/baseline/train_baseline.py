"""train-baseline [stage]: search the grid of a baseline by K-fold, fit the best choice, predict and score it."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from classifier.baseline.methods import Method
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.atomic import read_json, write_json
from classifier.foundation.config import Config, added
from classifier.foundation.errors import reported
from classifier.foundation.run import Interrupted, Run, StopRequest, progress
from classifier.pattern.descriptors import AnyDescriptors
from classifier.pattern.geometry import ViewConfig
from classifier.prediction.predict import Predictions
from classifier.prediction.scores import score
from classifier.samples.holdout import Materials, bundle
from classifier.samples.sampletable import SampleTable
from classifier.samples.split import Split, load_split
from classifier.samples.stackfile import StackFile
from classifier.samples.viewed import Viewed
from classifier.statistics import metrics

SMOOTHING = 1e-3  # share of the training frequencies in each prediction: no log is infinite, ties go to the commoner


class TrainBaselineConfig(Config):
    """folds: of the search; repeats: shuffles of each family of descriptors.

    The balanced accuracy on the validation part that a family's shuffling costs is its importance.
    """

    seed: int = 0
    threads: int = 1
    view: ViewConfig = added(ViewConfig())  # without keys: samples whole, as they are
    descriptors: AnyDescriptors
    folds: int = 5
    repeats: int = 5
    method: Method


def train_baseline(config: TrainBaselineConfig, *, stacks: Path, split: Path, out: Path) -> Path:
    """Write predictions.npz (validation and test) and result.json into the folder `out`; resumes between grid points.

    The grid is searched on the train part alone. The model itself is not stored: the same command makes it again.

    Parameters
    ----------
    config : the baseline and its grid
    stacks, split : the sample file, and split.json of it
    out : run folder
    """
    out = Path(out)
    with StackFile(stacks) as file:
        parted = load_split(split, stack_digest=file.identity)
        with (Run.open(out, stage="train-baseline", config=config,
                       inputs={"stacks": parted.stack_digest, "split": parted.digest}) as run,
              threadpool_limits(config.threads), warnings.catch_warnings()):
            # Rare classes that some fold lacks, and a regression stopped by its limit, are as configured.
            warnings.simplefilter("ignore")
            if run.result is None:
                _run(config, run, parted, file)
    return out / "predictions.npz"


def _run(config: TrainBaselineConfig, run: Run, parted: Split, file: StackFile) -> None:
    """Describe, search, fit, and write everything the stage leaves."""
    class_map = ClassMap(parted.space_groups)
    views = {part: Viewed.of(file, config.view, names) for part, names in parted.parts.items()}
    table = {part: viewed.table() for part, viewed in views.items()}
    truth = {part: class_map.indices(rows.space_group) for part, rows in table.items()}
    names = config.descriptors.names(views["train"].frame.grid)
    features = {part: np.concatenate([np.zeros((0, len(names)), np.float32), *(
        config.descriptors.of(block, viewed.frame.grid) for block in viewed.blocks())])
        for part, viewed in views.items()}
    searched = search(config, run.folder / "search.json", features["train"], truth["train"], units(table["train"]))
    best = max(searched, key=lambda row: row["balanced_accuracy"])["choice"]
    if len(searched) > 1:
        for row in searched:
            choice = ", ".join(f"{name} {value}" for name, value in row["choice"].items())
            Console(stderr=True, soft_wrap=True).print(
                Text(f"{row['balanced_accuracy']:6.1%}  {choice}{'  <- taken' if row['choice'] == best else ''}"))
    model = config.method.pipeline(best, config.seed, config.threads).fit(features["train"], truth["train"])

    samples = np.bincount(truth["train"], minlength=len(class_map))
    predictions = Predictions.concatenate([Predictions(
        rows.sample_id, rows.material, rows.structure_type, rows.space_group,
        log_probabilities(model, features[part], samples), np.full(len(rows), part), class_map, parted.digest,
        run.provenance(), rows.derivation) for part, rows in table.items() if part != "train"])
    predictions.save(run.folder / "predictions.npz")
    materials = metrics.materials_per_class(truth["train"], table["train"].material, len(class_map))
    run.finish({"split_digest": parted.digest, "choice": best, "searched": searched, "descriptors": len(names),
                "importance": importance(model, features["validation"], truth["validation"], names, config),
                **{part: score(predictions.take(part), materials) for part in ("validation", "test")}})
    (run.folder / "search.json").unlink()


def units(table: SampleTable) -> np.ndarray:
    """Number int [N] of what no two folds may share: structure type (else material) or formula of one space group."""
    material = np.where(table.material == "", np.char.add("unknown, of ", table.sample_id), table.material)
    materials = Materials.of(replace(table, material=material), by_type=True)
    return bundle(materials.kind, materials.duplicate)[materials.of_sample]


def search(config: TrainBaselineConfig, path: Path, features: np.ndarray, truth: np.ndarray, unit: np.ndarray
           ) -> list[dict[str, Any]]:
    """Score every choice of the grid on folds that part no unit: [{choice, balanced_accuracy, folds}].

    The balanced accuracy is that of all folds' predictions together: the mean of the folds' own, which stand beside
    it, would count a group the less, the fewer folds it occurs in.

    Parameters
    ----------
    config : the grid, and how many folds
    path : file of what has been scored, so that a search goes on
    features, truth, unit : float [N, D]; class_idx int [N]; int [N], see `units`
    """
    rows = read_json(path)["searched"] if path.exists() else []
    grid = config.method.grid()
    with reported("folds", rule=f"{config.folds} folds must be possible with {len(np.unique(unit))} units",
                  remedy="Take 2 folds or more, at most as many as the commonest group has structure types."):
        folds = list(StratifiedGroupKFold(config.folds, shuffle=True, random_state=config.seed).split(
            features, truth, unit))
    with StopRequest() as stop, progress("train-baseline", len(grid), completed=len(rows)) as bar:
        for choice in grid[len(rows):]:
            if stop.requested:
                raise Interrupted(stop.signal_number)
            model = config.method.pipeline(choice, config.seed, config.threads)
            with reported(f"method {config.method.kind}, {choice}", rule="every choice must fit the training samples",
                          remedy="Correct the configuration."):
                predicted = np.asarray(cross_val_predict(model, features, truth, cv=folds))
            rows.append({"choice": choice, "balanced_accuracy": _balanced_accuracy(truth, predicted),
                         "folds": [_balanced_accuracy(truth[left_out], predicted[left_out]) for _, left_out in folds]})
            write_json(path, {"searched": rows})
            bar.advance()
    return rows


def log_probabilities(model: Pipeline, features: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Natural logs float32 [N, K] of the probabilities for features [N, D]; samples: int [K], of training by class."""
    probability = np.zeros((len(features), len(samples)))
    if len(features):
        probability[:, model.classes_] = model.predict_proba(features)
    frequency = samples.clip(min=0.5) / samples.clip(min=0.5).sum()
    return np.log((1 - SMOOTHING) * probability + SMOOTHING * frequency).astype(np.float32)


def importance(model: Pipeline, features: np.ndarray, truth: np.ndarray, names: list[str], config: TrainBaselineConfig
               ) -> dict[str, float]:
    """Balanced accuracy lost, {family, pattern or segment: mean}, when its descriptors are shuffled together.

    Permutation importance (Breiman 2001, Mach. Learn. 45, 5) of groups, for single descriptors stand in for each other.

    Parameters
    ----------
    model, config : fitted; seed and repeats
    features, truth : float [N, D]; class_idx int [N]
    names : of the D descriptors
    """
    if not len(features):
        return {}
    random = np.random.default_rng(config.seed)
    whole, lost = _balanced_accuracy(truth, model.predict(features)), {}
    for group, members in config.descriptors.groups(names).items():
        shuffled = []
        for _ in range(config.repeats if any(members) else 0):
            changed = features.copy()
            changed[:, members] = features[random.permutation(len(features))][:, members]
            shuffled.append(_balanced_accuracy(truth, model.predict(changed)))
        if shuffled:
            lost[group] = whole - float(np.mean(shuffled))
    return lost


def _balanced_accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    classes = int(max(truth.max(), predicted.max())) + 1
    return metrics.balanced_accuracy(metrics.confusion(truth, predicted, classes))
