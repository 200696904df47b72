"""rounds [stage]: find the boundaries of the newest classifiers, add stacks there, train again, and again -> report."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from cbedgan.comparison.trainings import Job, train_all
from cbedgan.densify.joined import join
from cbedgan.densify.report import row_of, write_report
from cbedgan.distortion.distort import DistortConfig, distort
from cbedgan.gan.crystals.trained_crystals import load_crystals
from cbedgan.synthesis.crystals.synthesize_config import SynthesizeCrystalsConfig
from cbedgan.synthesis.crystals.synthesize_crystals import synthesize_crystals
from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.foundation.run import Run, stage_record
from classifier.prediction.predict import load_classifier
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile
from classifier.training.train import TrainClassifierConfig


class RoundsConfig(Config):
    """rounds: of adding, after the classifiers without any; seeds: of the classifiers of every round; distort,
    synthesize: of each round, whose number is added to their seeds; classifier: of all, but for the seed."""

    rounds: Annotated[int, Field(ge=1, le=20)]
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    distort: DistortConfig
    synthesize: SynthesizeCrystalsConfig
    classifier: TrainClassifierConfig

    @model_validator(mode="after")
    def _new_paths_every_round(self) -> "RoundsConfig":
        if self.distort.crystals != "drawn":
            raise InputError(source="distort.crystals", rule='must be "drawn": held-out crystals may not be trained on',
                             value=self.distort.crystals, remedy="Draw them.")
        return self


def rounds(config: RoundsConfig, *, generator: Path, stacks: Path, split: Path, out: Path, workers: int) -> Path:
    """Write out/report.html, report.txt, report.json and curve.png: validation recall and t* of every round.

    Round 0 trains on real stacks alone. Each further one adds stacks at the boundaries of the classifiers before it to
    those added already, and trains from scratch. Boundaries are looked for on new crystals every time, by the new
    classifiers and those of round 0: t* is of crystals that no classifier was trained on, and is compared on common
    paths. The test part is predicted, as by every training, and not reported. The same command resumes.

    Parameters
    ----------
    config : of all stages
    generator : checkpoint of kind "crystals", of this split
    stacks, split : the real stacks, and split.json
    out : run folder, with a folder of each round
    workers : processes
    """
    out = Path(out)
    with StackFile(stacks) as file:
        parted = load_split(split, stack_digest=file.identity)
    source = load_crystals(Path(generator), split_digest=parted.names)
    inputs = {"generator": source.digest, "split": parted.digest, "stacks": parted.stack_digest}
    with Run.open(out, stage="rounds", config=config, inputs=inputs) as run:
        if run.result is not None:
            return out / "report.html"
        data = {"stacks": Path(stacks), "split": Path(split)}
        rows: list[dict[str, Any]] = []
        first: list[Path] = []
        newest: list[Path] = []
        files: dict[str, Path] = {}
        for number in range(config.rounds + 1):
            folder, added = out / f"round-{number}", None
            if number:
                made = synthesize_crystals(_later(config.synthesize, number), generator=generator, **data,
                                           out=folder / "synthetic.h5", paths=out / f"round-{number - 1}" / "distort",
                                           classifiers=newest, workers=workers)
                files[f"round-{number}"] = made
                added = join(files, folder / "added.h5", stage_record("rounds", config, inputs | {
                    name: _digest(path) for name, path in files.items()}))
            newest = _trained(config, data, added, folder, workers)
            first = first or newest
            found = distort(_later(config.distort, number), classifiers=list(dict.fromkeys([*first, *newest])), **data,
                            out=folder / "distort", workers=workers).parent
            rows.append({"round": number, **row_of(newest, found, [load_classifier(path).digest for path in first],
                                                   [load_classifier(path).digest for path in newest], added)})
        path = write_report(rows, provenance=run.provenance(), out=out)
        run.finish({"report": path.name}, files=[path.name])
    return path


def _later(config: Any, number: int) -> Any:
    """The configuration of a round."""
    return config.model_copy(update={"seed": config.seed + number})


def _trained(config: RoundsConfig, data: dict[str, Path], added: Path | None, folder: Path, workers: int) -> list[Path]:
    """The classifiers of a round, one a seed."""
    jobs = [Job(arm=folder.name, seed=seed, config=config.classifier.model_copy(update={"seed": seed}), **data,
                source=added, out=folder / f"classifier-{seed}") for seed in config.seeds]
    train_all(jobs, workers, folder.name)
    return [job.out / "classifier.safetensors" for job in jobs]


def _digest(path: Path) -> str:
    with StackFile(path) as file:
        return file.digest
