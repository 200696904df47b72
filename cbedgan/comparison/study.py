"""compare [stage]: train every arm with every seed, score them on the test part, write the report."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np

from cbedgan.comparison.arms import ARMS, Source, write_sources
from cbedgan.comparison.evaluate import VerdictConfig, evaluate
from cbedgan.comparison.report import Evidence, write_report
from cbedgan.comparison.trainings import Job, train_all
from cbedgan.comparison.walk import walk
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.config import Config
from classifier.foundation.errors import InputError, require
from classifier.foundation.run import Run
from classifier.prediction.predict import Predictions, predictions_path
from classifier.samples.split import Split, load_split
from classifier.samples.stackfile import SampleTable, StackFile
from classifier.statistics.metrics import materials_per_class, shot_class
from classifier.training.train import TrainClassifierConfig


class CompareConfig(Config):
    """arms: names of ARMS; seeds: of training, at least three, the same for every arm; source_seed: of the draw of
    added stacks; classifier: one configuration for all arms, in which an arm sets `loss` and a run `seed`."""

    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    source_seed: int
    judgement: VerdictConfig
    classifier: TrainClassifierConfig


def compare(config: CompareConfig, *, stacks: Path, split: Path, synthetic: Path, out: Path, workers: int,
            probe: Path | None = None, generator: Path | None = None, classifier: Path | None = None,
            reserve: Path | None = None) -> Path:
    """Train arms x seeds in `workers` processes of one thread each and write out/report.html and out/report.json.

    Rerunning resumes: finished trainings are not repeated, only the report is written again. Bad arms, seeds or files,
    or another split, are InputErrors.

    Parameters
    ----------
    config : arms, seeds and verdicts
    stacks, split, synthetic : files
    out : run folder
    workers : processes
    probe, generator, classifier : all three or none; they add a picture of one path across a boundary
    reserve : stack file of the arms that add an equal number of real stacks
    """
    _check(config)
    out = Path(out)
    if len({path is None for path in (probe, generator, classifier)}) > 1:
        raise InputError(source="compare", rule="probe, generator and classifier must be given together or not at all",
                         value="some of them", remedy="Give the networks that were probed with the probe file.")
    wanted: set[Source] = {source for arm in config.arms if (source := ARMS[arm].source) is not None}
    if ("reserve" in wanted) != (reserve is not None):
        raise InputError(source="compare", rule="a reserve must be given with the arms that use it, and only with them",
                         value=reserve or "none", remedy="Give --reserve, or change the arms of the configuration.")
    with (StackFile(stacks) as real, StackFile(synthetic) as added,
          nullcontext() if reserve is None else StackFile(reserve) as reserved):
        parted = load_split(split, stack_digest=real.identity)
        _check_data(config, parted, real.table, added)
        shown = None if probe is None or generator is None or classifier is None else walk(
            probe=probe, generator=generator, classifier=classifier, split_digest=parted.names)
        with Run.open(out, stage="compare", config=config,
                      inputs={"stacks": parted.stack_digest, "split": parted.digest, "synthetic": added.digest,
                              **({} if reserved is None else {"reserve": reserved.digest})}) as run:
            sources, numbers = write_sources(
                wanted, synthetic=added, reserve=reserved, real=real, split=parted,
                view_config=config.classifier.view, seed=config.source_seed,
                provenance={**run.provenance(), "split_digest": parted.digest}, out=out / "sources")
            jobs = [Job(arm, seed, config.classifier.model_copy(update={"loss": ARMS[arm].loss, "seed": seed}), stacks,
                        split, None if (source := ARMS[arm].source) is None else sources[source],
                        out / "runs" / f"{arm}-seed{seed}")
                    for seed in config.seeds for arm in config.arms]
            train_all(jobs, workers)
            evaluation = evaluate(
                config.judgement, {arm: [Predictions.load(predictions_path(job.out)).take("test") for job in jobs
                                         if job.arm == arm] for arm in config.arms},
                training_materials(parted, real.table), split_names=parted.names,
                references={arm: ARMS[arm].reference for arm in config.arms})
            path = write_report(Evidence(config.model_dump(mode="json"), evaluation, parted, real, added, numbers,
                                         run.provenance(), shown), out)
            run.finish({"report": path.name})
    return path


def _check(config: CompareConfig) -> None:
    primary = config.judgement.primary
    require([
        (set(config.arms) <= set(ARMS), "arms", f"must be among {', '.join(ARMS)}", config.arms),
        (len(set(config.arms)) == len(config.arms), "arms", "must each be named once", config.arms),
        (len(set(config.seeds)) == len(config.seeds) >= 3, "seeds", "must be at least three different", config.seeds),
        ({primary.arm, primary.reference} <= set(config.arms), "judgement.primary", "must name two of the arms",
         (primary.arm, primary.reference)),
        (primary.arm != primary.reference, "judgement.primary", "must name two different arms", primary.arm),
    ], source="compare configuration", remedy="Correct the configuration.")


def _check_data(config: CompareConfig, split: Split, table: SampleTable, added: StackFile) -> None:
    """Refuse, before anything is trained, what could not be told in the end."""
    if added.provenance.get("split_digest") not in split.names:
        raise InputError(source=added.path, rule="synthetic stacks must come from the split they are compared on",
                         value=f"split {str(added.provenance.get('split_digest'))[:12]}, not {split.digest[:12]}",
                         remedy="Synthesize again from a generator trained on this split.")
    tested = np.isin(split.space_groups, table.space_group[np.isin(table.sample_id, split.parts["test"])])
    shots = set(shot_class(training_materials(split, table))[tested])
    if config.judgement.primary.shot not in shots:
        raise InputError(source="compare configuration, judgement.primary.shot", value=config.judgement.primary.shot,
                         rule=f"must be a shot class that has test samples: {', '.join(sorted(shots)) or 'none has'}",
                         remedy="Ask about another class, or split so that the test part holds such groups.")


def training_materials(split: Split, table: SampleTable) -> np.ndarray:
    """Number of materials of each class in the train part, int64 [K]."""
    train = np.isin(table.sample_id, split.parts["train"])
    class_idx = ClassMap(split.space_groups).indices(table.space_group[train])
    return materials_per_class(class_idx, table.material[train], len(split.space_groups))
