"""study [stage]: train every arm with every seed, judge all on the test part and elsewhere, write the report."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cbedgan.comparison.evaluate import Evaluation, evaluate
from cbedgan.comparison.study import training_materials
from cbedgan.comparison.trainings import HeadJob, Job, train_all
from cbedgan.study.added import Numbers, added_numbers, added_path, write_added
from cbedgan.study.elsewhere import Elsewhere, ElsewhereJob, judged_rows, open_elsewhere
from cbedgan.study.plan import plan_text, power_rows
from cbedgan.study.report import StudyEvidence, write_study
from cbedgan.study.study_config import DUPLICATED, StudyConfig
from classifier.adjustment.post_hoc import PostHocConfig
from classifier.foundation.errors import InputError
from classifier.foundation.run import Run
from classifier.pattern.condition import Condition
from classifier.prediction.predict import Predictions, predictions_path
from classifier.samples.dataset import check_added_source
from classifier.samples.split import Split, load_split
from classifier.samples.stackfile import SampleTable, StackFile
from classifier.statistics.metrics import shot_class


@dataclass(frozen=True)
class StudyFiles:
    """The files of a study, open and checked. files: sources by name, "duplicated" being the real stacks; inputs:
    digests for the run's record; materials: int [K]; numbers: {arm: {space_group: stacks added}}."""

    real: StackFile
    split: Split
    files: dict[str, StackFile]
    inputs: dict[str, str]
    materials: np.ndarray
    numbers: Numbers


@dataclass(frozen=True)
class StudyRuns:
    """What has to be run; folders: {arm: run folder of each seed that is judged}."""

    trainings: list[Job]
    heads: list[HeadJob]
    folders: dict[str, list[Path]]


def study(config: StudyConfig, *, stacks: Path, split: Path, sources: Mapping[str, Path], out: Path, workers: int,
          elsewhere: Sequence[Path] = ()) -> Path:
    """Train arms x seeds in `workers` processes and write out/report.html, report.json and study.txt.

    Rerunning resumes: finished trainings and predictions are not repeated. Files elsewhere may be added later.

    Parameters
    ----------
    config : arms, seeds, draws and the question
    stacks, split : files
    sources : {name: stack file} of all sources that the arms name
    out : run folder
    workers : processes
    elsewhere : labelled stack files that are judged beside the test part
    """
    out = Path(out)
    with opened(config, stacks, split, sources) as files:
        beside = open_elsewhere(elsewhere, files.split.space_groups, _part(files.real, files.split, "train"))
        with Run.open(out, stage="study", config=config, inputs=files.inputs) as run:
            write_added(config, files.numbers, files.files, files.split, out)
            runs = planned(config, stacks=stacks, split=split, out=out)
            train_all(runs.trainings, workers, "training arms x seeds")
            train_all(runs.heads, workers, "mending heads")
            train_all([ElsewhereJob(name, seed, folder / "classifier.safetensors", file, config.conditions,
                                    file.folder(folder)) for file in beside for name, folders in runs.folders.items()
                       for seed, folder in zip(config.seeds, folders, strict=True)], workers, "predicting elsewhere")
            evaluations: dict[tuple[str, Condition], Evaluation] = {
                (where, condition): evaluation_of(config, files, runs, condition, file)
                for where, file in (("test", None), *((file.name, file) for file in beside))
                for condition in config.conditions}
            powers = power_rows(config, files.real.table, files.split, files.materials)
            path = write_study(StudyEvidence(
                config, evaluations, files.split.space_groups, files.materials, files.numbers, powers,
                {file.name: file.told for file in beside}, run.provenance()), out)
            run.finish({"report": path.name})
    return path


def plan_study(config: StudyConfig, *, stacks: Path, split: Path, sources: Mapping[str, Path], out: Path) -> str:
    """Say what the study would train, what each arm adds and what the test part can tell; nothing is run or written."""
    with opened(config, stacks, split, sources) as files:
        runs = planned(config, stacks=stacks, split=split, out=Path(out))
        done = sum((job.out / "result.json").exists() for job in runs.trainings)
        return plan_text(config, files.numbers, power_rows(config, files.real.table, files.split, files.materials),
                         trainings=len(runs.trainings), done=done,
                         images=sum(job.config.images for job in runs.trainings))


