"""gate [stage]: for which groups added stacks help, by cross-validation inside the train part -> gated stack file."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Bool
from pydantic import Field, model_validator

from cbedgan.comparison.trainings import Job, train_all
from cbedgan.densify.gate_rule import Gained, gained, table
from cbedgan.densify.joined import join
from cbedgan.simulate.held_out import HeldOut
from classifier.foundation.atomic import plain, write_json, write_text
from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.foundation.run import Run, stage_record
from classifier.pattern.condition import Condition
from classifier.prediction.predict import Predictions, predictions_path
from classifier.samples.dataset import check_added_source
from classifier.samples.folds import FoldsConfig, assign_folds
from classifier.samples.sampletable import SampleTable
from classifier.samples.split import Split, load_split, write_split
from classifier.samples.stackfile import StackFile
from classifier.statistics.metrics import materials_per_class, shot_class
from classifier.training.train import TrainClassifierConfig

ARMS: tuple[Literal["without", "with"], ...] = ("without", "with")


class GateConfig(Config):
    """folds: of the train part, over structure types; seed: of the folds; seeds: of the trainings; strength: held-out
    materials of a group that weigh as much as the mean gain of its shot class; least_gain: of the shrunk gain in
    recall, from which on a group keeps its added stacks; condition: under which recall is measured, one of
    classifier.judged_under where it is not "ideal"."""

    folds: Annotated[int, Field(ge=2, le=20)] = 3
    seed: int = 0
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    strength: Annotated[float, Field(ge=0)] = 5.0
    least_gain: Annotated[float, Field(ge=-1, le=1)] = 0.0
    condition: Condition = "ideal"
    classifier: TrainClassifierConfig

    @model_validator(mode="after")
    def _is_judged_under_the_condition(self) -> "GateConfig":
        if self.condition not in ("ideal", *self.classifier.judged_under):
            raise InputError(source="condition", rule='must be "ideal" or one of classifier.judged_under',
                             value=self.condition, remedy="Add it there.")
        return self


def gate(config: GateConfig, *, synthetic: Path, stacks: Path, split: Path, out: Path, workers: int) -> Path:
    """Write out/gated.h5, the added stacks of the groups that pass, report.json and report.txt; return the last.

    On each fold of the train part two classifiers of each seed are trained, without and with the added stacks, and
    judged on the structure types that the fold leaves out; added stacks of these types or formulas, or distorted from
    such, are left out of its training. Validation and test are not touched. The generator, and the classifiers by
    which stacks were chosen, have seen the whole train part: gains may be told a little too large. Where no group
    passes there is no gated.h5. The same command resumes.

    Parameters
    ----------
    config : folds, trainings and rule
    synthetic : the added stacks, of this split
    stacks, split : the real stacks, and split.json
    out : run folder
    workers : processes
    """
    out, stacks, split, synthetic = Path(out), Path(stacks), Path(split), Path(synthetic)
    with StackFile(stacks) as file:
        parted = load_split(split, stack_digest=file.identity)
        inputs = {"stacks": parted.stack_digest, "split": parted.digest,
                  "synthetic": check_added_source(synthetic, parted, stacks=file)}
    with Run.open(out, stage="gate", config=config, inputs=inputs) as run:
        if run.result is not None:
            return out / "report.txt"
        with StackFile(stacks) as file:
            _write_folds(config, file, parted, out)
        apart = {fold: _apart(config, synthetic, stacks, _split(out, fold), out, inputs)
                 for fold in range(1, config.folds + 1)}
        jobs = [Job(arm=f"fold {fold}, {arm}", seed=seed, config=config.classifier.model_copy(update={"seed": seed}),
                    stacks=stacks, split=_split(out, fold), out=_run_folder(out, fold, seed, arm),
                    source=added_stacks if arm == "with" else None)
                for fold, added_stacks in apart.items() for seed in config.seeds for arm in ARMS]
        train_all(jobs, workers, "gate")
        with StackFile(stacks) as file, StackFile(synthetic) as made:
            added = {group: int((made.table.space_group == group).sum()) for group in parted.space_groups}
            found = _gains(config, file, parted, added, out)
            kept = np.isin(made.table.space_group, [one.space_group for one in found if one.passes])
        if kept.any():
            join({"": synthetic}, out / "gated.h5", stage_record("gate", config, inputs), keep={"": kept})
        rows = [one._asdict() | {"passes": one.passes, "added": added[one.space_group]} for one in found]
        write_json(out / "report.json", plain({"groups": rows, "stacks": len(kept), "kept": int(kept.sum()),
                                               "provenance": run.provenance()}))
        path = write_text(out / "report.txt", table(found, added))
        run.finish({"kept": int(kept.sum())}, files=[path.name, *(["gated.h5"] if kept.any() else [])])
    return path


def _split(out: Path, fold: int) -> Path:
    return out / f"fold-{fold}.json"


def _run_folder(out: Path, fold: int, seed: int, arm: str) -> Path:
    return out / "runs" / f"fold-{fold}-seed-{seed}-{arm}"


def _write_folds(config: GateConfig, file: StackFile, parted: Split, out: Path) -> None:
    """Splits of the train part alone: each fold's structure types are its validation part, and nothing is its test."""
    training = np.isin(file.table.sample_id, parted.parts["train"])
    asked = FoldsConfig(folds=config.folds, group_by="structure_type", seed=config.seed)
    fold, listed = assign_folds(file.table.take(training), asked, source=file.path)
    for number in range(config.folds):
        part = np.full(len(file), "", dtype="<U10")
        part[training] = np.where(fold == number, "validation", "train")
        write_split(_split(out, number + 1), file.table, part, listed, identity=parted.identity,
                    config={**asked.model_dump(mode="json"), "fold": number + 1, "of_train_part_of": parted.digest})


def _apart(config: GateConfig, synthetic: Path, stacks: Path, fold: Path, out: Path, inputs: dict[str, str]) -> Path:
    """The added stacks that share no structure type or formula with what a fold leaves out, as a file of its split."""
    held_out = HeldOut.of(fold, stacks)
    with StackFile(synthetic) as made:
        free = held_out.free(made.table) & ~_from_held_out(made.table, held_out)
    record = stage_record("gate", config, {**inputs, "split": held_out.split_digest})
    return join({"": synthetic}, out / f"{fold.stem}-added.h5", record, keep={"": free})


def _from_held_out(table: SampleTable, held_out: HeldOut) -> Bool[np.ndarray, " N"]:
    """Whether the crystal that each stack was distorted from is held out."""
    parents = [json.loads(text).get("parent") if '"parent"' in text else None for text in table.provenance]
    return np.array([one is not None and (
        (one["space_group"], one["structure_type"]) in held_out.structure_types
        or (one["space_group"], one["formula"]) in held_out.formulas) for one in parents], dtype=bool)


def _gains(config: GateConfig, file: StackFile, parted: Split, added: dict[int, int], out: Path) -> list[Gained]:
    """Of every group with added stacks or not: recall on all folds, and whether it passes."""
    def held(arm: str) -> dict[str, np.ndarray]:
        told = [[Predictions.load(predictions_path(_run_folder(out, fold, seed, arm), config.condition)
                                  ).take("validation") for fold in range(1, config.folds + 1)] for seed in config.seeds]
        right = np.mean([np.concatenate([one.predicted() == one.space_group for one in some]) for some in told], axis=0)
        columns: dict[str, Any] = {name: np.concatenate([getattr(one, name) for one in told[0]])
                                   for name in ("material", "space_group")}
        return {**columns, "right": right}
    arms = {arm: held(arm) for arm in ARMS}
    table = file.table.take(np.isin(file.table.sample_id, parted.parts["train"]))
    groups = np.unique(table.space_group)
    count = materials_per_class(np.searchsorted(groups, table.space_group), table.material, len(groups))
    shots = dict(zip(groups.tolist(), map(str, shot_class(count)), strict=True))
    return gained(arms["without"]["space_group"], arms["without"]["material"], arms["without"]["right"],
                  arms["with"]["right"], shots, added, strength=config.strength, least_gain=config.least_gain)