@contextmanager
def opened(config: StudyConfig, stacks: Path, split: Path, sources: Mapping[str, Path]) -> Iterator[StudyFiles]:
    """Open and check everything that a study reads, before anything is trained; InputError: what does not fit."""
    config.check()
    if set(sources) != config.sources:
        raise InputError(source="cbedgan study --source", value=", ".join(sorted(sources)) or "none",
                         rule=f"must name the sources of the arms: {', '.join(sorted(config.sources)) or 'none'}",
                         remedy="Give --source NAME=FILE for each of them, and no other.")
    with ExitStack() as exits:
        real = exits.enter_context(StackFile(stacks))
        parted = load_split(split, stack_digest=real.identity)
        digests = {name: check_added_source(path, parted, stacks=real) for name, path in sources.items()}
        files = {name: exits.enter_context(StackFile(path)) for name, path in sources.items()} | {DUPLICATED: real}
        materials = training_materials(parted, real.table)
        train = _part(real, parted, "train")
        _check_question(config, _part(real, parted, "test"), parted, materials)
        numbers = added_numbers(config, {name: file.table for name, file in files.items()} | {DUPLICATED: train},
                                dict(zip(parted.space_groups, materials.tolist(), strict=True)))
        inputs = {"stacks": parted.stack_digest, "split": parted.digest} | {
            f"source {name}": digest for name, digest in digests.items()}
        yield StudyFiles(real, parted, files, inputs, materials, numbers)


def _part(real: StackFile, split: Split, part: str) -> SampleTable:
    return real.table.take(np.isin(real.table.sample_id, split.parts[part]))


def _check_question(config: StudyConfig, test: SampleTable, split: Split, materials: np.ndarray) -> None:
    """Refuse a question that the test part cannot answer."""
    asked = test.take((test.derivation == config.crystals) | (config.crystals == "all"))
    tested = np.isin(split.space_groups, asked.space_group)
    shots = sorted(set(shot_class(materials)[tested].tolist()))
    if config.judgement.primary.shot not in shots:
        raise InputError(source="study configuration, judgement.primary.shot", value=config.judgement.primary.shot,
                         rule=f"must be tested by {config.crystals} crystals of the test part: "
                         f"{', '.join(shots) or 'none is'}", remedy="Ask about another class, or crystals = \"all\".")


def planned(config: StudyConfig, *, stacks: Path, split: Path, out: Path) -> StudyRuns:
    """List the runs of all seeds and arms, seed by seed, so that what is done early tells of every arm."""
    runs = StudyRuns([], [], {name: [] for name in config.arms})
    for seed in config.seeds:
        for name, arm in config.arms.items():
            training, folder = config.training(name, seed), out / "runs" / f"{name}-seed{seed}"
            runs.trainings.append(Job(name, seed, training, stacks, split, added_path(config, name, seed, out), folder,
                                      out / "cache"))
            if arm.post_hoc is not None:
                mending = PostHocConfig(seed=seed, threads=training.threads, device=training.device,
                                        method=arm.post_hoc)
                trained, folder = folder / "classifier.safetensors", out / "heads" / f"{name}-seed{seed}"
                runs.heads.append(HeadJob(name, seed, mending, stacks, split, trained, folder))
            runs.folders[name].append(folder)
    return runs


def evaluation_of(config: StudyConfig, files: StudyFiles, runs: StudyRuns, condition: Condition, where: Elsewhere | None
                  ) -> Evaluation:
    """Evaluate all arms under a condition on the test part, or on a file from elsewhere."""
    def answers(folder: Path) -> Predictions:
        if where is not None:
            return judged_rows(Predictions.load(predictions_path(where.folder(folder), condition)))
        return Predictions.load(predictions_path(folder, condition)).take("test")

    return evaluate(config.judgement, {name: [answers(folder) for folder in folders]
                                       for name, folders in runs.folders.items()},
                    files.materials, split_names=files.split.names, references={})
